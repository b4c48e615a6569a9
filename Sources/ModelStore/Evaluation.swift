import JSON
import Lineage
import Objects

/// What was measured of a model's weights: the content of an evaluation document.
struct Evaluation: Sendable {
  let weightsID: Digest
  /// The model that was loaded.
  let model: Digest
  let trappings: Trappings
  let program: String
  let version: String?
  /// Of the evaluator's program.
  let evaluator: Digest
  /// Name and digest of each data set, in the order given.
  let data: [(name: String, digest: Digest)]
  let metrics: [EvaluationRow.Metric]
  let record: JSONValue?
  let stamp: Stamp

  init(_ draft: EvaluationDraft, of model: Digest, weightsID: Digest, trappings: Trappings, stamp: Stamp) {
    (self.model, self.weightsID, self.trappings, self.stamp) = (model, weightsID, trappings, stamp)
    (program, version, evaluator) = (draft.program, draft.version, draft.evaluator)
    (data, metrics, record) = (draft.data, draft.metrics, draft.record)
  }

  var document: Document {
    var members: [JSONValue.Member] =
      stamp.members("evaluation") + [
        .init("weights_id", .string(weightsID.hex)), .init("model", .string(model.hex)),
        .init("evaluator", evaluatorJSON),
        .init(
          "data", .array(data.map { ["name": .string($0.name), "sha256": .string($0.digest.hex)] })),
        .init("metrics", .array(metrics.map(Self.json))),
      ]
    if let tokenizer = trappings.tokenizer { members.append(.init("tokenizer", .string(tokenizer.hex))) }
    if let template = trappings.chatTemplate { members.append(.init("chat_template", .string(template.hex))) }
    if let record { members.append(.init("record", record)) }
    return Document(.object(members))
  }

  /// The evaluator as documents and reports have it.
  var evaluatorJSON: JSONValue {
    var members: [JSONValue.Member] = [
      .init("program", .string(program)), .init("sha256", .string(evaluator.hex)),
    ]
    if let version { members.append(.init("version", .string(version))) }
    return .object(members)
  }

  private static func json(_ metric: EvaluationRow.Metric) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("name", .string(metric.name)), .init("data", .string(metric.data.hex)),
      .init("value", .number(metric.value)),
    ]
    if let n = metric.n { members.append(.init("n", .integer(n))) }
    if let hits = metric.hits { members.append(.init("hits", .integer(hits))) }
    return .object(members)
  }

  /// Reads an evaluation document.
  init(_ document: Document) throws(ObjectsError) {
    let value = document.value
    func wrong(_ reason: String) -> ObjectsError { .documentContent(document: document.digest, reason: reason) }
    stamp = try Stamp(document, type: "evaluation")
    guard let weights = value["weights_id"]?.digest, let model = value["model"]?.digest,
      let program = value["evaluator"]?["program"]?.text, let evaluator = value["evaluator"]?["sha256"]?.digest,
      let sets = value["data"]?.elements, let list = value["metrics"]?.elements
    else { throw wrong("an evaluation without weights_id, model, evaluator, data or metrics") }
    var data: [(name: String, digest: Digest)] = []
    for set in sets {
      guard let name = set["name"]?.text, let digest = set["sha256"]?.digest else {
        throw wrong("a data set without name or sha256")
      }
      data.append((name, digest))
    }
    var metrics: [EvaluationRow.Metric] = []
    for entry in list {
      guard let name = entry["name"]?.text, let set = entry["data"]?.digest, let found = entry["value"]?.double else {
        throw wrong("a metric without name, data or value")
      }
      let (n, hits) = (entry["n"]?.int, entry["hits"]?.int)
      guard n.map({ $0 > 0 }) ?? true, hits.map({ $0 >= 0 && n != nil && $0 <= n ?? 0 }) ?? true,
        !metrics.contains(where: { $0.name == name && $0.data == set })
      else { throw wrong("metric \(name): hits of n expected, and one number for each data set") }
      metrics.append(EvaluationRow.Metric(name: name, data: set, value: found, n: n, hits: hits))
    }
    (weightsID, self.model, self.program, self.evaluator) = (weights, model, program, evaluator)
    (self.data, self.metrics, record) = (data, metrics, value["record"])
    version = value["evaluator"]?["version"]?.text
    trappings = Trappings(tokenizer: value["tokenizer"]?.digest, chatTemplate: value["chat_template"]?.digest)
  }

  func row(_ digest: Digest, at place: EventPlace) -> EvaluationRow {
    EvaluationRow(
      digest: digest, weightsID: weightsID, model: model, tokenizer: trappings.tokenizer,
      chatTemplate: trappings.chatTemplate, madeAt: stamp.madeAt, madeBy: stamp.madeBy, event: place,
      metrics: metrics)
  }
}

/// What goes between a request and the weights: models with the same weights may differ in it, and then behave
/// differently.
struct Trappings: Sendable, Equatable {
  /// SHA-256 over a line `PATH DIGEST` for each of the tokenizer's files; nil where there are none.
  let tokenizer: Digest?
  /// SHA-256 of the template's text as transformers finds it; nil where there is none.
  let chatTemplate: Digest?
}

extension Repository {
  /// The tokenizer and chat template of a model. Reads its small files.
  func trappings(of manifest: Manifest, label: String) throws -> Trappings {
    let files = manifest.files.filter {
      TokenizerFiles.names.contains($0.path) && !$0.path.hasPrefix("chat_template.")
    }
    let lines = files.map { "\($0.path) \($0.object.hex)\n" }.joined()
    let template = try ChatTemplate.template(of: self.files(of: manifest, reference: label))
    return Trappings(
      tokenizer: files.isEmpty ? nil : Digest(of: Array(lines.utf8)),
      chatTemplate: template.map { Digest(of: Array($0.utf8)) })
  }
}

/// Who made a document, and when.
struct Stamp: Sendable {
  let madeAt: String
  let madeBy: String
  let tool: String

  /// Of the documents that are written. Those of version 1, of format 1, also have the `sequence` that entries have
  /// now.
  static let version = 2

  init(madeBy: String) {
    (self.madeBy, madeAt, tool) = (madeBy, nowInMilliseconds(), Repository.tool)
  }

  /// Reads the stamp of a document of a type; a newer version of the type is refused.
  init(_ document: Document, type: String) throws(ObjectsError) {
    let value = document.value
    if let version = value["version"]?.int, version > Self.version {
      throw .newerVersion(what: "\(type) \(document.digest.short)", found: version, supported: Self.version)
    }
    guard value["type"]?.text == type, let madeAt = value["made_at"]?.text, let madeBy = value["made_by"]?.text,
      let tool = value["tool"]?.text
    else {
      throw .documentContent(
        document: document.digest, reason: "no \(type) with made_at, made_by and tool")
    }
    (self.madeAt, self.madeBy, self.tool) = (madeAt, madeBy, tool)
  }

  /// The members that every document of these has.
  func members(_ type: String) -> [JSONValue.Member] {
    [
      .init("type", .string(type)), .init("version", .integer(Self.version)),
      .init("made_at", .string(madeAt)), .init("made_by", .string(madeBy)), .init("tool", .string(tool)),
    ]
  }
}

extension JSONValue {
  /// A digest of 64 hex digits.
  var digest: Digest? { text.flatMap { Digest(hex: $0) } }
}
