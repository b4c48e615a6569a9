package import JSON
import Lineage
import Objects

/// An advisory that reaches a model.
public struct AdvisoryFlag: Sendable {
  /// The advisory's id: the digest of its document.
  public let advisory: String
  public let kind: String
  public let reason: String
  /// The weights that the advisory is about, and what people call a model that has them.
  public let weightsID: String
  public let source: String
  /// True where these are the model's own weights; then only a withdrawal helps.
  public let isDirect: Bool
  /// What the model's own evaluations have to meet; none where only a withdrawal helps.
  public let clearedBy: [String]
  /// The model's own evaluations that meet it; none while the advisory is open.
  public let evaluations: [String]

  package var json: JSONValue {
    [
      "advisory": .string(advisory), "kind": .string(kind), "reason": .string(reason),
      "weights_id": .string(weightsID), "source": .string(source), "direct": .bool(isDirect),
      "cleared_by": .array(clearedBy.map(JSONValue.string)),
      "evaluations": .array(evaluations.map(JSONValue.string)),
    ]
  }
}

/// What advisories say of a model.
struct Standing {
  /// Those that hold: the model is flagged.
  var open: [AdvisoryFlag] = []
  /// Those that its own evaluations have cleared.
  var cleared: [AdvisoryFlag] = []

  var openIDs: [Digest] { open.compactMap { Digest(hex: $0.advisory) } }
}

/// A model whose standing is asked for; it may not be on record yet.
struct Subject {
  let model: Digest
  let weightsID: Digest
  /// The weights ids of parents that are not on record as such.
  var parents: [Digest] = []
  /// Nil where its files cannot be read: they are not on record yet, or no longer.
  let manifest: (() throws -> Manifest)?
}

extension Repository {
  /// A model on record.
  func subject(_ model: Digest) throws -> Subject {
    guard let row = try lineage.model(model) else { throw LineageError.unknownModel(model) }
    return subject(row)
  }

  func subject(_ row: ModelRow) -> Subject {
    Subject(
      model: row.id, weightsID: row.weightsID, manifest: row.state == .absent ? nil : { try self.manifest(of: row.id) })
  }

  /// A model that is about to be recorded.
  func subject(_ manifest: Manifest, madeBy derivation: Derivation) throws -> Subject {
    let model = manifest.document.digest
    let isKnown = try lineage.model(model).map { $0.state != .absent } ?? false
    return Subject(
      model: model, weightsID: manifest.weightsID,
      parents: try derivation.parents.compactMap { try lineage.model($0.model)?.weightsID },
      manifest: isKnown ? { manifest } : nil)
  }

  /// What advisories say of one model. Costs a walk over its ancestors where an advisory is open, else next to nothing.
  func standing(of subject: Subject) throws -> Standing {
    let advisories = try lineage.openAdvisories(reaching: [subject.weightsID] + subject.parents)
    if advisories.isEmpty { return Standing() }
    return try standing(of: subject, advisories, try lineage.evaluations(of: subject.weightsID))
  }

  /// The same of many models: one walk, and a look at each.
  func standings(of rows: [ModelRow]) throws -> [Digest: Standing] {
    let reach = try lineage.reachOfAdvisories()
    if reach.isEmpty { return [:] }
    let known = Dictionary(try lineage.advisories().map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    let reaching = Dictionary(grouping: reach, by: \.weights)
    let evaluations = Dictionary(grouping: try lineage.evaluations(), by: \.weightsID)
    let labels = try labels(ofWeights: Set(reach.map(\.advisory)).compactMap { known[$0] })
    var found: [Digest: Standing] = [:]
    for row in rows {
      guard let here = reaching[row.weightsID] else { continue }
      found[row.id] = try standing(
        of: subject(row), here.compactMap { known[$0.advisory] }.sorted { $0.event < $1.event },
        evaluations[row.weightsID] ?? [], labels: labels)
    }
    return found
  }

  /// What people call the weights of advisories.
  private func labels(ofWeights advisories: [AdvisoryRow]) throws -> [Digest: String] {
    try Dictionary(
      advisories.map { ($0.weightsID, try label(ofWeights: $0.weightsID, in: $0.model)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// The name of a model with these weights: of the one meant, else of another, else the short id.
  func label(ofWeights weights: Digest, in model: Digest) throws -> String {
    if let name = try lineage.names(of: model).first { return name }
    for other in try lineage.models(withWeights: weights) {
      if let name = try lineage.names(of: other.id).first { return name }
    }
    return model.short
  }

  private func standing(
    of subject: Subject, _ advisories: [AdvisoryRow], _ evaluations: [EvaluationRow], labels: [Digest: String]? = nil
  ) throws -> Standing {
    let own = try evaluations.isEmpty ? [] : applicable(evaluations, to: subject)
    var standing = Standing()
    for advisory in advisories {
      let isDirect = advisory.weightsID == subject.weightsID
      let bounds = try advisory.clearedBy.map { try Bound($0, place: "advisory \(advisory.digest.short)") }
      let meeting = bounds.map { $0.evaluation(among: own)?.digest }
      let isCleared = !isDirect && !bounds.isEmpty && !meeting.contains(nil)
      let flag = AdvisoryFlag(
        advisory: advisory.digest.hex, kind: advisory.kind, reason: advisory.reason,
        weightsID: advisory.weightsID.hex,
        source: try labels?[advisory.weightsID] ?? label(ofWeights: advisory.weightsID, in: advisory.model),
        isDirect: isDirect, clearedBy: isDirect ? [] : advisory.clearedBy,
        evaluations: isCleared ? Set(meeting.compactMap { $0?.hex }).sorted() : [])
      if isCleared { standing.cleared.append(flag) } else { standing.open.append(flag) }
    }
    return standing
  }

  /// The evaluations of the same weights that are the model's own: of the model itself, or of one that has the same
  /// tokenizer and chat template. Where these cannot be read, of the model itself. Those of stores that are not trusted
  /// here do not count.
  func applicable(_ evaluations: [EvaluationRow], to subject: Subject) throws -> [EvaluationRow] {
    let evaluations = evaluations.filter(\.isTrusted)
    if evaluations.allSatisfy({ $0.model == subject.model }) { return evaluations }
    let own = try subject.manifest.map { try trappings(of: $0(), label: subject.model.short) }
    return evaluations.filter {
      $0.model == subject.model || Trappings(tokenizer: $0.tokenizer, chatTemplate: $0.chatTemplate) == own
    }
  }
}
