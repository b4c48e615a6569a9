import JSON
import Lineage
import Objects

/// How a model was made: the content of a derivation document.
struct Derivation: Sendable {
  /// A model that this one was made from, or is said to be made from.
  struct Parent: Sendable, Equatable {
    let role: String
    let model: Digest
    let coefficient: Double?
    /// Declared, but the bytes do not rest on it.
    let claimed: Bool
    /// What the recipe called it; nil for imports.
    let reference: String?
    /// Nobody named it: it was found by comparing weights.
    var isInferred = false
    /// How much of the result comes from it (`Plan.shares`); nil where nothing tells.
    var share: Double?

    /// A data set that something was learnt or tuned on.
    static func data(_ model: Digest, _ reference: String, share: Double? = nil) -> Parent {
      Parent(
        role: ParentRow.data, model: model, coefficient: nil, claimed: false, reference: reference, share: share)
    }
  }

  let kind: String
  let model: Digest
  let madeAt: String
  let madeBy: String
  let tool: String
  let parents: [Parent]
  /// The parents that the bytes rest on: not the data that something was learnt or tuned on.
  var inputs: [Parent] { parents.filter { $0.role != ParentRow.data } }
  /// Imports and merges: sampled elements, for finding bases.
  var sketch: Sketch?
  /// Merges.
  var recipe: Digest?
  /// The merge method, of an adapter its kind and rank, of a mask or subspace its rule, of a data set its counts.
  var method: String?
  var arithmetic: String?
  /// How the factors of an extracted adapter were found, and what they leave out.
  var extraction: JSONValue?
  /// How the numbers of the recipe were found: `SearchRecord` and the candidates.
  var search: JSONValue?
  /// Advisories that were open on inputs of a merge and passed over.
  var allowedFlagged: [Digest] = []
  /// Of a learnt mask the digests of its data, and what the program that learnt it tells.
  var training: JSONValue?
  /// Of a data set what the program that made it tells.
  var record: JSONValue?
  /// The SHA-256 of each safetensors file, where whole files were read.
  var files: [FileDigest] = []
  /// What was done, tensor by tensor (`PlanRecord`).
  var plan: JSONValue?
  /// What the methods found, for each tensor of the plan.
  var measurements: [[Double]]?

  var document: Document {
    var members: [JSONValue.Member] = [
      .init("type", "derivation"), .init("version", .integer(Self.version)), .init("kind", .string(kind)),
      .init("model", .string(model.hex)), .init("made_at", .string(madeAt)),
      .init("made_by", .string(madeBy)), .init("tool", .string(tool)),
      .init(
        "parents",
        .array(
          parents.map { parent in
            var fields: [JSONValue.Member] = [
              .init("role", .string(parent.role)), .init("model", .string(parent.model.hex)),
            ]
            if let coefficient = parent.coefficient { fields.append(.init("coefficient", .number(coefficient))) }
            if parent.claimed { fields.append(.init("claimed", true)) }
            if parent.isInferred { fields.append(.init("inferred", true)) }
            if let share = parent.share { fields.append(.init("share", .number(share))) }
            if let reference = parent.reference { fields.append(.init("reference", .string(reference))) }
            return .object(fields)
          })),
    ]
    if let sketch { members.append(.init("sketch", .string(sketch.text))) }
    if let recipe { members.append(.init("recipe", .string(recipe.hex))) }
    if let method { members.append(.init("method", .string(method))) }
    if let arithmetic { members.append(.init("arithmetic", .string(arithmetic))) }
    if let extraction { members.append(.init("extraction", extraction)) }
    if let search { members.append(.init("search", search)) }
    if !allowedFlagged.isEmpty { members.append(.allowedFlagged(allowedFlagged)) }
    if let training { members.append(.init("training", training)) }
    if let record { members.append(.init("record", record)) }
    if !files.isEmpty { members.append(.init("files", .array(files.map(\.json)))) }
    if let plan { members.append(.init("plan", plan)) }
    if let measurements {
      members.append(.init("measurements", .array(measurements.map { .string(MeasurementText.encode($0)) })))
    }
    return Document(.object(members))
  }

  /// Of the documents that are written. Those of version 1, of format 1, also have the `sequence` that entries have
  /// now.
  static let version = 2

  init(kind: String, model: Digest, madeAt: String, madeBy: String, tool: String, parents: [Parent]) {
    self.kind = kind
    self.model = model
    self.madeAt = madeAt
    self.madeBy = madeBy
    self.tool = tool
    self.parents = parents
  }

  /// Reads a derivation document.
  init(_ document: Document) throws(ObjectsError) {
    let value = document.value
    func wrong(_ reason: String) -> ObjectsError { .documentContent(document: document.digest, reason: reason) }
    guard value["type"]?.text == "derivation", let kind = value["kind"]?.text,
      let model = value["model"]?.text.flatMap({ Digest(hex: $0) }),
      let madeAt = value["made_at"]?.text, let madeBy = value["made_by"]?.text, let tool = value["tool"]?.text,
      let list = value["parents"]?.elements
    else { throw wrong("not a derivation") }
    if let version = value["version"]?.int, version > Self.version {
      throw .newerVersion(what: "derivation \(document.digest.short)", found: version, supported: Self.version)
    }
    var parents: [Parent] = []
    for entry in list {
      guard let role = entry["role"]?.text, let parent = entry["model"]?.text.flatMap({ Digest(hex: $0) }) else {
        throw wrong("a parent without role or model")
      }
      parents.append(
        Parent(
          role: role, model: parent, coefficient: entry["coefficient"]?.double,
          claimed: entry["claimed"]?.truth ?? false, reference: entry["reference"]?.text,
          isInferred: entry["inferred"]?.truth ?? false,
          share: entry["share"]?.double.flatMap { (0...1).contains($0) ? $0 : nil }))
    }
    self.init(kind: kind, model: model, madeAt: madeAt, madeBy: madeBy, tool: tool, parents: parents)
    sketch = value["sketch"]?.text.flatMap(Sketch.init(text:))
    recipe = value["recipe"]?.text.flatMap { Digest(hex: $0) }
    method = value["method"]?.text
    arithmetic = value["arithmetic"]?.text
    extraction = value["extraction"]
    search = value["search"]
    allowedFlagged = value.allowedFlagged
    training = value["training"]
    record = value["record"]
    files = (value["files"]?.elements ?? []).compactMap(FileDigest.init)
    plan = value["plan"]
    if let texts = value["measurements"]?.elements {
      let decoded = texts.map { $0.text.flatMap(MeasurementText.decode) }
      guard !decoded.contains(nil) else { throw wrong("measurements that are no numbers in base64") }
      measurements = decoded.compactMap { $0 }
    }
  }
}

extension JSONValue.Member {
  /// The advisories that were passed over, in a document that says what was done.
  static func allowedFlagged(_ advisories: [Digest]) -> JSONValue.Member {
    .init("allowed_flagged", .array(advisories.map { .string($0.hex) }))
  }
}

extension JSONValue {
  fileprivate var allowedFlagged: [Digest] { self["allowed_flagged"]?.elements?.compactMap(\.digest) ?? [] }
}
