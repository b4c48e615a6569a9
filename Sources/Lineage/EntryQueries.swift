internal import GRDB
package import Objects

extension Row {
  /// A store id at a column.
  func store(_ index: Int) throws -> StoreID {
    guard let id = StoreID(hex: try text(index)) else {
      throw LineageError.corrupt(detail: "a store id of 32 hex digits expected, found another text")
    }
    return id
  }
}

private let entryColumns = "SELECT digest, sequence, store, kind, document, made_at, made_by FROM entries"

private func eventRow(_ row: Row) throws -> EventRow {
  EventRow(
    place: EventPlace(sequence: try row.int(1), entry: try row.digest(0), store: try row.store(2)),
    kind: try row.text(3), document: try row.optionalDigest(4), madeAt: try row.text(5), madeBy: try row.text(6))
}

extension LineageReading {
  /// Every event, in the order of all.
  package func events() throws -> [EventRow] {
    try withConnection { try $0.all("\(entryColumns) ORDER BY sequence, digest", [], eventRow) }
  }

  /// The event with this entry, or nil.
  package func event(_ entry: Digest) throws -> EventRow? {
    try withConnection { try $0.one("\(entryColumns) WHERE digest = ?", [entry.blob], eventRow) }
  }

  /// The events that no other was made upon, in their order: one as a rule, none in a new store.
  package func heads() throws -> [EventRow] {
    let sql = "\(entryColumns) WHERE digest IN (SELECT entry FROM heads) ORDER BY sequence, digest"
    return try withConnection { try $0.all(sql, [], eventRow) }
  }

  /// The highest number of an event on record; 0 in a new store.
  package func lastSequence() throws -> Int {
    try withConnection { try $0.count("SELECT coalesce(max(sequence), 0) FROM entries") }
  }
}

extension Publication {
  /// Records an event, after those that it was made upon; false when it was on record already. From now on it is a head
  /// in their place.
  @discardableResult
  package func insertEntry(_ entry: Entry) throws -> Bool {
    guard try event(entry.digest) == nil else { return false }
    let values: [Connection.Value] = [
      entry.digest.blob, entry.sequence, entry.kind, entry.store.hex, entry.document?.blob, entry.madeAt, entry.madeBy,
    ]
    try connection.run(
      """
      INSERT INTO entries (digest, sequence, kind, store, document, made_at, made_by) VALUES (?, ?, ?, ?, ?, ?, ?)
      """, values)
    for head in entry.heads { try connection.run("DELETE FROM heads WHERE entry = ?", [head.blob]) }
    try connection.run("INSERT INTO heads (entry) VALUES (?)", [entry.digest.blob])
    return true
  }
}
