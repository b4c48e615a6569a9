package import Objects

extension Publication {
  /// Records an evaluation with its metrics; false when it was there already.
  @discardableResult
  package func insertEvaluation(_ evaluation: EvaluationRow) throws -> Bool {
    let known = try connection.count("SELECT count(*) FROM evaluations WHERE digest = ?", [evaluation.digest.blob])
    guard known == 0 else { return false }
    let values: [Connection.Value] =
      [
        evaluation.digest.blob, evaluation.weightsID.blob, evaluation.model.blob, evaluation.tokenizer?.blob,
        evaluation.chatTemplate?.blob, evaluation.madeAt, evaluation.madeBy,
      ] + evaluation.event.values
    try connection.run(
      """
      INSERT INTO evaluations
        (digest, weights_id, model, tokenizer, chat_template, made_at, made_by, sequence, entry, store)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, values)
    for metric in evaluation.metrics {
      let values: [Connection.Value] = [
        evaluation.digest.blob, metric.name, metric.data.blob, metric.value, metric.n, metric.hits,
      ]
      try connection.run(
        "INSERT INTO metrics (evaluation, name, data, value, n, hits) VALUES (?, ?, ?, ?, ?, ?)", values)
    }
    return true
  }

  /// Records an advisory; false when it was there already. From then on all that is made of its weights is reached by
  /// it.
  @discardableResult
  package func insertAdvisory(_ advisory: AdvisoryRow) throws -> Bool {
    let known = try connection.count("SELECT count(*) FROM advisories WHERE digest = ?", [advisory.digest.blob])
    guard known == 0 else { return false }
    // The weights may belong to no model on record, today or after a collect.
    try connection.run(
      "INSERT INTO weights (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM weights WHERE id = ?1)",
      [advisory.weightsID.blob])
    let values: [Connection.Value] =
      [
        advisory.digest.blob, advisory.weightsID.blob, advisory.model.blob, advisory.kind, advisory.reason,
        advisory.clearedBy.joined(separator: "\n"), advisory.madeAt, advisory.madeBy,
      ] + advisory.event.values
    try connection.run(
      """
      INSERT INTO advisories
        (digest, weights_id, model, kind, reason, cleared_by, made_at, made_by, sequence, entry, store)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, values)
    return true
  }

  /// Withdraws an advisory on record; false when the same document did so already.
  ///
  /// - Throws: `.dangling` where there is no such advisory.
  @discardableResult
  package func withdraw(_ advisory: Digest, by withdrawal: WithdrawalRow) throws -> Bool {
    guard try connection.count("SELECT count(*) FROM advisories WHERE digest = ?", [advisory.blob]) == 1 else {
      throw LineageError.dangling(detail: "no advisory \(advisory.short) to withdraw")
    }
    let values: [Connection.Value] =
      [
        withdrawal.document.blob, advisory.blob, withdrawal.reason, withdrawal.madeAt, withdrawal.madeBy,
      ] + withdrawal.event.values
    let changed = try connection.run(
      """
      INSERT OR IGNORE INTO withdrawals (document, advisory, reason, made_at, made_by, sequence, entry, store)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      """, values)
    return changed == 1
  }

  /// Records a document that says what was allowed with a flagged model.
  package func insertAllowance(_ document: Digest, model: Digest, event: EventPlace) throws {
    try connection.run(
      "INSERT OR IGNORE INTO allowances (document, model, sequence, entry, store) VALUES (?, ?, ?, ?, ?)",
      [document.blob, model.blob] + event.values)
  }
}

extension EventPlace {
  /// For the columns `sequence`, `entry` and `store`.
  fileprivate var values: [Connection.Value] { [sequence, entry.blob, store.hex] }
}
