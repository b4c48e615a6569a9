internal import Tensors

/// Plans what masks and subspaces do to the inputs of tensors.
struct Realigner {
  private let recipe: Recipe
  private let masks: [String: MaskInput]
  private let subspaces: [String: SubspaceInput]
  /// By reference, the places in `Plan.inputs`.
  private let places: [String: Int]
  private let factorMasks: FactorMasks

  /// - Parameters:
  ///   - models: those merged, each with the places of its parts in `Plan.inputs`.
  ///   - first: where masks and subspaces begin there, in the order of `auxiliaryReferences`.
  init(
    _ recipe: Recipe, _ models: [(input: ModelInput, parts: [Int])], masks: [MaskInput], subspaces: [SubspaceInput],
    first: Int, isStepwise: Bool
  ) throws(MergeError) {
    self.recipe = recipe
    self.masks = Dictionary(masks.map { ($0.reference, $0) }, uniquingKeysWith: { one, _ in one })
    self.subspaces = Dictionary(subspaces.map { ($0.reference, $0) }, uniquingKeysWith: { one, _ in one })
    places = Dictionary(
      uniqueKeysWithValues: recipe.auxiliaryReferences.enumerated().map { ($1, first + $0) })
    if isStepwise, recipe.method.isOwn || !recipe.auxiliaryReferences.isEmpty {
      throw .misfit(
        place: "mergekit's arithmetic", expected: "what mergekit has",
        found: recipe.method.isOwn ? "method \(recipe.method.rawValue)" : "masks or subspaces under 'stemma'", line: nil
      )
    }
    if recipe.settings.variant != nil, recipe.method != .somf {
      throw .misfit(
        place: "'variant' under 'stemma'", expected: "method somf", found: "method \(recipe.method.rawValue)", line: nil
      )
    }
    let chooses = recipe.method == .safeLora || recipe.method == .safeMerge
    if chooses != (recipe.settings.subspace != nil) {
      if chooses { throw .missingKey("subspace", place: "'stemma' of method \(recipe.method.rawValue)", line: nil) }
      throw .misfit(
        place: "'subspace' under 'stemma'", expected: "method safe_lora or safemerge",
        found: "method \(recipe.method.rawValue)", line: nil)
    }
    factorMasks = FactorMasks(models, masks: self.masks, places: places)
    try factorMasks.check(recipe)
  }

  /// The inputs of an output tensor as they are read, and the method over them.
  ///
  /// - Parameter inputs: those of the slice's sources, in their order.
  func realigned(
    _ call: MethodCall, _ inputs: [PlannedInput], of output: OutputTensor, shape: Shape, movesRows: Bool
  ) throws(MergeError) -> (MethodCall, [PlannedInput]) {
    if recipe.auxiliaryReferences.isEmpty {
      try checkMask(output, of: nil)
      return (call, inputs)
    }
    var read = inputs
    for (place, source) in output.slice.sources.enumerated() {
      guard let wanted = recipe.realignment(of: source, base: output.slice.base) else {
        try checkMask(output, of: source)
        continue
      }
      if wanted.mask == nil { try checkMask(output, of: source) }
      var (input, weightMask, wholeMask) = (inputs[place], wanted.mask, Realignment.Mask?.none)
      if let mask = wanted.mask, factorMasks.has(mask.reference) {
        (input, wholeMask) = try factorMasks.masked(input, by: mask, of: source.reference, base(of: output, inputs))
        weightMask = nil
        read[place] = input
        if wholeMask == nil, wanted.projection == nil { continue }
      }
      let subject = Subject(
        input: input, anchor: try anchor(output, inputs, movesRows: movesRows),
        name: output.names[place], stored: output.stored[place], model: source.reference, shape: shape)
      let mask = try weightMask.map { mask throws(MergeError) in try self.mask(mask, subject) } ?? wholeMask
      let projection = try wanted.projection.flatMap { projection throws(MergeError) in
        try self.projection(projection.reference, isOnto: projection.isOnto, isComplete: true, subject)
      }
      if mask == nil, projection == nil { continue }
      read[place] = input.realigned(
        by: Realignment(dtype: input.dtype, anchor: subject.anchor, mask: mask, projection: projection))
    }
    guard let subspace = recipe.settings.subspace, let base = call.base else { return (call, read) }
    return try withTwin(call, read, base, subspace, output, shape, movesRows: movesRows)
  }

  /// What a model's tensor is, for masks and subspaces.
  private struct Subject {
    let input: PlannedInput
    let anchor: Realignment.Anchor
    let name: String
    let stored: String
    let model: String
    let shape: Shape

    /// What masks and subspaces may call it: where a head is tied to the embedding, or the model has a spelling of its
    /// own, there are several.
    var names: [String] { [name, stored, input.tensor] }
  }

  /// `somf` without a mask would be a plain merge.
  private func checkMask(_ output: OutputTensor, of source: Recipe.Source?) throws(MergeError) {
    guard recipe.method == .somf, source?.reference != output.slice.base || source == nil else { return }
    throw .missingKey(
      "mask", place: "'stemma' of method somf" + (source.map { ", for model '\($0.reference)'," } ?? ""), line: nil)
  }

  /// The base's tensor; nil without a base, and where a slice does not have it among its sources.
  private func base(of output: OutputTensor, _ inputs: [PlannedInput]) -> (model: String, input: PlannedInput)? {
    guard let base = output.slice.base,
      let place = output.slice.sources.firstIndex(where: { $0.reference == base })
    else { return nil }
    return (base, inputs[place])
  }

  private func anchor(
    _ output: OutputTensor, _ inputs: [PlannedInput], movesRows: Bool
  ) throws(MergeError) -> Realignment.Anchor {
    guard let base = output.slice.base else {
      throw .missingKey("base_model", place: "a recipe with masks or subspaces", line: nil)
    }
    guard let anchor = self.base(of: output, inputs)?.input else {
      throw .misfit(
        place: "a slice with masks or subspaces", expected: "the base model '\(base)' among its sources",
        found: "it is not", line: nil)
    }
    if movesRows {
      throw .unsupported(
        feature: "a mask or subspace for tensor '\(output.place.name)', whose rows a new vocabulary moves,", line: nil)
    }
    guard anchor.change == nil else {
      throw .unsupported(feature: "a base model with an adapter beside masks of weights or subspaces", line: nil)
    }
    return Realignment.Anchor(model: anchor.model, tensor: anchor.tensor, dtype: anchor.dtype)
  }

  private func mask(
    _ wanted: RealignmentSettings.Mask, _ subject: Subject
  ) throws(MergeError) -> Realignment.Mask {
    guard let mask = masks[wanted.reference], let place = places[wanted.reference] else {
      throw .missingInput(wanted.reference)
    }
    for name in subject.names {
      guard let bits = mask.tensors[name] else { continue }
      guard bits.shape == subject.shape else {
        throw .shapeMismatch(
          tensor: name, first: subject.model, firstShape: subject.shape, second: wanted.reference,
          secondShape: bits.shape)
      }
      if wanted.rescales, bits.ones == 0, subject.shape.elementCount != 0 {
        throw .misfit(
          place: "mask '\(wanted.reference)', tensor '\(name)'",
          expected: "at least one element kept, for rescale: mean",
          found: "none", line: nil)
      }
      return Realignment.Mask(model: place, tensor: name, ones: bits.ones, rescales: wanted.rescales)
    }
    throw .missingTensor(subject.name, lacking: wanted.reference, having: subject.model)
  }

  /// - Parameter isComplete: refuses to keep what lies in a subspace that has no basis for a matrix.
  private func projection(
    _ reference: String, isOnto: Bool, isComplete: Bool, _ subject: Subject
  ) throws(MergeError) -> Realignment.Projection? {
    guard let subspace = subspaces[reference], let place = places[reference] else { throw .missingInput(reference) }
    for name in subject.names {
      guard let basis = subspace.tensors[name] else { continue }
      guard basis.shape == subject.shape else {
        throw .shapeMismatch(
          tensor: name, first: subject.model, firstShape: subject.shape, second: reference, secondShape: basis.shape)
      }
      return Realignment.Projection(model: place, tensor: name, rank: basis.rank, isOnto: isOnto)
    }
    if isOnto, isComplete, subject.shape.dimensions.count == 2 {
      throw .missingTensor(subject.name, lacking: reference, having: subject.model)
    }
    return nil
  }

  /// For methods that choose between a model and its projection both are read, the projection last; a tensor without a
  /// basis is the model's.
  private func withTwin(
    _ call: MethodCall, _ read: [PlannedInput], _ base: Int, _ subspace: String, _ output: OutputTensor,
    _ shape: Shape, movesRows: Bool
  ) throws(MergeError) -> (MethodCall, [PlannedInput]) {
    let tuned = base == 0 ? 1 : 0
    let subject = Subject(
      input: read[tuned], anchor: try anchor(output, read, movesRows: movesRows), name: output.names[tuned],
      stored: output.stored[tuned], model: output.slice.sources[tuned].reference, shape: shape)
    guard let projection = try projection(subspace, isOnto: true, isComplete: false, subject) else {
      let allows = call.settings.filter { $0.key == "allow_nonfinite" }
      return (MethodCall(.passthrough, settings: allows), [read[tuned]])
    }
    let own = read[tuned].realignment
    if own?.projection != nil {
      throw .misfit(
        place: "method \(recipe.method.rawValue)", expected: "no 'project', which it does itself", found: "one",
        line: nil)
    }
    let twin = read[tuned].plain.realigned(
      by: Realignment(
        dtype: read[tuned].plain.dtype, anchor: subject.anchor, mask: own?.mask, projection: projection))
    return (call, read + [twin])
  }
}
