internal import GRDB
internal import Glibc

extension LineageDatabase {
  /// Copies the database, as one transaction sees it, to a new file; durable when this returns.
  ///
  /// - Throws: `.io` when the file is there already or cannot be written, `.diskFull`.
  package func backup(to target: String) throws {
    // VACUUM INTO takes an empty file too. It would make one that a group cannot write, and leaves it unsynced.
    let file = Glibc.open(target, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw LineageError.io(code: Int(errno), detail: "cannot make \(target)") }
    defer { _ = Glibc.close(file) }
    try translatingErrors {
      try store.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [target]) }
    }
    guard fsync(file) == 0 else { throw LineageError.io(code: Int(errno), detail: "cannot sync \(target)") }
  }

  /// A number that is another one once another process or connection has changed the database.
  package func dataVersion() throws -> Int {
    try translatingErrors {
      try store.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA data_version") ?? 0 }
    }
  }

  /// What is wrong with the database, a line each; none when it is sound. Reads the whole file.
  package func integrityCheck() throws -> [String] {
    try withConnection { connection in
      var faults = try connection.all("PRAGMA integrity_check") { try $0.text(0) }.filter { $0 != "ok" }
      faults += try connection.all("PRAGMA foreign_key_check") { row in
        "table \(try row.text(0)): a row that names something not in table \(try row.text(2))"
      }
      for (fault, query) in rules {
        let rows = try connection.count(query)
        if rows > 0 { faults.append("\(fault): \(rows)") }
      }
      return faults
    }
  }
}

/// What SQLite's own constraints cannot say: the fault and the query that counts it.
private let rules: [(fault: String, query: String)] = [
  (
    "objects whose depth is not one more than their base's",
    "SELECT count(*) FROM objects o JOIN objects b ON b.digest = o.base WHERE o.depth <> b.depth + 1"
  ),
  (
    "names that are not what their newest change says",
    """
    SELECT count(*) FROM names n LEFT JOIN name_changes c ON c.entry = n.entry AND c.name = n.name COLLATE NOCASE
    WHERE c.model IS NOT n.model OR c.name IS NOT n.name OR c.replaced OR EXISTS (
      SELECT 1 FROM name_changes l WHERE l.name = n.name COLLATE NOCASE AND NOT l.replaced
        AND (l.sequence, l.entry) > (n.sequence, n.entry))
    """
  ),
  (
    "histories without a head",
    "SELECT count(*) FROM (SELECT 1 WHERE EXISTS (SELECT 1 FROM entries) AND NOT EXISTS (SELECT 1 FROM heads))"
  ),
  (
    "parents whose weights have another number than their model's",
    """
    SELECT count(*) FROM parents p JOIN models m ON m.id = p.parent JOIN weights w ON w.id = m.weights_id
      JOIN derivations d ON d.digest = p.derivation JOIN models c ON c.id = d.model
      JOIN weights v ON v.id = c.weights_id
    WHERE p.above IS NOT w.number OR p.below IS NOT v.number
    """
  ),
  (
    "models whose weights have no number",
    "SELECT count(*) FROM models WHERE weights_id NOT IN (SELECT id FROM weights)"
  ),
]
