internal import GRDB
package import Objects

private func nameRow(_ row: Row) throws -> NameRow {
  NameRow(name: try row.text(0), model: try row.digest(1), sequence: try row.int(2), entry: try row.digest(3))
}

private let eventColumns = """
  SELECT c.sequence, c.name, c.model, e.made_at, e.made_by, c.entry, c.replaced
  FROM name_changes c JOIN entries e ON e.digest = c.entry
  """

private func nameEvent(_ row: Row) throws -> NameEvent {
  NameEvent(
    sequence: try row.int(0), name: try row.text(1), model: try row.optionalDigest(2), madeAt: try row.text(3),
    madeBy: try row.text(4), entry: try row.digest(5), isReplaced: try row.int(6) != 0)
}

extension LineageReading {
  /// What `name` means now, in any case; the answer has the exact spelling.
  package func name(_ name: String) throws -> NameRow? {
    try withConnection { try $0.one("SELECT name, model, sequence, entry FROM names WHERE name = ?", [name], nameRow) }
  }

  /// The names of a model, in alphabetical order.
  package func names(of model: Digest) throws -> [String] {
    try withConnection { connection in
      try connection.all("SELECT name FROM names WHERE model = ? ORDER BY name", [model.blob]) { try $0.text(0) }
    }
  }

  /// Every name there is now, in alphabetical order.
  package func allNames() throws -> [NameRow] {
    try withConnection { try $0.all("SELECT name, model, sequence, entry FROM names ORDER BY name", [], nameRow) }
  }

  /// What was named otherwise by changes that diverged, until someone decides; in alphabetical order.
  package func nameConflicts() throws -> [NameRow] {
    let sql = "SELECT name, model, sequence, entry FROM name_conflicts ORDER BY name, entry"
    return try withConnection { try $0.all(sql, [], nameRow) }
  }

  /// What was named otherwise by changes of `name`, in any case, that diverged.
  package func conflicts(of name: String) throws -> [NameRow] {
    let sql = "SELECT name, model, sequence, entry FROM name_conflicts WHERE name = ? ORDER BY entry"
    return try withConnection { try $0.all(sql, [name], nameRow) }
  }

  /// What happened to `name`, in any case, newest first.
  package func nameHistory(_ name: String) throws -> [NameEvent] {
    let sql = "\(eventColumns) WHERE c.name = ? COLLATE NOCASE ORDER BY c.sequence DESC, c.entry DESC"
    return try withConnection { try $0.all(sql, [name], nameEvent) }
  }

  /// The changes of `name`, in any case, that no other was made upon, newest first: one as a rule, none for a new name.
  package func openChanges(of name: String) throws -> [NameEvent] {
    let sql = """
      \(eventColumns) WHERE c.name = ? COLLATE NOCASE AND c.replaced = 0 ORDER BY c.sequence DESC, c.entry DESC
      """
    return try withConnection { try $0.all(sql, [name], nameEvent) }
  }
}
