package import Objects

/// An evaluation on record: what was measured of weights, on which data.
package struct EvaluationRow: Sendable, Equatable {
  /// One metric on one data set.
  package struct Metric: Sendable, Equatable {
    package var name: String
    /// The digest of the data.
    package var data: Digest
    /// Of a rate `hits / n`.
    package var value: Double
    /// How many were looked at; nil where the program did not say.
    package var n: Int?
    /// Of rates: how many of the `n` counted.
    package var hits: Int?

    package init(name: String, data: Digest, value: Double, n: Int? = nil, hits: Int? = nil) {
      self.name = name
      self.data = data
      self.value = value
      self.n = n
      self.hits = hits
    }
  }

  /// The digest of its document.
  package var digest: Digest
  package var weightsID: Digest
  /// The model that was loaded; others with the same weights may differ in their tokenizer or chat template.
  package var model: Digest
  package var tokenizer: Digest?
  package var chatTemplate: Digest?
  package var madeAt: String
  package var madeBy: String
  /// The event that recorded it.
  package var event: EventPlace
  package var sequence: Int { event.sequence }
  package var metrics: [Metric]
  /// False where another store recorded it that is not trusted here: it clears nothing.
  package var isTrusted: Bool

  package init(
    digest: Digest, weightsID: Digest, model: Digest, tokenizer: Digest? = nil, chatTemplate: Digest? = nil,
    madeAt: String, madeBy: String, event: EventPlace, metrics: [Metric], isTrusted: Bool = true
  ) {
    self.digest = digest
    self.weightsID = weightsID
    self.model = model
    self.tokenizer = tokenizer
    self.chatTemplate = chatTemplate
    self.madeAt = madeAt
    self.madeBy = madeBy
    self.event = event
    self.metrics = metrics
    self.isTrusted = isTrusted
  }
}

/// An advisory on record: a statement about weights.
package struct AdvisoryRow: Sendable, Equatable {
  /// The digest of its document.
  package var digest: Digest
  package var weightsID: Digest
  /// The model by which the weights were named.
  package var model: Digest
  /// One word, such as `misaligned`.
  package var kind: String
  package var reason: String
  /// Bounds that the own evaluation of a descendant has to meet, in their canonical spelling; none where only a
  /// withdrawal helps.
  package var clearedBy: [String]
  package var madeAt: String
  package var madeBy: String
  /// The event that recorded it.
  package var event: EventPlace
  package var sequence: Int { event.sequence }
  /// The first withdrawal that holds here.
  package var withdrawal: WithdrawalRow?
  /// Stores that withdrew it and are not trusted here: what they say has no effect.
  package var untrustedWithdrawals: [StoreID]

  package init(
    digest: Digest, weightsID: Digest, model: Digest, kind: String, reason: String, clearedBy: [String] = [],
    madeAt: String, madeBy: String, event: EventPlace, withdrawal: WithdrawalRow? = nil,
    untrustedWithdrawals: [StoreID] = []
  ) {
    self.digest = digest
    self.weightsID = weightsID
    self.model = model
    self.kind = kind
    self.reason = reason
    self.clearedBy = clearedBy
    self.madeAt = madeAt
    self.madeBy = madeBy
    self.event = event
    self.withdrawal = withdrawal
    self.untrustedWithdrawals = untrustedWithdrawals
  }
}

/// That an advisory was withdrawn, and by whom.
package struct WithdrawalRow: Sendable, Equatable {
  package var document: Digest
  package var reason: String?
  package var madeAt: String
  package var madeBy: String
  /// The event that recorded it.
  package var event: EventPlace
  package var sequence: Int { event.sequence }

  package init(document: Digest, reason: String?, madeAt: String, madeBy: String, event: EventPlace) {
    self.document = document
    self.reason = reason
    self.madeAt = madeAt
    self.madeBy = madeBy
    self.event = event
  }
}

/// A parent of a derivation, seen from the parent: a way on which an advisory travels.
package struct DescentRow: Sendable, Equatable {
  /// The model that was made, the weights of it and of the parent by small numbers of this database.
  package let model: Digest
  package let below: Int
  package let parent: Digest
  package let above: Int
  package let derivation: Digest
  package let kind: DerivationKind
  package let role: String
  package let share: Double
  package let claimed: Bool
  package let inferred: Bool
}
