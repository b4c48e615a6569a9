internal import Foundation
internal import GRDB
package import Objects

/// One write transaction under way; good only inside `LineageDatabase.publish`. Reads see what it has written.
package struct Publication: LineageReading {
  let connection: Connection

  package func withConnection<T>(_ body: (Connection) throws -> T) throws -> T { try body(connection) }

  /// Records a model, or more about one on record: `absent` may become `virtual` or `stored`, `virtual` may become
  /// `stored`, never the other way; a sketch, and the number and derivation of the first record, stay once given.
  package func insertModel(_ model: ModelRow, sketch: [UInt8]? = nil) throws {
    let sql = """
      INSERT INTO models (id, weights_id, state, tensors, bytes, sequence, derivation) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET
        weights_id = iif(state = 'absent', excluded.weights_id, weights_id),
        tensors = iif(state = 'absent', excluded.tensors, tensors),
        bytes = iif(state = 'absent', excluded.bytes, bytes),
        state = iif(state = 'stored' OR excluded.state = 'absent', state, excluded.state)
      """
    let values: [Connection.Value] = [
      model.id.blob, model.weightsID.blob, model.state.rawValue, model.tensors, model.bytes, model.sequence,
      model.derivation.blob,
    ]
    try connection.run(sql, values)
    if let sketch {
      try connection.run(
        "INSERT OR IGNORE INTO sketches (model, sketch) VALUES (?, ?)", [model.id.blob, Data(sketch)])
    }
  }

  /// Records a document with the SHA-256 of whole files of a model on record; one that is known stays as it is.
  package func insertFileDigests(_ document: Digest, of model: Digest, event: EventPlace) throws {
    try connection.run(
      "INSERT OR IGNORE INTO file_digests (document, model, sequence, entry) VALUES (?, ?, ?, ?)",
      [document.blob, model.blob, event.sequence, event.entry.blob])
  }

  /// Says where a model's bytes are now; unlike `insertModel` this may go down, as after `remove`.
  package func setState(_ model: Digest, _ state: ModelState) throws {
    let changed = try connection.run("UPDATE models SET state = ? WHERE id = ?", [state.rawValue, model.blob])
    guard changed == 1 else { throw LineageError.unknownModel(model) }
  }

  /// Records a derivation of a model on record; false when it was there already.
  @discardableResult
  package func insertDerivation(_ derivation: DerivationRow) throws -> Bool {
    let known = try connection.count(
      "SELECT count(*) FROM derivations WHERE digest = ?", [derivation.digest.blob])
    guard known == 0 else { return false }
    guard try model(derivation.model) != nil else { throw LineageError.unknownModel(derivation.model) }
    let values: [Connection.Value] = [
      derivation.digest.blob, derivation.model.blob, derivation.kind.rawValue, derivation.madeAt, derivation.madeBy,
      derivation.tool, derivation.recipe?.blob, derivation.event.sequence, derivation.event.entry.blob,
    ]
    try connection.run(
      """
      INSERT INTO derivations (digest, model, kind, made_at, made_by, tool, recipe, sequence, entry)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, values)
    for (position, parent) in derivation.parents.enumerated() {
      let values: [Connection.Value] = [
        derivation.digest.blob, position, parent.role, parent.parent.blob, parent.coefficient, parent.claimed ? 1 : 0,
        parent.inferred ? 1 : 0, parent.share,
      ]
      try connection.run(
        """
        INSERT INTO parents (derivation, position, role, parent, coefficient, claimed, inferred, share)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """, values)
    }
    return true
  }

  /// Drops models with their derivations.
  package func deleteModels(_ models: some Sequence<Digest>) throws {
    for model in models { try connection.run("DELETE FROM models WHERE id = ?", [model.blob]) }
  }
}
