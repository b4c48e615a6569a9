import Crypto
import Foundation
import Migrations
import Testing

/// A shipped migration never changes: the SHA-256 of each file's bytes. Only ever append.
private let shipped: [(name: String, sha256: String)] = [
  ("m0001_lineage", "69574c5092a4b1dfa36fecd7f2b22091e4e50342d795734166392fbd52ba00f3"),
  ("m0002_advisories", "0fde362b6096b167959c4fa3c32e0a0241788d554d7b2b41f9c974a2cfdd397b"),
  ("m0003_entries", "64926c9547a133778aa51a7d4ecc527b5dc0118fb74293bb7ed5cd7039ab35df"),
]

@Suite("migrations")
struct MigrationTests {
  @Test("every SQL file is listed, in order, as it lies on disk")
  func listed() throws {
    let folder = Package.root.appending(path: "migrations/sql")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(files == migrations.map { stem($0.name) + ".sql" })
    for migration in migrations {
      let onDisk = try Data(contentsOf: folder.appending(path: stem(migration.name) + ".sql"))
      #expect(Data(migration.sql.utf8) == onDisk, "\(migration.name) differs from its file")
    }
  }

  @Test("a shipped migration never changes")
  func unchanged() {
    #expect(migrations.map { stem($0.name) } == shipped.map(\.name))
    for (migration, pinned) in zip(migrations, shipped) {
      let found = SHA256.hash(data: Data(migration.sql.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        .joined()
      #expect(found == pinned.sha256, "\(migration.name) is \(found), pinned \(pinned.sha256)")
    }
  }
}

private func stem(_ name: String) -> String {
  name.hasSuffix(".sql") ? String(name.dropLast(4)) : name
}
