internal import Foundation
internal import GRDB
internal import Glibc
internal import Migrations
package import Objects

/// The lineage and the index of objects: one SQLite file, in WAL mode, synced at every commit.
///
/// Several threads and several processes may use one file at once: readers never wait, writers take turns.
package final class LineageDatabase: Sendable {
  let store: any DatabaseWriter
  package let path: String
  package let isReadOnly: Bool
  /// What the file was when it was opened, where SQLite reads it without locks.
  let frozen: FileState?
  /// Stores whose withdrawals and clearing evaluations count: this one, and those that its people trust.
  package let trusted: Set<StoreID>
  private let migrations: [(name: String, sql: String)]

  /// The migrations of this program, oldest first.
  package static var shipped: [(name: String, sql: String)] { Migrations.migrations }

  /// Opens the file at `path`; unless read-only, makes it when it is missing (call `migrate()` then).
  ///
  /// - Parameters:
  ///   - busyTimeout: how long, in seconds, a writer waits for another process.
  ///   - trusted: stores whose withdrawals and clearing evaluations count.
  ///   - migrations: others than this program's, for tests.
  /// - Throws: `LineageError`; `.newerFormat` when a later version wrote the file.
  package init(
    path: String, readOnly: Bool = false, busyTimeout: Double = 30, trusting trusted: Set<StoreID> = [],
    migrations: [(name: String, sql: String)] = LineageDatabase.shipped
  ) throws {
    self.path = path
    self.isReadOnly = readOnly
    self.trusted = trusted
    self.migrations = migrations
    var configuration = Configuration()
    configuration.readonly = readOnly
    configuration.foreignKeysEnabled = true
    configuration.busyMode = .timeout(busyTimeout)
    let settings = configuration
    (store, frozen) = try translatingErrors {
      readOnly ? try Self.openToRead(path, settings) : (try Self.openToWrite(path, settings), nil)
    }
    let found = try format()
    if found > migrations.count {
      try? store.close()
      throw LineageError.newerFormat(found: found, supported: migrations.count)
    }
  }

  /// Closes every connection; nothing may be called afterwards. The last writer to close leaves one file, without WAL.
  package func close() throws {
    try translatingErrors {
      // Only a writing connection that closes last empties the WAL, and GRDB closes the readers last.
      (store as? DatabasePool)?.invalidateReadOnlyConnections()
      try store.close()
    }
  }

  /// Whether every migration known to this program has been applied.
  package func isCurrent() throws -> Bool { try format() == migrations.count }

  /// The number of migrations that have been applied; 0 for an empty file.
  package func format() throws -> Int { try withConnection(Self.format) }

  /// Applies the migrations that are missing, all in one transaction: after a crash, all or none are there.
  ///
  /// The caller holds the store's exclusive lock and has made a `backup(to:)` when there was something to lose.
  package func migrate() throws {
    try write { connection in
      let done = try Self.format(connection)
      guard done <= migrations.count else {
        throw LineageError.newerFormat(found: done, supported: migrations.count)
      }
      for migration in migrations[done...] {
        try connection.database.execute(sql: migration.sql)
      }
      try connection.database.execute(sql: "PRAGMA user_version = \(migrations.count)")
    }
  }

  /// Runs `body` in one write transaction: all of its rows are durable when this returns, or, when it throws, none.
  ///
  /// Objects and documents must be durable on disk before `body` returns. Inside, use only the `Publication`.
  package func publish<T>(_ body: (Publication) throws -> T) throws -> T {
    try write { try body(Publication(connection: $0)) }
  }

  /// Runs several queries on one unchanging view of the database.
  package func snapshot<T>(_ body: (Snapshot) throws -> T) throws -> T {
    try withConnection { try body(Snapshot(connection: $0)) }
  }

  private func write<T>(_ body: (Connection) throws -> T) throws -> T {
    guard !isReadOnly else { throw LineageError.readOnly(detail: path) }
    return try translatingErrors {
      try store.writeWithoutTransaction { database in
        var result: T?
        try database.inTransaction(.immediate) {
          result = try body(Connection(database: database, trusted: trusted))
          return .commit
        }
        guard let result else { throw LineageError.unexpected(code: 0, detail: "a transaction without a result") }
        return result
      }
    }
  }

  private static func format(_ connection: Connection) throws -> Int {
    let version = try connection.one("PRAGMA user_version") { try $0.int(0) } ?? 0
    let application = try connection.one("PRAGMA application_id") { try $0.int(0) } ?? 0
    let tables = try connection.one("SELECT count(*) FROM sqlite_schema") { try $0.int(0) } ?? 0
    let ours = application == 0x5374_656d
    guard ours ? version > 0 : version == 0 && tables == 0 else {
      throw LineageError.corrupt(detail: "a database of another program")
    }
    return version
  }
}

// MARK: - Opening

extension LineageDatabase {
  private static func openToWrite(_ path: String, _ configuration: Configuration) throws -> any DatabaseWriter {
    // SQLite would make the file 0644 whatever the umask allows, and a group could not share the store.
    let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    if file >= 0 { _ = Glibc.close(file) }
    let pool = try DatabasePool(path: path, configuration: configuration)
    // GRDB sets NORMAL, with which a power cut may undo a commit.
    try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    return pool
  }

  private static func openToRead(
    _ path: String, _ configuration: Configuration
  ) throws -> (any DatabaseWriter, FileState?) {
    let state = FileState(path)
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      // The first read is what finds out whether the WAL files can be used.
      _ = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
      return (queue, nil)
    } catch let error as DatabaseError where cannotMakeIndex(error) && access(path, R_OK) == 0 {
      guard isSettled(path) else {
        throw LineageError.io(
          code: Int(error.extendedResultCode.rawValue),
          detail: "\(path)-wal is not written back; let someone who can write here open it once")
      }
      // Without a WAL index there is no way to lock; `withConnection` looks whether anybody has written meanwhile.
      let unreserved = CharacterSet(charactersIn: "/-._~").union(.alphanumerics)
      let escaped = path.addingPercentEncoding(withAllowedCharacters: unreserved) ?? path
      return (try DatabaseQueue(path: "file:\(escaped)?immutable=1", configuration: configuration), state)
    }
  }

  /// Whether SQLite would have to make a WAL index in a folder that cannot be written, or on a full disk.
  private static func cannotMakeIndex(_ error: DatabaseError) -> Bool {
    [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode)
      || [.SQLITE_IOERR_SHMSIZE, .SQLITE_IOERR_SHMOPEN].contains(error.extendedResultCode)
  }

  /// Whether everything committed is in the file, none in a WAL file beside it.
  private static func isSettled(_ path: String) -> Bool {
    var status = stat()
    return stat(path + "-wal", &status) != 0 || status.st_size == 0
  }
}

/// Size and time of a file: enough to see that it was written.
struct FileState: Sendable, Equatable {
  private let size: Int
  private let seconds: Int
  private let nanoseconds: Int

  /// Of a file that is not there, a state of its own.
  init(_ path: String) {
    var status = stat()
    let isThere = stat(path, &status) == 0
    size = isThere ? Int(status.st_size) : -1
    seconds = isThere ? status.st_mtim.tv_sec : 0
    nanoseconds = isThere ? status.st_mtim.tv_nsec : 0
  }
}
