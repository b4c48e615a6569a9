import Foundation
import Glibc
import Lineage
import Objects

// How a store is opened.
extension Repository {
  /// Takes the shared lock and opens the database; brings an older one up to date first.
  static func open(
    _ layout: Layout, storage: any Storage, migrations: [(name: String, sql: String)]
  ) throws -> (StoreLock, LineageDatabase) {
    try checkFormat(layout)
    var lock = try sharedLock(layout) as StoreLock?
    let isReadOnly = isReadOnly(layout)
    if !isReadOnly { try refuseNetworkDisk(layout.root) }
    let database = try LineageDatabase(path: layout.database, readOnly: isReadOnly, migrations: migrations)
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
    try migrate(database, layout, storage: storage, migrations: migrations)
    return (try sharedLock(layout), database)
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
    RepositoryError(.io, "\(layout.root): the store is read-only for this user")
  }

  static func sharedLock(_ layout: Layout) throws -> StoreLock {
    guard let lock = try StoreLock(path: layout.lock, exclusive: false) else {
      throw RepositoryError(
        .conflict, "\(layout.root): locked by another process (gc, rebuild or a migration)", hint: "try again later")
    }
    return lock
  }

  /// The caller has given back its shared lock.
  static func exclusiveLock(_ layout: Layout) throws -> StoreLock {
    guard let lock = try StoreLock(path: layout.lock, exclusive: true) else {
      throw RepositoryError(.conflict, "\(layout.root): in use by another process", hint: "try again when it is done")
    }
    return lock
  }

  static func checkFormat(_ layout: Layout) throws {
    guard let text = try? String(contentsOfFile: layout.config, encoding: .utf8) else {
      throw RepositoryError(.notFound, "\(layout.root): no store there", hint: "make one with: stemma init")
    }
    let line = text.split(separator: "\n").first { $0.hasPrefix("format:") }
    guard let found = line.flatMap({ Int($0.dropFirst(7).filter { $0 != " " }) }) else {
      throw RepositoryError(.corrupt, "\(layout.config): a line `format: \(Layout.formatVersion)` expected, none found")
    }
    guard found <= Layout.formatVersion else {
      throw RepositoryError(
        .unsupported, "\(layout.root): store format \(found), this program reads up to \(Layout.formatVersion)",
        hint: "use a newer stemma")
    }
  }
}
