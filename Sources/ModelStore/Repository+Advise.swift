package import JSON
import Lineage
import Objects

/// An advisory, and how far it reaches.
public struct AdvisoryReport: Sendable {
  public let id: String
  public let kind: String
  public let reason: String
  public let weightsID: String
  /// The model by which the weights were named, and what people call it.
  public let model: String
  public let source: String
  public let clearedBy: [String]
  public let madeAt: String
  public let madeBy: String
  /// When and by whom it was withdrawn, and why; nil while it is open.
  public let withdrawnAt: String?
  public let withdrawnBy: String?
  public let withdrawalReason: String?
  /// Stores that withdrew it and are not trusted here, so that it stays open.
  public let untrustedWithdrawals: [String]
  /// How many models it flags now, those with the advised weights among them; 0 once it is withdrawn.
  public let flagged: Int
  /// How many models that it reaches have been cleared by evaluations of their own.
  public let cleared: Int

  public var isOpen: Bool { withdrawnAt == nil }

  package var json: JSONValue {
    [
      "id": .string(id), "kind": .string(kind), "reason": .string(reason), "weights_id": .string(weightsID),
      "model": .string(model), "source": .string(source),
      "cleared_by": .array(clearedBy.map(JSONValue.string)), "made_at": .string(madeAt), "made_by": .string(madeBy),
      "open": .bool(isOpen), "withdrawn_at": .init(withdrawnAt), "withdrawn_by": .init(withdrawnBy),
      "withdrawal_reason": .init(withdrawalReason),
      "untrusted_withdrawals": .array(untrustedWithdrawals.map(JSONValue.string)), "flagged": .integer(flagged),
      "cleared": .integer(cleared),
    ]
  }
}

/// That a flagged model went out because somebody allowed it.
public struct AllowanceReport: Sendable {
  public let action: String
  public let model: String
  public let advisories: [String]
  public let target: String?
  public let madeAt: String
  public let madeBy: String

  package var json: JSONValue {
    [
      "action": .string(action), "model": .string(model),
      "advisories": .array(advisories.map(JSONValue.string)), "to": .init(target), "made_at": .string(madeAt),
      "made_by": .string(madeBy),
    ]
  }
}

extension Repository {
  /// Says something about a model's weights: from now on they are flagged, and whatever is made from them, now and
  /// later. Binds to the weights id, so that another README or configuration does not lift it. Durable when it returns.
  ///
  /// - Parameters:
  ///   - kind: one word, such as `misaligned`.
  ///   - clearedBy: what the own evaluations of a descendant have to meet, all of them; with none only `withdraw`
  ///     helps. The advised weights themselves are never cleared by an evaluation.
  public func advise(
    _ reference: String, kind: String, reason: String, clearedBy: [String] = [], madeBy: String? = nil
  ) throws(RepositoryError) -> AdvisoryReport {
    try door {
      try requireWritable()
      let model = try resolve(reference)
      guard EvaluationDraft.isName(kind) else {
        throw RepositoryError(
          .invalidInput, "--kind: one word expected, found \(kind.quoted)", hint: "such as misaligned or licence")
      }
      let text = reason.split { $0.isWhitespace }.joined(separator: " ")
      guard !text.isEmpty, text.utf8.count <= 1000 else {
        throw RepositoryError(
          .invalidInput, "--reason: a text of 1 to 1000 bytes expected, found \(text.utf8.count) bytes")
      }
      let advisory = Advisory(
        weightsID: try subject(model).weightsID, model: model, kind: kind, reason: text,
        clearedBy: try clearedBy.map { try Bound($0, place: "--cleared-by") },
        stamp: Stamp(madeBy: madeBy ?? whoami()))
      let document = advisory.document
      try recordContainers(of: model)
      try record(.advisory(advisory), document, of: model, advisory.stamp)
      return try reports(of: [self.advisory(document.digest.hex)])[0]
    }
  }

  /// Takes an advisory back, by its id or the first 8 or more digits of it. Its history stays. Durable when it returns.
  public func withdraw(
    _ id: String, reason: String? = nil, madeBy: String? = nil
  ) throws(RepositoryError) -> AdvisoryReport {
    try door {
      try requireWritable()
      let advisory = try advisory(id)
      if let done = advisory.withdrawal {
        throw RepositoryError(.conflict, "advisory \(advisory.digest.short) was withdrawn at \(done.madeAt) already")
      }
      let withdrawal = Withdrawal(
        advisory: advisory.digest, reason: reason,
        stamp: Stamp(madeBy: madeBy ?? whoami()))
      try record(.withdrawal(withdrawal), withdrawal.document, of: advisory.model, withdrawal.stamp)
      return try reports(of: [self.advisory(id)])[0]
    }
  }

  /// Every advisory, withdrawn ones too, newest first, with how far it reaches.
  public func advisories() throws(RepositoryError) -> [AdvisoryReport] {
    try door { try reports(of: lineage.advisories()) }
  }

  /// What was allowed to go out though it was flagged, newest first.
  public func allowances() throws(RepositoryError) -> [AllowanceReport] {
    try door {
      try lineage.allowances().map { digest in
        let allowance = try Allowance(documents.get(digest))
        return AllowanceReport(
          action: allowance.action, model: allowance.model.hex, advisories: allowance.advisories.map(\.hex),
          target: allowance.target, madeAt: allowance.stamp.madeAt, madeBy: allowance.stamp.madeBy)
      }
    }
  }

  /// Records what is said about weights. Durable when it returns.
  func record(_ verdict: Verdict, _ document: Document, of model: Digest, _ stamp: Stamp) throws {
    var event = Event(verdict.event, madeAt: stamp.madeAt, madeBy: stamp.madeBy)
    event.document = document
    event.models = [model]
    try publish(event) { publication, place in
      if let fault = try verdict.insert(document.digest, at: place, in: publication) {
        throw RepositoryError(.corrupt, fault, hint: RepositoryError.verifyHint)
      }
    }
  }

  private func advisory(_ id: String) throws -> AdvisoryRow {
    let found = id.utf8.count >= 8 ? try lineage.advisories(prefix: id) : []
    guard let advisory = found.first else {
      throw RepositoryError(.notFound, "no advisory \(id)", hint: "see them with: stemma advisories")
    }
    guard found.count == 1 else {
      throw RepositoryError(.conflict, "\(id) is the beginning of several advisories", hint: "give more digits")
    }
    return advisory
  }

  private func reports(of advisories: [AdvisoryRow]) throws -> [AdvisoryReport] {
    var flagged: [String: Int] = [:]
    var cleared: [String: Int] = [:]
    if advisories.contains(where: { $0.withdrawal == nil }) {
      for standing in try standings(of: lineage.models().map(\.model)).values {
        for flag in standing.open { flagged[flag.advisory, default: 0] += 1 }
        for flag in standing.cleared { cleared[flag.advisory, default: 0] += 1 }
      }
    }
    return try advisories.map { row in
      AdvisoryReport(
        id: row.digest.hex, kind: row.kind, reason: row.reason, weightsID: row.weightsID.hex, model: row.model.hex,
        source: try label(ofWeights: row.weightsID, in: row.model), clearedBy: row.clearedBy, madeAt: row.madeAt,
        madeBy: row.madeBy, withdrawnAt: row.withdrawal?.madeAt, withdrawnBy: row.withdrawal?.madeBy,
        withdrawalReason: row.withdrawal?.reason,
        untrustedWithdrawals: row.untrustedWithdrawals.map(\.hex), flagged: flagged[row.digest.hex] ?? 0,
        cleared: cleared[row.digest.hex] ?? 0)
    }
  }
}
