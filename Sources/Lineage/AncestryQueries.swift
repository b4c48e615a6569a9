internal import Foundation
internal import GRDB
package import Objects

private let columns = """
  SELECT d.digest, d.model, d.kind, d.made_at, d.made_by, d.tool, d.recipe, d.sequence,
    d.entry, v.store, p.role, p.parent, p.coefficient, p.claimed, p.inferred, p.share
  """
private let withParents = joiningParents(where: "true")

/// All models from which one is made, itself too; UNION stops at what was seen, so cycles end.
private let up = """
  WITH RECURSIVE up (model) AS (
    VALUES (?) UNION
    SELECT q.parent FROM up CROSS JOIN derivations e ON e.model = up.model
      CROSS JOIN parents q ON q.derivation = e.digest)
  """
/// All models made from one, itself too.
private let down = """
  WITH RECURSIVE down (model) AS (
    VALUES (?) UNION
    SELECT e.model FROM down CROSS JOIN parents q ON q.parent = down.model
      CROSS JOIN derivations e ON e.digest = q.derivation)
  """

extension Connection {
  /// Derivations with their parents, from rows that are one per parent.
  fileprivate func derivations(_ sql: String, _ values: [Value]) throws -> [DerivationRow] {
    var found: [DerivationRow] = []
    try each(sql, values) { row in
      let digest = try row.digest(0)
      if found.last?.digest != digest {
        found.append(
          DerivationRow(
            digest: digest, model: try row.digest(1), kind: try row.choice(2, DerivationKind.self),
            madeAt: try row.text(3), madeBy: try row.text(4), tool: try row.text(5),
            recipe: try row.optionalDigest(6),
            event: EventPlace(sequence: try row.int(7), entry: try row.digest(8), store: try row.store(9))))
      }
      guard !row.isNull(10) else { return }
      found[found.count - 1].parents.append(
        ParentRow(
          role: try row.text(10), parent: try row.digest(11), coefficient: try row.real(12),
          claimed: try row.int(13) != 0, inferred: try row.int(14) != 0, share: try row.real(15)))
    }
    return found
  }
}

extension LineageReading {
  /// How `model` was made, every time it was, newest first.
  package func derivations(of model: Digest) throws -> [DerivationRow] {
    try withConnection {
      try $0.derivations("\(columns) FROM derivations d \(joiningParents(where: "d.model = ?"))", [model.blob])
    }
  }

  /// Every derivation on record, newest first.
  package func allDerivations() throws -> [DerivationRow] {
    try withConnection { try $0.derivations("\(columns) FROM derivations d \(withParents)", []) }
  }

  /// The inputs of one derivation, in order.
  package func parents(of derivation: Digest) throws -> [ParentRow] {
    let sql = """
      SELECT role, parent, coefficient, claimed, inferred, share FROM parents WHERE derivation = ? ORDER BY position
      """
    return try withConnection { connection in
      try connection.all(sql, [derivation.blob]) { row in
        ParentRow(
          role: try row.text(0), parent: try row.digest(1), coefficient: try row.real(2),
          claimed: try row.int(3) != 0, inferred: try row.int(4) != 0, share: try row.real(5))
      }
    }
  }

  /// The derivations that have `model` as an input, newest first.
  package func children(of model: Digest) throws -> [DerivationRow] {
    let inputs = "d.digest IN (SELECT derivation FROM parents WHERE parent = ?)"
    return try withConnection {
      try $0.derivations("\(columns) FROM derivations d \(joiningParents(where: inputs))", [model.blob])
    }
  }

  /// The derivations of `model` and of all its ancestors, newest first; each once, also when there are cycles.
  package func ancestors(of model: Digest) throws -> [DerivationRow] {
    let sql = "\(up) \(columns) FROM up CROSS JOIN derivations d ON d.model = up.model \(withParents)"
    return try withConnection { try $0.derivations(sql, [model.blob]) }
  }

  /// The derivations that lead down from `model`, newest first; each once, also when there are cycles.
  package func descendants(of model: Digest) throws -> [DerivationRow] {
    let sql = """
      \(down) \(columns) FROM (SELECT DISTINCT q.derivation AS digest FROM down
        CROSS JOIN parents q ON q.parent = down.model) t CROSS JOIN derivations d ON d.digest = t.digest \(withParents)
      """
    return try withConnection { try $0.derivations(sql, [model.blob]) }
  }

  /// Whether a derivation of `output` from `inputs` would make `output` its own ancestor.
  package func wouldCycle(output: Digest, inputs: some Sequence<Digest>) throws -> Bool {
    try withConnection { connection in
      for input in Set(inputs) {
        let found = try connection.count(
          "\(up) SELECT count(*) FROM up WHERE model = ?", [input.blob, output.blob])
        if found > 0 { return true }
      }
      return false
    }
  }
}

private func joiningParents(where condition: String) -> String {
  """
  JOIN entries v ON v.digest = d.entry LEFT JOIN parents p ON p.derivation = d.digest WHERE \(condition)
  ORDER BY d.sequence DESC, d.entry DESC, p.position
  """
}
