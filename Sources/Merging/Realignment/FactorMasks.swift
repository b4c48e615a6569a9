internal import Tensors

/// Plans what masks of an adapter's entries do to the inputs of tensors.
///
/// Factors are masked before they are multiplied (`LowRank.Mask`). A tensor that the adapter holds whole is masked as
/// weights are. DoRA's rows are scaled to lengths learnt for all of the factors, so that without any of them the weight
/// would still be another than the base's: such adapters are refused.
struct FactorMasks {
  private let models: [String: (input: ModelInput, parts: [Int])]
  /// By reference; those of factors only.
  private let masks: [String: MaskInput]
  /// By reference, the places in `Plan.inputs`.
  private let places: [String: Int]

  init(_ models: [(input: ModelInput, parts: [Int])], masks: [String: MaskInput], places: [String: Int]) {
    self.models = Dictionary(models.map { ($0.input.reference, $0) }, uniquingKeysWith: { first, _ in first })
    self.masks = masks.filter(\.value.isOfFactors)
    self.places = places
  }

  /// True for a mask of factors.
  func has(_ reference: String) -> Bool { masks[reference] != nil }

  /// Refuses masks whose tensors are not those of the adapters that a recipe puts them on.
  func check(_ recipe: Recipe) throws(MergeError) {
    if masks.isEmpty { return }
    for slice in recipe.modules.flatMap(\.slices) {
      for source in slice.sources {
        guard let wanted = recipe.realignment(of: source, base: slice.base)?.mask, let mask = masks[wanted.reference],
          let model = models[source.reference]?.input
        else { continue }
        try check(mask, rescales: wanted.rescales, model)
        guard let base = slice.base.flatMap({ models[$0]?.input }) else { continue }
        try check(mask, model, base: base)
        guard base.adapterTensors == nil || slice.sources.contains(where: { $0.reference == base.reference }) else {
          throw .misfit(
            place: place(mask, model), expected: "the base model '\(base.reference)' among the sources of its slice",
            found: "it is not", line: nil)
        }
      }
    }
  }

  private func check(_ mask: MaskInput, rescales: Bool, _ model: ModelInput) throws(MergeError) {
    let place = place(mask, model)
    guard let tensors = model.adapterTensors else {
      throw .misfit(
        place: place, expected: "an adapter, as 'base+adapter'",
        found: "a model; give it a mask of weights, or none by stemma: {mask: false}", line: nil)
    }
    try Self.refuseLengths(model, place)
    let faults = Self.faults(tensors, mask.tensors.mapValues(\.shape), "the mask")
    if let faults {
      throw .misfit(
        place: place, expected: "bits for all tensors of the adapter, in their shapes, and no others",
        found: "\(faults); learn or make a mask of this adapter", line: nil)
    }
    for (name, bits) in mask.tensors.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
    where rescales && bits.ones == 0 && bits.shape.elementCount != 0 {
      throw .misfit(
        place: "\(place), tensor '\(name)'", expected: "at least one entry kept, for rescale: mean", found: "none",
        line: nil)
    }
  }

  /// The base has to be the adapter's own, bare or with another adapter of the same factors: only then are the changes
  /// that the mask lets through all that there are.
  private func check(_ mask: MaskInput, _ model: ModelInput, base: ModelInput) throws(MergeError) {
    let place = place(mask, model)
    guard base.parts[0] == model.parts[0] else {
      throw .misfit(
        place: place, expected: "an adapter of the base_model, '\(base.parts[0])'",
        found: "one of '\(model.parts[0])'", line: nil)
    }
    guard let others = base.adapterTensors, let own = model.adapterTensors else { return }
    try Self.refuseLengths(base, place)
    if let faults = Self.faults(own, others, "'\(base.reference)'") {
      throw .misfit(
        place: place, expected: "an adapter with the tensors of '\(base.reference)', the base_model", found: faults,
        line: nil)
    }
  }

  private func place(_ mask: MaskInput, _ model: ModelInput) -> String {
    "mask '\(mask.reference)' of factors, for model '\(model.reference)'"
  }

  private static func refuseLengths(_ model: ModelInput, _ place: String) throws(MergeError) {
    guard let length = model.tensors.lazy.compactMap({ $0.change?.magnitude }).first else { return }
    throw .misfit(
      place: place, expected: "an adapter without DoRA, or a mask of weights",
      found: "the lengths '\(length.name)' in '\(model.reference)', which were learnt for all of the factors", line: nil
    )
  }

  /// The first tensors that only one side has, or another shape of; nil where both have the same.
  private static func faults(_ own: [String: Shape], _ others: [String: Shape], _ label: String) -> String? {
    let names = Set(own.keys).union(others.keys).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let faults = names.compactMap { name -> String? in
      switch (own[name], others[name]) {
      case (let shape?, let other?):
        shape == other ? nil : "'\(name)' \(shape) in the adapter and \(other) in \(label)"
      case (_?, nil): "'\(name)' not in \(label)"
      default: "'\(name)' only in \(label)"
      }
    }
    if faults.isEmpty { return nil }
    return faults.prefix(3).joined(separator: ", ") + (faults.count > 3 ? " and \(faults.count - 3) more" : "")
  }

  /// A model's input with its factors masked; of a tensor that its adapter holds whole the mask of its elements.
  ///
  /// - Parameter base: the recipe's base and its input, where it has one.
  func masked(
    _ input: PlannedInput, by wanted: RealignmentSettings.Mask, of model: String,
    _ base: (model: String, input: PlannedInput)?
  ) throws(MergeError) -> (PlannedInput, Realignment.Mask?) {
    guard let mask = masks[wanted.reference], let place = places[wanted.reference], let model = models[model],
      let adapter = model.parts.last
    else { throw .missingInput(wanted.reference) }
    func ones(_ name: String) throws(MergeError) -> Int {
      guard let bits = mask.tensors[name] else {
        throw .missingTensor(name, lacking: wanted.reference, having: model.input.reference)
      }
      return bits.ones
    }
    guard let change = input.change else {
      guard input.model == adapter else { return (input, nil) }
      let bits = Realignment.Mask(
        model: place, tensor: input.tensor, ones: try ones(input.tensor), rescales: wanted.rescales)
      return (input, bits)
    }
    guard input.model != adapter else {
      throw .unsupported(
        feature: "a mask of factors over '\(change.b.name)' beside '\(input.tensor)', a weight of the adapter's own,",
        line: nil)
    }
    let anchor = try anchor(of: change, base, self.place(mask, model.input))
    func masked(_ factor: LowRank.Factor, from start: LowRank.Factor?) throws(MergeError) -> LowRank.Factor {
      let anchor = start.flatMap { start in anchor.map { LowRank.Mask.Anchor(model: $0.adapter, dtype: start.dtype) } }
      return LowRank.Factor(
        name: factor.name, dtype: factor.dtype,
        mask: .init(model: place, ones: try ones(factor.name), rescales: wanted.rescales, anchor: anchor))
    }
    let a = try change.a.map { a throws(MergeError) in try masked(a, from: anchor?.a) }
    return (input.changed(by: change.with(a: a, b: try masked(change.b, from: anchor?.b))), nil)
  }

  /// The base's own change of the same weight, whose factors a mask starts from; nil where the base has no adapter.
  private func anchor(
    of change: LowRank, _ base: (model: String, input: PlannedInput)?, _ place: String
  ) throws(MergeError) -> LowRank? {
    guard let base, models[base.model]?.input.adapterTensors != nil else { return nil }
    let anchor = base.input.change
    guard let anchor, anchor.a?.name == change.a?.name, anchor.b.name == change.b.name,
      (anchor.rank, anchor.scale, anchor.isTransposed) == (change.rank, change.scale, change.isTransposed)
    else {
      func text(_ change: LowRank) -> String {
        "'\(change.b.name)' of rank \(change.rank) and scale \(change.scale.inPlans)"
      }
      throw .misfit(
        place: place, expected: "\(anchor.map(text) ?? "no factors"), as in '\(base.model)', the base_model",
        found: text(change), line: nil)
    }
    return anchor
  }
}
