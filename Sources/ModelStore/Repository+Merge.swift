import Foundation
import JSON
import Lineage
import Merging
import Objects
import Tensors

extension Repository {
  /// Plans a recipe and reads no weights. References are names and ids; `./x`, `../x` and `/x` are checkpoint folders.
  public func plan(
    recipe text: String, relativeTo directory: String, options: MergeOptions = MergeOptions()
  ) throws(RepositoryError) -> PlanReport {
    try door {
      let (steps, models) = try plans(RecipeSteps(yaml: text), relativeTo: directory, options)
      return try PlanReport(steps: steps, workers: pool.width) { try models[$0].flatMap { try mergeMemory(of: $0) } }
    }
  }

  /// The steps, and the models of the store that names in them stand for.
  private func plans(
    _ steps: RecipeSteps, relativeTo directory: String, _ options: MergeOptions
  ) throws -> (steps: [PlannedStep], models: [String: Digest]) {
    var models: [String: Digest] = [:]
    var folders: [String: InputModel] = [:]
    for reference in steps.partsFromOutside {
      switch try recipeInput(reference, relativeTo: directory, reading: false) {
      case .folder: folders[reference] = try FolderInput(reference, relativeTo: directory).inputModel
      case .model(let model): models[reference] = model
      }
    }
    let planned = try PlannedStep.all(of: steps, options) { reference in
      try folders[reference] ?? inputModel(reference, models[reference]!, among: models)
    }
    return (planned, models)
  }

  /// Runs a recipe once to learn the fused model's digests, and records it. Durable when it returns.
  ///
  /// - Parameters:
  ///   - name: what to call the fused model.
  ///   - keepBytes: stores the bytes too, as deltas where that pays; else they are computed again on demand.
  ///   - permission: whether inputs may be flagged, and what holds for the name.
  public func merge(
    recipe text: String, relativeTo directory: String, name: String?, keepBytes: Bool = false,
    options: MergeOptions = MergeOptions(), madeBy: String? = nil, permission: Permission = Permission(),
    progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> MergeReport {
    let (steps, found) = try door {
      try requireWritable()
      if let name { try Names.check(name) }
      let steps = try RecipeSteps(yaml: text)
      let references = steps.partsFromOutside
      // All recipes are checked against their inputs before any of these is imported.
      if steps.recipes.count > 1 || references.contains(where: Self.isPath) {
        _ = try plans(steps, relativeTo: directory, options)
      }
      let inputs = try references.map { ($0, try recipeInput($0, relativeTo: directory, reading: true)) }
      // Before any folder is imported; all inputs are looked at again when their step begins.
      for case .model(let model) in inputs.map(\.1) { _ = try pass(model, "to merge it", permission) }
      return (steps, inputs)
    }
    let models = try imported(found, for: steps, madeBy: madeBy)
    return try merge(
      steps, models: models, name: name, keepBytes: keepBytes, options: options, madeBy: madeBy,
      permission: permission, progress: progress)
  }

  /// The models that the inputs of recipes are; folders are imported.
  func imported(
    _ inputs: [(reference: String, input: RecipeInput)], for steps: RecipeSteps, madeBy: String?
  ) throws(RepositoryError) -> [String: Digest] {
    var models: [String: Digest] = [:]
    for (reference, input) in inputs {
      switch input {
      case .folder(let path):
        let base = steps.base(ofAdapter: reference).flatMap { models[$0]?.hex }
        let report = try importCheckpoint(at: path, name: nil, base: base, madeBy: madeBy, progress: nil)
        models[reference] = Digest(hex: report.id)!
      case .model(let model): models[reference] = model
      }
    }
    return models
  }

  /// Runs recipes on these models and records what each makes; the last one's result gets the name.
  func merge(
    _ steps: RecipeSteps, models: [String: Digest], name: String?, keepBytes: Bool = false, options: MergeOptions,
    madeBy: String?, permission: Permission = Permission(), progress: (@Sendable (Int, Int) -> Void)?
  ) throws(RepositoryError) -> MergeReport {
    try door {
      var models = models
      func run(
        _ recipe: Recipe, _ options: MergeOptions, name: String? = nil, keepBytes: Bool = false,
        progress: (@Sendable (Int, Int) -> Void)? = nil
      ) throws -> MergeReport {
        try fuse(
          recipe, models: models, name: name, keepBytes: keepBytes, options: options, madeBy: madeBy ?? whoami(),
          permission: permission, progress: progress)
      }
      var plain = options
      (plain.search, plain.data) = (nil, [])
      let recipes = steps.recipes
      for recipe in recipes.dropLast() { models[recipe.name!] = Digest(hex: try run(recipe, plain).id)! }
      return try run(recipes[recipes.count - 1], options, name: name, keepBytes: keepBytes, progress: progress)
    }
  }

  private func fuse(
    _ recipe: Recipe, models: [String: Digest], name: String?, keepBytes: Bool, options: MergeOptions, madeBy: String,
    permission: Permission, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> MergeReport {
    let sources = try recipe.modelReferences.map { reference in
      try InputModel.mergeSource(reference) { try inputModel($0, models[$0]!, among: models) }
    }
    let inputs = sources.map(\.input)
    let vocabulary = try OutputVocabulary(recipe, sources)
    let auxiliaries = try AuxiliaryInputs(recipe) { try inputModel($0, models[$0]!, among: models) }
    let plan = try Planner.plan(recipe: recipe, sources, auxiliaries, options, vocabulary: vocabulary)
    let readers = try plan.inputs.map { try ModelReader(models[$0] ?? resolve($0), in: self) }
    let allowed = try Set(readers.map(\.model)).flatMap { try pass($0, "to merge it", permission) }
    try MergeMemory(plan, readingFrom: try readers.compactMap { try mergeMemory(of: $0.model) })
      .require(workers: pool.width)
    let source = try StoreTensorSource(models: readers, spaces: spaces)
    let donorIndex = plan.donor(of: recipe, inputs)
    let donor = readers[donorIndex].manifest
    let layout = try FusedLayout(
      plan: plan, recipe: recipe, models: sources, vocabulary: vocabulary, writesCard: options.writesCard)
    let model = try FusedModel(plan: plan, source: source, measurements: nil, pool: pool)
    let run = FusedRun(layout: layout, plan: plan, model: model, repository: self)
    try run.run(keepBytes: keepBytes, source: source, base: donorIndex, progress: progress)
    let manifest = run.manifest(donor: donor)
    let recipeDocument = Document(["type": "recipe", "version": 1, "yaml": .string(recipe.text)])
    let shares = plan.shares
    var derivation = Derivation(
      kind: "merge", model: manifest.document.digest, madeAt: now(),
      madeBy: madeBy, tool: Self.tool,
      parents: readers.indices.map { index in
        Derivation.Parent(
          role: plan.role(of: index, in: recipe, inputs), model: readers[index].model,
          coefficient: plan.coefficient(of: index, inputs), claimed: false, reference: plan.inputs[index],
          share: shares[index])
      } + options.data)
    derivation.allowedFlagged = Set(allowed).sorted()
    derivation.sketch = run.sketch
    derivation.recipe = recipeDocument.digest
    derivation.method = recipe.method.rawValue
    derivation.arithmetic = plan.arithmetic
    derivation.search = options.search
    derivation.plan = PlanRecord.json(plan)
    derivation.measurements = model.measurements
    let added = try publishMerge(
      derivation, manifest: manifest, recipe: recipeDocument, packs: run.sealed, name: name, permission)
    return MergeReport(
      id: manifest.document.digest.hex, name: name, method: recipe.method.rawValue,
      state: keepBytes ? "stored" : "virtual", tensors: plan.tensors.count, bytes: manifest.bytes, bytesAdded: added)
  }

  private func publishMerge(
    _ derivation: Derivation, manifest: Manifest, recipe: Document, packs: [Ingest.SealedPack], name: String?,
    _ permission: Permission
  ) throws -> Int {
    let naming = try naming(name, for: manifest, like: derivation, permission)
    let added = packs.reduce(0) { $0 + $1.size } + manifest.document.bytes.count + recipe.bytes.count
    return try added
      + publish(derivation, of: manifest, recipe: recipe, naming: naming) { publication in
        try record(packs, in: publication)
        // Where every tensor happens to be in a pack (weights 1 and 0), the model is stored without more ado.
        let objects = Set(manifest.objects)
        return try publication.stored(objects).count == objects.count ? .stored : .virtual
      }
  }
}

extension Recipe {
  /// The place, among its models, of the one whose configuration and tokenizer the result takes over: the base, else
  /// the first.
  var donor: Int { base.flatMap { modelReferences.firstIndex(of: $0) } ?? 0 }
}

extension RecipeSteps {
  /// The names and paths of all models and adapters that are no steps, then of masks and subspaces, each once.
  var partsFromOutside: [String] {
    var seen = Set(recipes.dropLast().compactMap(\.name))
    let models = recipes.flatMap(\.modelReferences).flatMap { AdaptedReference($0)?.parts ?? [] }
    return (models + recipes.flatMap(\.auxiliaryReferences)).filter { seen.insert($0).inserted }
  }

  /// What an adapter is first put on.
  func base(ofAdapter name: String) -> String? {
    recipes.flatMap(\.modelReferences).lazy.compactMap(AdaptedReference.init).first { $0.adapter == name }?.base
  }
}

extension Plan {
  /// The input whose configuration and tokenizer the result takes over: the base, else the first; of an adapter, its
  /// base.
  func donor(of recipe: Recipe, _ models: [ModelInput]) -> Int {
    inputs.firstIndex(of: models[recipe.donor].parts[0]) ?? 0
  }

  /// What an input is to the result: `base`, `adapter`, `input`, `mask` or `subspace`.
  func role(of input: Int, in recipe: Recipe, _ models: [ModelInput]) -> String {
    if recipe.maskReferences.contains(inputs[input]) { return "mask" }
    if recipe.subspaceReferences.contains(inputs[input]) { return "subspace" }
    if models.contains(where: { $0.parts.dropFirst().contains(inputs[input]) }) { return "adapter" }
    return models.first { $0.reference == recipe.base }?.parts[0] == inputs[input] ? "base" : "input"
  }

  /// The weight of an input where it is the same for all tensors; nil for a base, of an adapter too, and for gradients.
  func coefficient(of input: Int, _ models: [ModelInput]) -> Double? {
    let users = models.filter { $0.parts.contains(inputs[input]) }
    guard users.count == 1, users[0].parts.last == inputs[input] else { return nil }
    var found: Double?
    for tensor in tensors {
      let position = tensor.inputs.firstIndex { $0.change?.adapter ?? $0.model == input }
      guard let position else { continue }
      if tensor.method.name == .copy { continue }
      let base = tensor.method.base ?? tensor.inputs.count
      guard position != base, let weights = tensor.method.perInput["weight"] else { return nil }
      let weight = weights[position < base ? position : position - 1]
      if let found, found != weight { return nil }
      found = weight
    }
    return found
  }
}

extension PlanReport {
  /// One plan, or those of all steps one after the other.
  ///
  /// - Parameter memory: what a model takes where it is computed; nil where it is stored.
  init(steps: [PlannedStep], workers: Int, memory: (String) throws -> MergeMemory?) rethrows {
    var made: [String: MergeMemory] = [:]
    let reports = try steps.map { step in
      let inputs = try step.plan.inputs.compactMap { try made[$0] ?? memory($0) }
      let needed = MergeMemory(step.plan, readingFrom: inputs)
      if let name = step.recipe.name { made[name] = needed }
      return PlanReport(step.plan, peak: needed.peak(workers: workers))
    }
    if reports.count == 1 {
      self = reports[0]
    } else {
      let names = steps.map { $0.recipe.name ?? "the result" }
      self.init(
        text: zip(names, reports).map { "step \($0)\n\n\($1.text)" }.joined(separator: "\n\n"),
        json: [
          "steps": .array(
            zip(names, reports).map { .object([.init("name", .string($0)), .init("plan", $1.json)]) })
        ])
    }
  }

  private init(_ plan: Plan, peak: Int) {
    self.init(
      text: plan.description + "\nat most about \((peak + 999_999) / 1_000_000) MB of memory",
      json: [
        "arithmetic": .string(plan.arithmetic), "inputs": .array(plan.inputs.map { .string($0) }),
        "bytes_to_read": .integer(plan.bytesToRead), "bytes_to_write": .integer(plan.bytesToWrite),
        "memory": .integer(plan.memory), "peak_memory": .integer(peak),
        "tensors": .array(plan.tensors.map(Self.json)),
      ])
  }

  private static func json(_ input: PlannedInput) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("model", .integer(input.model)), .init("tensor", .string(input.tensor)),
      .init("dtype", .string((input.change?.weightDType ?? input.plain.dtype).rawValue)),
    ]
    if !input.pieces.isEmpty { members.append(.init("pieces", .array(input.pieces.map(JSONValue.string)))) }
    if let change = input.change {
      members += [
        .init("adapter", .integer(change.adapter)), .init("rank", .integer(change.rank)),
        .init("scale", .number(change.scale)),
      ]
    }
    if let masks = input.change?.masks, let mask = masks.first {
      var fields: [JSONValue.Member] = [
        .init("input", .integer(mask.model)), .init("ones", .integer(masks.reduce(0) { $0 + $1.ones })),
        .init("rescale", .string(mask.rescales ? "mean" : "none")),
      ]
      if let anchor = mask.anchor { fields.append(.init("from", .integer(anchor.model))) }
      members.append(.init("factor_mask", .object(fields)))
    }
    if let mask = input.realignment?.mask {
      members.append(
        .init(
          "mask",
          [
            "input": .integer(mask.model), "ones": .integer(mask.ones),
            "rescale": .string(mask.rescales ? "mean" : "none"),
          ]))
    }
    if let projection = input.realignment?.projection {
      members.append(
        .init(
          "project",
          [
            "input": .integer(projection.model), "rank": .integer(projection.rank),
            "side": .string(projection.isOnto ? "onto" : "out"),
          ]))
    }
    return .object(members)
  }

  private static func json(_ rows: RowMap) -> JSONValue {
    let counts = rows.counts
    return ["kept": .integer(counts.kept), "averaged": .integer(counts.averaged), "new": .integer(counts.new)]
  }

  private static func json(_ tensor: PlannedTensor) -> JSONValue {
    let base: JSONValue = tensor.method.base.map { .integer(tensor.inputs[$0].model) } ?? .null
    let perInput = tensor.method.perInput.map { JSONValue.Member($0, .array($1.map(JSONValue.number))) }
    let settings = tensor.method.settings.map { JSONValue.Member($0, .number($1)) }
    return [
      "name": .string(tensor.name), "dtype": .string(tensor.dtype.rawValue),
      "shape": .array(tensor.shape.dimensions.map { .integer($0) }), "bytes_to_read": .integer(tensor.bytesToRead),
      "memory": .integer(tensor.memory),
      "method": .string(tensor.method.name.rawValue), "inputs": .array(tensor.inputs.map(Self.json)),
      "base": base, "rows": tensor.rows.map(Self.json) ?? .null,
      "per_input": .object(perInput.sorted { $0.key < $1.key }),
      "settings": .object(settings.sorted { $0.key < $1.key }),
    ]
  }
}
