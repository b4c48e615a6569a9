internal import Foundation
internal import GRDB
package import Objects

private func modelRow(_ row: Row) throws -> ModelRow {
  ModelRow(
    id: try row.digest(0), weightsID: try row.digest(1), state: try row.choice(2, ModelState.self),
    tensors: try row.int(3), bytes: try row.int(4), sequence: try row.int(5))
}

extension LineageReading {
  /// The model with this id, or nil.
  package func model(_ id: Digest) throws -> ModelRow? {
    try withConnection { connection in
      try connection.one(
        "SELECT id, weights_id, state, tensors, bytes, sequence FROM models WHERE id = ?", [id.blob], modelRow)
    }
  }

  /// Models with their names, newest first.
  ///
  /// - Parameters:
  ///   - limit: at most so many; nil for all.
  ///   - states: only models in one of these.
  package func models(
    limit: Int? = nil, states: Set<ModelState> = Set(ModelState.allCases)
  ) throws -> [NamedModel] {
    let sql = """
      SELECT m.id, m.weights_id, m.state, m.tensors, m.bytes, m.sequence, n.name FROM (
        SELECT id, weights_id, state, tensors, bytes, sequence FROM models WHERE state IN (?, ?, ?)
        ORDER BY sequence DESC, id LIMIT ?) m LEFT JOIN names n ON n.model = m.id
      ORDER BY m.sequence DESC, m.id, n.name
      """
    var values: [Connection.Value] = ModelState.allCases.map { states.contains($0) ? $0.rawValue : nil }
    values.append(limit ?? -1)
    return try withConnection { connection in
      var found: [NamedModel] = []
      var model: ModelRow?
      var names: [String] = []
      try connection.each(sql, values) { row in
        let next = try modelRow(row)
        if let model, model.id != next.id {
          found.append(NamedModel(model: model, names: names))
          names = []
        }
        model = next
        if !row.isNull(6) { names.append(try row.text(6)) }
      }
      if let model { found.append(NamedModel(model: model, names: names)) }
      return found
    }
  }

  /// The models that have the same weights, oldest first.
  package func models(withWeights weightsID: Digest) throws -> [ModelRow] {
    let sql = """
      SELECT id, weights_id, state, tensors, bytes, sequence FROM models WHERE weights_id = ? ORDER BY sequence, id
      """
    return try withConnection { try $0.all(sql, [weightsID.blob], modelRow) }
  }

  /// The ids that begin with these lower-case hex digits, at most `limit`; none for text that is not hex.
  package func resolve(prefix: String, limit: Int = 16) throws -> [Digest] {
    let digits = prefix.utf8.count
    guard digits > 0, digits <= 64,
      let low = Digest(hex: prefix + String(repeating: "0", count: 64 - digits)),
      let high = Digest(hex: prefix + String(repeating: "f", count: 64 - digits))
    else { return [] }
    return try withConnection { connection in
      try connection.all(
        "SELECT id FROM models WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", [low.blob, high.blob, limit]
      ) { try $0.digest(0) }
    }
  }

  /// The sketches of stored models, newest model first.
  package func sketches() throws -> [SketchRow] {
    let sql = """
      SELECT id, sketch FROM models WHERE state = 'stored' AND sketch IS NOT NULL ORDER BY sequence DESC, id
      """
    return try withConnection { connection in
      try connection.all(sql) { SketchRow(model: try $0.digest(0), sketch: try $0.bytes(1)) }
    }
  }
}
