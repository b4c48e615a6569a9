/// Every change of the database, oldest first. A shipped file never changes; a new one is added below.
package let migrations: [(name: String, sql: String)] = [
  ("m0001_lineage", text(PackageResources.m0001_lineage_sql)),
  ("m0002_advisories", text(PackageResources.m0002_advisories_sql)),
  ("m0003_entries", text(PackageResources.m0003_entries_sql)),
]

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
