import Foundation
import Glibc
import Lineage
import Objects
import Tensors

// How a store is opened.
extension Repository {
  /// Takes the shared lock and opens the database; brings an older one up to date first.
  static func open(
    _ layout: Layout, storage: any Storage, migrations: [(name: String, sql: String)]
  ) throws -> (lock: StoreLock, lineage: LineageDatabase, history: History) {
    let store = try checkFormat(layout)
    // Copies by tools that leave out empty folders lack some.
    if !isReadOnly(layout) { for folder in layout.folders where !exists(folder) { try storage.makeDirectory(folder) } }
    try PacksMarker(layout: layout, storage: storage).check(store)
    let trusted = try TrustFile.read(layout).union([store])
    let lock: StoreLock
    let lineage: LineageDatabase
    func openDatabase(isReadOnly: Bool) throws -> (StoreLock, LineageDatabase) {
      try self.openDatabase(
        layout, isReadOnly: isReadOnly, storage: storage, trusting: trusted, migrations: migrations)
    }
    do {
      (lock, lineage) = try Reserve(layout: layout).spending { try openDatabase(isReadOnly: isReadOnly(layout)) }
    } catch let error as LineageError where Reserve.isFull(error) {
      // Reading works without a byte free.
      (lock, lineage) = try openDatabase(isReadOnly: true)
    }
    if !lineage.isReadOnly { Reserve(layout: layout).make() }
    let history = History(store: store, layout: layout, storage: storage)
    try history.requireCurrent(lineage)
    if !lineage.isReadOnly, try !history.readable(above: lineage.lastSequence()).isEmpty {
      try lineage.publish { try history.adopt(in: $0) }
    }
    return (lock, lineage, history)
  }

  private static func openDatabase(
    _ layout: Layout, isReadOnly: Bool, storage: any Storage, trusting trusted: Set<StoreID>,
    migrations: [(name: String, sql: String)]
  ) throws -> (StoreLock, LineageDatabase) {
    var lock = try sharedLock(layout) as StoreLock?
    if !isReadOnly { try refuseNetworkDisk(layout.root) }
    let database: LineageDatabase
    do {
      database = try LineageDatabase(
        path: layout.database, readOnly: isReadOnly, trusting: trusted, migrations: migrations)
    } catch LineageError.io(let code, let detail) where code & 0xFF == 14 {
      // SQLite does not say why a file cannot be opened; the system does.
      let file = Glibc.open(layout.database, (isReadOnly ? O_RDONLY : O_RDWR) | O_CLOEXEC)
      guard file < 0 else {
        close(file)
        let isLong = layout.root.utf8.count > Layout.rootBytesMax
        throw RepositoryError(
          .io, "\(layout.database): cannot be opened: \(isLong ? "its path is too long" : detail)",
          hint: isLong ? "move the store to a folder with a shorter path" : "may this process open more files?")
      }
      throw StorageError(operation: "open", path: layout.database, code: errno)
    }
    let format = try database.format()
    guard format > 0 else {
      throw RepositoryError(.corrupt, "\(layout.database): no lineage in it", hint: "run: stemma rebuild")
    }
    if let lock, format == migrations.count { return (lock, database) }
    guard !isReadOnly else {
      throw RepositoryError(
        .unsupported, "\(layout.database): format \(migrations.count) expected, found \(format)",
        hint: "let someone who can write the store open it once")
    }
    lock = nil
    let file = fileNumber(layout.database)
    try migrate(database, layout, storage: storage, migrations: migrations)
    let again = try sharedLock(layout)
    guard file == fileNumber(layout.database) else {
      throw RepositoryError(
        .conflict, "\(layout.database): another process has made the database anew meanwhile",
        hint: "run the command again")
    }
    return (again, database)
  }

  /// Brings an older database up to date, alone in the store, when a copy of it is durable beside it.
  private static func migrate(
    _ database: LineageDatabase, _ layout: Layout, storage: any Storage, migrations: [(name: String, sql: String)]
  ) throws {
    let lock = try exclusiveLock(layout)
    try withExtendedLifetime(lock) {
      let format = try database.format()
      // Else another process has done it meanwhile.
      if format < migrations.count {
        let draft = "\(layout.temporary)/copy-\(getpid()).sqlite"
        try? storage.remove(draft)
        do {
          try database.backup(to: draft)
          try storage.rename(draft, to: layout.copy(before: migrations[format].name))
        } catch {
          try? storage.remove(draft)
          throw error
        }
        try storage.syncDirectory(layout.root)
      }
      try database.migrate()
    }
  }

  static func isReadOnly(_ layout: Layout) -> Bool { access(layout.root, W_OK) != 0 }

  static func readOnly(_ layout: Layout) -> RepositoryError {
    if isReadOnly(layout) { return RepositoryError(.io, "\(layout.root): the store is read-only for this user") }
    return RepositoryError(
      .io, "\(layout.root): the disk is full, and only reading works", hint: "free some space; nothing was lost")
  }

  static func sharedLock(_ layout: Layout) throws -> StoreLock {
    guard let lock = try StoreLock(path: layout.lock, exclusive: false, patience: 10, queue: layout.queue) else {
      throw RepositoryError(
        .conflict, "\(layout.root): locked by another process (gc, rebuild or a migration)", hint: "try again later")
    }
    return lock
  }

  /// The caller has given back its shared lock. New shared locks are held back meanwhile, for ten seconds at most.
  ///
  /// - Parameters:
  ///   - waiting: waits as long as it takes; else ten seconds.
  ///   - pool: what is asked to stop, stops the waiting too.
  static func exclusiveLock(
    _ layout: Layout, waiting: Bool = false, pool: WorkerPool? = nil
  ) throws -> StoreLock {
    repeat {
      try pool?.checkInterruption()
      if let lock = try StoreLock(path: layout.lock, exclusive: true, patience: 10, queue: layout.queue) {
        return lock
      }
      // A moment for those who were held back.
      if waiting { usleep(200_000) }
    } while waiting
    throw RepositoryError(
      .conflict, "\(layout.root): in use by another process", hint: "try again when it is done, or use --wait")
  }

  /// The id of a store whose files can be read as they are.
  ///
  /// - Throws: `notFound`, `corrupt`, and `unsupported` for formats before and after this one.
  static func checkFormat(_ layout: Layout) throws -> StoreID {
    let config = try StoreConfig.read(layout)
    guard let store = config.store else {
      throw RepositoryError(
        .unsupported, "\(layout.root): store format \(config.format), this program works with \(Layout.formatVersion)",
        hint: "bring it to the new format with: stemma rebuild (copy the store first)")
    }
    return store
  }
}
