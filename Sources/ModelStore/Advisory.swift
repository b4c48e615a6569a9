import JSON
import Lineage
import Objects

/// A statement about weights that flows to whatever is made from them: the content of an advisory document.
struct Advisory: Sendable {
  let weightsID: Digest
  /// The model by which the weights were named.
  let model: Digest
  let kind: String
  let reason: String
  /// What the own evaluation of a descendant has to meet, all of them; none where only a withdrawal helps.
  let clearedBy: [Bound]
  let stamp: Stamp

  init(
    weightsID: Digest, model: Digest, kind: String, reason: String, clearedBy: [Bound], stamp: Stamp
  ) {
    (self.weightsID, self.model, self.kind, self.reason) = (weightsID, model, kind, reason)
    (self.clearedBy, self.stamp) = (clearedBy, stamp)
  }

  var document: Document {
    var members: [JSONValue.Member] =
      stamp.members("advisory") + [
        .init("weights_id", .string(weightsID.hex)), .init("model", .string(model.hex)),
        .init("kind", .string(kind)), .init("reason", .string(reason)),
      ]
    if !clearedBy.isEmpty { members.append(.init("cleared_by", .array(clearedBy.map { .string($0.text) }))) }
    return Document(.object(members))
  }

  /// Reads an advisory document. A bound that cannot be read is refused: without it, nothing would clear.
  init(_ document: Document) throws {
    let value = document.value
    stamp = try Stamp(document, type: "advisory")
    guard let weights = value["weights_id"]?.digest, let model = value["model"]?.digest,
      let kind = value["kind"]?.text, let reason = value["reason"]?.text
    else {
      throw ObjectsError.documentContent(
        document: document.digest, reason: "an advisory without weights_id, model, kind or reason")
    }
    (weightsID, self.model, self.kind, self.reason) = (weights, model, kind, reason)
    clearedBy = try (value["cleared_by"]?.elements ?? []).map {
      try Bound($0.text ?? "", place: "document \(document.digest.hex): cleared_by")
    }
  }

  func row(_ digest: Digest, at place: EventPlace) -> AdvisoryRow {
    AdvisoryRow(
      digest: digest, weightsID: weightsID, model: model, kind: kind, reason: reason,
      clearedBy: clearedBy.map(\.text), madeAt: stamp.madeAt, madeBy: stamp.madeBy, event: place)
  }
}

/// That an advisory no longer holds: the content of a withdrawal document.
struct Withdrawal: Sendable {
  let advisory: Digest
  let reason: String?
  let stamp: Stamp

  init(advisory: Digest, reason: String?, stamp: Stamp) {
    (self.advisory, self.reason, self.stamp) = (advisory, reason, stamp)
  }

  var document: Document {
    var members = stamp.members("withdrawal") + [.init("advisory", .string(advisory.hex))]
    if let reason { members.append(.init("reason", .string(reason))) }
    return Document(.object(members))
  }

  init(_ document: Document) throws(ObjectsError) {
    stamp = try Stamp(document, type: "withdrawal")
    guard let advisory = document.value["advisory"]?.digest else {
      throw .documentContent(document: document.digest, reason: "a withdrawal without advisory")
    }
    (self.advisory, reason) = (advisory, document.value["reason"]?.text)
  }

  func row(_ digest: Digest, at place: EventPlace) -> WithdrawalRow {
    WithdrawalRow(
      document: digest, reason: reason, madeAt: stamp.madeAt, madeBy: stamp.madeBy, event: place)
  }
}

/// That a flagged model was exported because somebody allowed it: the content of an allowance document. Merges and
/// names say so in their own documents.
struct Allowance: Sendable {
  let action: String
  let model: Digest
  /// The advisories that were open.
  let advisories: [Digest]
  /// Where it went.
  let target: String?
  let stamp: Stamp

  init(action: String, model: Digest, advisories: [Digest], target: String?, stamp: Stamp) {
    (self.action, self.model, self.advisories, self.target, self.stamp) = (action, model, advisories, target, stamp)
  }

  var document: Document {
    var members: [JSONValue.Member] =
      stamp.members("allowance") + [
        .init("action", .string(action)), .init("model", .string(model.hex)),
        .init("advisories", .array(advisories.map { .string($0.hex) })),
      ]
    if let target { members.append(.init("to", .string(target))) }
    return Document(.object(members))
  }

  init(_ document: Document) throws(ObjectsError) {
    let value = document.value
    stamp = try Stamp(document, type: "allowance")
    guard let action = value["action"]?.text, let model = value["model"]?.digest,
      let list = value["advisories"]?.elements, !list.map(\.digest).contains(nil)
    else {
      throw .documentContent(document: document.digest, reason: "an allowance without action, model or advisories")
    }
    (self.action, self.model, advisories, target) = (action, model, list.compactMap(\.digest), value["to"]?.text)
  }
}
