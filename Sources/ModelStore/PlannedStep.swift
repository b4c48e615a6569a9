import Merging

/// A recipe with all that is known before a byte of weights is read: one of those that are run one after the other.
struct PlannedStep {
  let recipe: Recipe
  /// The recipe's models in the order of references.
  let models: [MergeSource]
  let plan: Plan
  let layout: FusedLayout

  init(
    _ recipe: Recipe, _ models: [MergeSource], _ auxiliaries: AuxiliaryInputs, _ options: MergeOptions
  ) throws {
    self.recipe = recipe
    self.models = models
    let vocabulary = try OutputVocabulary(recipe, models)
    plan = try Planner.plan(recipe: recipe, models, auxiliaries, options, vocabulary: vocabulary)
    if let template = recipe.chatTemplate { try ChatTemplate.check(template) }
    layout = try FusedLayout(
      plan: plan, recipe: recipe, models: models, vocabulary: vocabulary, writesCard: options.writesCard)
  }

  /// Plans recipes of which later ones may use earlier ones; `find` says what a name stands for that is none of them.
  static func all(
    of steps: RecipeSteps, _ options: MergeOptions, find: (String) throws -> InputModel
  ) throws -> [PlannedStep] {
    var made: [String: MergeSource] = [:]
    return try steps.recipes.map { recipe in
      let models = try recipe.modelReferences.map { reference in
        try InputModel.mergeSource(reference) { name in
          try made[name].map { InputModel(source: $0, adapter: nil) } ?? find(name)
        }
      }
      let step = try PlannedStep(recipe, models, try AuxiliaryInputs(recipe, find: find), options)
      if let name = recipe.name { made[name] = step.output(called: name) }
      return step
    }
  }

  /// The files of the result that are no tensors, as they would lie in its folder.
  func files(called reference: String) -> ModelFiles {
    let made = Dictionary(layout.made.map { ($0.path, $0.bytes) }, uniquingKeysWith: { first, _ in first })
    let donor = models[recipe.donor].files
    return ModelFiles(reference: reference, paths: layout.made.map(\.path) + layout.takenOver) { path in
      try made[path] ?? donor.read(path) ?? []
    }
  }

  /// The result as a model of later recipes.
  private func output(called name: String) -> MergeSource {
    let tensors = plan.tensors.map { TensorInput(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    return MergeSource(input: ModelInput(reference: name, tensors: tensors), files: files(called: name))
  }
}

extension [PlannedStep] {
  /// The plans, of earlier steps without the tensors that no later one reads.
  var needed: [Plan] {
    var wanted: [String: Set<String>] = [:]
    var plans: [Plan] = []
    for (index, step) in enumerated().reversed() {
      let plan = index == count - 1 ? step.plan : step.plan.making(wanted[step.recipe.name ?? ""] ?? [])
      for read in plan.reads { wanted[plan.inputs[read.model], default: []].insert(read.name) }
      plans.append(plan)
    }
    return plans.reversed()
  }
}

extension Plan {
  /// All that is read from inputs, in no order that matters.
  var reads: some Sequence<StoredRead> {
    tensors.lazy.flatMap { tensor in
      tensor.inputs.indices.flatMap { tensor.inputs[$0].reads(of: tensor.inputShape($0)) }
    }
  }

  /// The plan with these tensors only; all where some are chosen among all. In mergekit's arithmetic all stay, for its
  /// one stream of random numbers; there is nothing to measure there, so what nobody reads costs nothing.
  fileprivate func making(_ names: Set<String>) -> Plan {
    guard arithmetic != Plan.mergekit015, !choosesAmongTensors else { return self }
    return Plan(arithmetic: arithmetic, seed: seed, inputs: inputs, tensors: tensors.filter { names.contains($0.name) })
  }
}
