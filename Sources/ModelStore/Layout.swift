/// Where things are inside a `.stemma` folder.
struct Layout: Sendable {
  let root: String

  var config: String { root + "/config.yml" }
  var database: String { root + "/stemma.sqlite" }
  var documents: String { root + "/documents" }
  var packs: String { root + "/packs" }
  var temporary: String { root + "/tmp" }
  var lock: String { root + "/lock" }
  var policy: String { root + "/policy.yml" }

  /// The database as it was before a migration.
  func copy(before migration: String) -> String { "\(database).before-\(migration)" }

  func pack(_ hex: String) -> String { "\(packs)/\(hex.prefix(2))/\(hex).pack" }

  /// The format that this program writes, and the newest it opens.
  static let formatVersion = 1
}
