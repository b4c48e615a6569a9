internal import Objects

extension Publication {
  /// Records that a name was given or taken away. The event with the highest sequence decides what the name means, so
  /// events may come in any order; one whose document is on record already changes nothing.
  ///
  /// - Parameter replacing: whether the name may leave another model. It may never change its case while in use.
  /// - Throws: `.nameConflict`; `.unknownModel` when the model is not on record.
  package func recordName(_ event: NameEvent, replacing: Bool = false) throws {
    let known = try connection.count(
      "SELECT count(*) FROM name_events WHERE document = ?", [event.document.blob])
    guard known == 0 else { return }
    let newest = try connection.count(
      "SELECT coalesce(max(sequence), 0) FROM name_events WHERE name = ? COLLATE NOCASE", [event.name])
    let isNewest = event.sequence > newest
    if let existing = try name(event.name), isNewest || !replacing {
      let moves = event.model != nil && event.model != existing.model && !replacing
      if existing.name != event.name || moves {
        throw LineageError.nameConflict(name: event.name, existing: existing.name, model: existing.model)
      }
    }
    try insert(event)
    try keepCounter(above: event.sequence)
    if isNewest { try apply(event) }
  }

  private func insert(_ event: NameEvent) throws {
    let values: [Connection.Value] = [
      event.sequence, event.name, event.model?.blob, event.madeAt, event.madeBy, event.document.blob,
    ]
    try connection.run(
      """
      INSERT INTO name_events (sequence, name, model, made_at, made_by, document) VALUES (?, ?, ?, ?, ?, ?)
      """, values)
  }

  private func apply(_ event: NameEvent) throws {
    guard let id = event.model else {
      try connection.run("DELETE FROM names WHERE name = ?", [event.name])
      return
    }
    guard try model(id) != nil else { throw LineageError.unknownModel(id) }
    try connection.run(
      """
      INSERT INTO names (name, model, sequence) VALUES (?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET model = excluded.model, sequence = excluded.sequence
      """, [event.name, id.blob, event.sequence])
  }
}
