internal import Foundation
internal import GRDB
package import Objects

private let columns = "SELECT id, weights_id, state, tensors, bytes, sequence, derivation FROM models"

private func modelRow(_ row: Row) throws -> ModelRow {
  ModelRow(
    id: try row.digest(0), weightsID: try row.digest(1), state: try row.choice(2, ModelState.self),
    tensors: try row.int(3), bytes: try row.int(4), sequence: try row.int(5), derivation: try row.digest(6))
}

extension LineageReading {
  /// The model with this id, or nil.
  package func model(_ id: Digest) throws -> ModelRow? {
    try withConnection { connection in
      try connection.one(
        "\(columns) WHERE id = ?", [id.blob], modelRow)
    }
  }

  /// Models with their names and how they were first made, newest first. Costs three scans: look-ups for each of ten
  /// thousand models would cost more.
  package func models() throws -> [NamedModel] {
    try withConnection { connection in
      var names: [Digest: [String]] = [:]
      try connection.each("SELECT model, name FROM names") { row in
        names[try row.digest(0), default: []].append(try row.text(1))
      }
      var origins: [Digest: ModelOrigin] = [:]
      try connection.each("SELECT digest, kind, made_at FROM derivations") { row in
        origins[try row.digest(0)] = ModelOrigin(kind: try row.choice(1, DerivationKind.self), madeAt: try row.text(2))
      }
      let rows = try connection.all(columns, [], modelRow)
      return rows.sorted { ($1.sequence, $0.id) < ($0.sequence, $1.id) }
        .map { row in
          let found = names[row.id] ?? []
          return NamedModel(
            model: row, names: found.count > 1 ? found.sorted() : found, origin: origins[row.derivation])
        }
    }
  }

  /// The models that have the same weights, oldest first.
  package func models(withWeights weightsID: Digest) throws -> [ModelRow] {
    let sql = "\(columns) WHERE weights_id = ? ORDER BY sequence, id"
    return try withConnection { try $0.all(sql, [weightsID.blob], modelRow) }
  }

  /// The ids that begin with these lower-case hex digits, at most `limit`; none for text that is not hex.
  package func resolve(prefix: String, limit: Int = 16) throws -> [Digest] {
    guard let (low, high) = Digest.range(ofPrefix: prefix) else { return [] }
    return try withConnection { connection in
      try connection.all(
        "SELECT id FROM models WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", [low.blob, high.blob, limit]
      ) { try $0.digest(0) }
    }
  }

  /// The documents with the SHA-256 of whole files: of one model, oldest first, or of all.
  package func fileDigests(of model: Digest? = nil) throws -> [(document: Digest, model: Digest)] {
    let filter = model == nil ? "" : "WHERE model = ? ORDER BY sequence, document"
    return try withConnection { connection in
      try connection.all(
        "SELECT document, model FROM file_digests \(filter)", model.map { [$0.blob] } ?? []
      ) { (try $0.digest(0), try $0.digest(1)) }
    }
  }

  /// The sketches of all models, newest model first: lineage does not end where bytes are not stored.
  package func sketches() throws -> [SketchRow] {
    let sql = """
      SELECT s.model, s.sketch, m.state FROM sketches s JOIN models m ON m.id = s.model
      ORDER BY m.sequence DESC, m.id
      """
    return try withConnection { connection in
      try connection.all(sql) { row in
        SketchRow(model: try row.digest(0), sketch: try row.bytes(1), state: try row.choice(2, ModelState.self))
      }
    }
  }
}
