internal import GRDB
package import Objects

private func nameRow(_ row: Row) throws -> NameRow {
  NameRow(name: try row.text(0), model: try row.digest(1), sequence: try row.int(2))
}

private func nameEvent(_ row: Row) throws -> NameEvent {
  NameEvent(
    sequence: try row.int(0), name: try row.text(1), model: try row.optionalDigest(2), madeAt: try row.text(3),
    madeBy: try row.text(4), document: try row.digest(5))
}

extension LineageReading {
  /// What `name` means now, in any case; the answer has the exact spelling.
  package func name(_ name: String) throws -> NameRow? {
    try withConnection { try $0.one("SELECT name, model, sequence FROM names WHERE name = ?", [name], nameRow) }
  }

  /// The names of a model, in alphabetical order.
  package func names(of model: Digest) throws -> [String] {
    try withConnection { connection in
      try connection.all("SELECT name FROM names WHERE model = ? ORDER BY name", [model.blob]) { try $0.text(0) }
    }
  }

  /// Every name there is now, in alphabetical order.
  package func allNames() throws -> [NameRow] {
    try withConnection { try $0.all("SELECT name, model, sequence FROM names ORDER BY name", [], nameRow) }
  }

  /// What happened to `name`, in any case, newest first.
  package func nameHistory(_ name: String) throws -> [NameEvent] {
    let sql = """
      SELECT sequence, name, model, made_at, made_by, document FROM name_events
      WHERE name = ? COLLATE NOCASE ORDER BY sequence DESC
      """
    return try withConnection { try $0.all(sql, [name], nameEvent) }
  }
}
