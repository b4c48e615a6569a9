internal import GRDB
package import Objects

extension Connection {
  /// Advisories, each with the first withdrawal that holds here, and the stores whose withdrawals do not.
  fileprivate var advisoryColumns: String {
    """
    SELECT a.digest, a.weights_id, a.model, a.kind, a.reason, a.cleared_by, a.made_at, a.made_by, a.sequence,
      a.entry, a.store, t.document, t.reason, t.made_at, t.made_by, t.sequence, t.entry, t.store,
      (SELECT group_concat(DISTINCT u.store) FROM withdrawals u
        WHERE u.advisory = a.digest AND u.store NOT IN \(trustedList))
    FROM advisories a LEFT JOIN withdrawals t ON t.document = (
      SELECT w.document FROM withdrawals w WHERE w.advisory = a.digest AND w.store IN \(trustedList)
      ORDER BY w.sequence, w.entry LIMIT 1)
    """
  }

  /// True of an advisory `a` that nothing lifts here.
  fileprivate var isOpen: String {
    "NOT EXISTS (SELECT 1 FROM withdrawals t WHERE t.advisory = a.digest AND t.store IN \(trustedList))"
  }

  fileprivate func hasOpenAdvisories() throws -> Bool {
    try count("SELECT count(*) FROM advisories a WHERE \(isOpen)") > 0
  }
}

private func advisoryRow(_ row: Row) throws -> AdvisoryRow {
  let withdrawal = try row.optionalDigest(11).map { document in
    WithdrawalRow(
      document: document, reason: row.isNull(12) ? nil : try row.text(12), madeAt: try row.text(13),
      madeBy: try row.text(14), event: try row.place(15))
  }
  return AdvisoryRow(
    digest: try row.digest(0), weightsID: try row.digest(1), model: try row.digest(2), kind: try row.text(3),
    reason: try row.text(4), clearedBy: try row.text(5).split(separator: "\n").map(String.init),
    madeAt: try row.text(6), madeBy: try row.text(7), event: try row.place(8), withdrawal: withdrawal,
    untrustedWithdrawals: row.isNull(18)
      ? [] : try row.text(18).split(separator: ",").compactMap { StoreID(hex: String($0)) }.sorted())
}

extension Row {
  /// A number, an entry and a store at three columns.
  fileprivate func place(_ index: Int) throws -> EventPlace {
    EventPlace(sequence: try int(index), entry: try digest(index + 1), store: try store(index + 2))
  }
}

extension LineageReading {
  /// Every advisory, withdrawn ones too, newest first.
  package func advisories() throws -> [AdvisoryRow] {
    try withConnection { try $0.all("\($0.advisoryColumns) ORDER BY a.sequence DESC, a.entry DESC", [], advisoryRow) }
  }

  /// The advisories whose ids begin with these lower-case hex digits, at most two; none for text that is not hex.
  package func advisories(prefix: String) throws -> [AdvisoryRow] {
    guard let (low, high) = Digest.range(ofPrefix: prefix) else { return [] }
    let range = "WHERE a.digest BETWEEN ? AND ? ORDER BY a.digest LIMIT 2"
    return try withConnection { try $0.all("\($0.advisoryColumns) \(range)", [low.blob, high.blob], advisoryRow) }
  }

  /// The open advisories on any of these weights or on any of which they are made, oldest first. Costs a walk up over
  /// all ancestors, in one query; nothing where no advisory is open.
  package func openAdvisories(reaching weights: [Digest]) throws -> [AdvisoryRow] {
    return try withConnection { connection in
      guard try connection.hasOpenAdvisories() else { return [] }
      let sql = """
        WITH RECURSIVE up (weights) AS (
          SELECT number FROM weights WHERE id IN (\(weights.map { _ in "?" }.joined(separator: ", "))) UNION
          SELECT p.above FROM up CROSS JOIN parents p ON p.below = up.weights WHERE p.above IS NOT NULL)
        \(connection.advisoryColumns)
        WHERE t.document IS NULL
          AND a.weights_id IN (SELECT w.id FROM up CROSS JOIN weights w ON w.number = up.weights)
        ORDER BY a.sequence, a.entry
        """
      return try connection.all(sql, weights.map(\.blob), advisoryRow)
    }
  }

  /// Where every open advisory reaches: its id and a weights id, the advised ones too. One recursive query that looks
  /// at each edge once for each advisory; UNION ends what goes in circles. It does not stop at models that were
  /// cleared: what is made of them needs its own evaluation.
  package func reachOfAdvisories() throws -> [(advisory: Digest, weights: Digest)] {
    return try withConnection { connection in
      guard try connection.hasOpenAdvisories() else { return [] }
      let sql = """
        WITH RECURSIVE open (number, digest, weights_id) AS MATERIALIZED (
          SELECT a.rowid, a.digest, a.weights_id FROM advisories a WHERE \(connection.isOpen)),
        reached (advisory, weights) AS (
          SELECT o.number, w.number FROM open o CROSS JOIN weights w ON w.id = o.weights_id UNION
          SELECT r.advisory, p.below FROM reached r CROSS JOIN parents p ON p.above = r.weights)
        SELECT o.digest, w.id FROM reached r CROSS JOIN weights w ON w.number = r.weights
          CROSS JOIN open o ON o.number = r.advisory
        """
      return try connection.all(sql) { (try $0.digest(0), try $0.digest(1)) }
    }
  }

  /// The number of weights, and all ways down from them, each once, in the order of derivations; nil for weights that
  /// nothing is known of. One recursive query.
  package func descent(from weights: Digest) throws -> (start: Int, ways: [DescentRow])? {
    let sql = """
      WITH RECURSIVE down (weights) AS (
        SELECT number FROM weights WHERE id = ? UNION
        SELECT p.below FROM down CROSS JOIN parents p ON p.above = down.weights)
      SELECT d.model, p.below, p.parent, p.above, p.derivation, p.role,
        coalesce(p.share, 1.0 / (SELECT count(*) FROM parents q WHERE q.derivation = p.derivation)),
        p.claimed, p.inferred, d.kind
      FROM down CROSS JOIN parents p ON p.above = down.weights CROSS JOIN derivations d ON d.digest = p.derivation
      ORDER BY d.sequence, d.entry, p.position
      """
    return try withConnection { connection in
      let number = try connection.one("SELECT number FROM weights WHERE id = ?", [weights.blob]) { try $0.int(0) }
      guard let number else { return nil }
      let ways = try connection.all(sql, [weights.blob]) { row in
        DescentRow(
          model: try row.digest(0), below: try row.int(1), parent: try row.digest(2), above: try row.int(3),
          derivation: try row.digest(4), kind: try row.choice(9, DerivationKind.self), role: try row.text(5),
          share: try row.real(6) ?? 0, claimed: try row.int(7) != 0, inferred: try row.int(8) != 0)
      }
      return (number, ways)
    }
  }

  /// The evaluations of weights with their metrics, newest first; those of all weights for nil.
  package func evaluations(of weights: Digest? = nil) throws -> [EvaluationRow] {
    let sql = """
      SELECT e.digest, e.weights_id, e.model, e.tokenizer, e.chat_template, e.made_at, e.made_by, e.sequence,
        e.entry, e.store, m.name, m.data, m.value, m.n, m.hits
      FROM evaluations e LEFT JOIN metrics m ON m.evaluation = e.digest
      \(weights == nil ? "" : "WHERE e.weights_id = ?") ORDER BY e.sequence DESC, e.entry DESC, m.name, m.data
      """
    return try withConnection { connection in
      var found: [EvaluationRow] = []
      try connection.each(sql, weights.map { [$0.blob] } ?? []) { row in
        let digest = try row.digest(0)
        if found.last?.digest != digest {
          let place = try row.place(7)
          found.append(
            EvaluationRow(
              digest: digest, weightsID: try row.digest(1), model: try row.digest(2),
              tokenizer: try row.optionalDigest(3), chatTemplate: try row.optionalDigest(4), madeAt: try row.text(5),
              madeBy: try row.text(6), event: place, metrics: [], isTrusted: connection.trusted.contains(place.store)))
        }
        guard !row.isNull(10) else { return }
        found[found.count - 1].metrics.append(
          EvaluationRow.Metric(
            name: try row.text(10), data: try row.digest(11), value: try row.real(12) ?? 0,
            n: row.isNull(13) ? nil : try row.int(13), hits: row.isNull(14) ? nil : try row.int(14)))
      }
      return found
    }
  }

  /// The ids of the evaluations that begin with these lower-case hex digits, at most two; none for text that is no hex.
  package func evaluations(prefix: String) throws -> [Digest] {
    guard let (low, high) = Digest.range(ofPrefix: prefix) else { return [] }
    let sql = "SELECT digest FROM evaluations WHERE digest BETWEEN ? AND ? ORDER BY digest LIMIT 2"
    return try withConnection { try $0.all(sql, [low.blob, high.blob]) { try $0.digest(0) } }
  }

  /// The documents that say what was allowed with flagged models, newest first.
  package func allowances() throws -> [Digest] {
    try withConnection {
      try $0.all("SELECT document FROM allowances ORDER BY sequence DESC, entry DESC") { try $0.digest(0) }
    }
  }
}

extension Digest {
  /// The least and the greatest digest that begin with these lower-case hex digits; nil for text that is none.
  static func range(ofPrefix prefix: String) -> (low: Digest, high: Digest)? {
    let digits = prefix.utf8.count
    guard digits > 0, digits <= 64,
      let low = Digest(hex: prefix + String(repeating: "0", count: 64 - digits)),
      let high = Digest(hex: prefix + String(repeating: "f", count: 64 - digits))
    else { return nil }
    return (low, high)
  }
}
