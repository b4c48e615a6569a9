package import Objects

extension Publication {
  /// Records an evaluation with its metrics; false when it was there already.
  @discardableResult
  package func insertEvaluation(_ evaluation: EvaluationRow) throws -> Bool {
    let known = try connection.count("SELECT count(*) FROM evaluations WHERE digest = ?", [evaluation.digest.blob])
    guard known == 0 else { return false }
    let values: [Connection.Value] = [
      evaluation.digest.blob, evaluation.weightsID.blob, evaluation.model.blob, evaluation.tokenizer?.blob,
      evaluation.chatTemplate?.blob, evaluation.madeAt, evaluation.madeBy, evaluation.sequence,
    ]
    try connection.run(
      """
      INSERT INTO evaluations (digest, weights_id, model, tokenizer, chat_template, made_at, made_by, sequence)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      """, values)
    for metric in evaluation.metrics {
      let values: [Connection.Value] = [
        evaluation.digest.blob, metric.name, metric.data.blob, metric.value, metric.n, metric.hits,
      ]
      try connection.run(
        "INSERT INTO metrics (evaluation, name, data, value, n, hits) VALUES (?, ?, ?, ?, ?, ?)", values)
    }
    try keepCounter(above: evaluation.sequence)
    return true
  }

  /// Records an advisory, and its withdrawal where it has one; false when it was there already. From then on all that
  /// is made of its weights is reached by it.
  @discardableResult
  package func insertAdvisory(_ advisory: AdvisoryRow) throws -> Bool {
    let known = try connection.count("SELECT count(*) FROM advisories WHERE digest = ?", [advisory.digest.blob])
    guard known == 0 else { return false }
    // The weights may belong to no model on record, today or after a collect.
    try connection.run(
      "INSERT INTO weights (id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM weights WHERE id = ?1)",
      [advisory.weightsID.blob])
    let values: [Connection.Value] = [
      advisory.digest.blob, advisory.weightsID.blob, advisory.model.blob, advisory.kind, advisory.reason,
      advisory.clearedBy.joined(separator: "\n"), advisory.madeAt, advisory.madeBy, advisory.sequence,
    ]
    try connection.run(
      """
      INSERT INTO advisories (digest, weights_id, model, kind, reason, cleared_by, made_at, made_by, sequence)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, values)
    try keepCounter(above: advisory.sequence)
    if let withdrawal = advisory.withdrawal { try withdraw(advisory.digest, by: withdrawal) }
    return true
  }

  /// Withdraws an advisory on record; false when it was withdrawn already.
  ///
  /// - Throws: `.dangling` where there is no such advisory.
  @discardableResult
  package func withdraw(_ advisory: Digest, by withdrawal: WithdrawalRow) throws -> Bool {
    guard try connection.count("SELECT count(*) FROM advisories WHERE digest = ?", [advisory.blob]) == 1 else {
      throw LineageError.dangling(detail: "no advisory \(advisory.short) to withdraw")
    }
    let known = try connection.count("SELECT count(*) FROM withdrawals WHERE advisory = ?", [advisory.blob])
    guard known == 0 else { return false }
    let values: [Connection.Value] = [
      advisory.blob, withdrawal.document.blob, withdrawal.reason, withdrawal.madeAt, withdrawal.madeBy,
      withdrawal.sequence,
    ]
    try connection.run(
      "INSERT INTO withdrawals (advisory, document, reason, made_at, made_by, sequence) VALUES (?, ?, ?, ?, ?, ?)",
      values)
    try keepCounter(above: withdrawal.sequence)
    return true
  }

  /// Records a document that says what was allowed with a flagged model.
  package func insertAllowance(_ document: Digest, model: Digest, sequence: Int) throws {
    try connection.run(
      "INSERT OR IGNORE INTO allowances (document, model, sequence) VALUES (?, ?, ?)",
      [document.blob, model.blob, sequence])
    try keepCounter(above: sequence)
  }
}
