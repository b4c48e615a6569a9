import Glibc
import Objects

/// Where things are inside a `.stemma` folder.
struct Layout: Sendable {
  let root: String

  var config: String { root + "/config.yml" }
  var database: String { root + "/stemma.sqlite" }
  var documents: String { root + "/documents" }
  var packs: String { root + "/packs" }
  var temporary: String { root + "/tmp" }
  var lock: String { root + "/lock" }
  /// Who waits for the exclusive lock holds this one.
  var queue: String { root + "/lock-queue" }
  var policy: String { root + "/policy.yml" }
  var trust: String { root + "/trust.yml" }
  var entries: String { root + "/entries" }
  /// The folders that every store has. They are made anew where they are missing.
  var folders: [String] { [documents, entries, packs, temporary] }
  var heads: String { root + "/heads" }

  /// Whether a store is there, be it one whose `config.yml` is gone or one that this user may not read.
  var isStore: Bool {
    exists(config) || exists(root) && access(root, R_OK | X_OK) != 0 && errno == EACCES
      || exists(packs) && exists(documents) && (exists(database) || exists(entries))
  }

  /// Whether this is a store's folder by its files, whatever its name.
  var isWhole: Bool { exists(config) && exists(database) && exists(packs) && exists(documents) }

  /// Bytes that the path of a store may have: SQLite takes no paths of more than 512.
  static let rootBytesMax = 460

  /// The databases that rebuilds have replaced since gc last found the store whole, the oldest first; and the place
  /// for the next one.
  var formerDatabases: (kept: [String], next: String) {
    var kept: [String] = []
    while true {
      let path = "\(database).before-rebuild" + (kept.isEmpty ? "" : "-\(kept.count + 1)")
      guard exists(path) else { return (kept, path) }
      kept.append(path)
    }
  }

  /// The database as it was before a migration.
  func copy(before migration: String) -> String { "\(database).before-\(migration)" }

  func pack(_ hex: String) -> String { "\(packs)/\(hex.prefix(2))/\(hex).pack" }

  /// The format that this program writes, and the newest it opens.
  static let formatVersion = 2
}

extension Storage {
  /// Removes a database file and what SQLite keeps beside it, as far as they are there.
  func removeDatabase(_ path: String) {
    for suffix in ["", "-wal", "-shm"] { try? remove(path + suffix) }
  }
}
