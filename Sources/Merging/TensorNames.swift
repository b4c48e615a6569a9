/// Gives the tensors of all models the names that they have in the result.
///
/// Two models may spell the names of one architecture in two ways: with and without what stands before all of them
/// (`transformer.h.0…` and `h.0…`; the class with the head, and the bare model), or with `gamma` and `beta` for the
/// weight and bias of a `LayerNorm`. The result has the spelling of the base, else of the first model. In mergekit's
/// arithmetic come first the names and units that it writes: see `MergekitNames`.
struct TensorNames {
  /// The names of the base's, else of the first model's tensors.
  private let wanted: Set<String>
  private let stacks: Set<String>

  /// The same models in the same order; what they store keeps its own name beside the new one.
  static func together(_ models: [ModelInput], base: String?, isStepwise: Bool) -> [ModelInput] {
    let models = isStepwise ? models.map(MergekitNames.named) : models
    guard let first = models.first(where: { $0.reference == base }) ?? models.first else { return models }
    let names = TensorNames(like: first)
    return models.map(names.applied)
  }

  private init(like model: ModelInput) {
    wanted = Set(model.tensors.map(\.name))
    stacks = Set(LayerStacks(names: wanted).counts.keys)
  }

  private func applied(to model: ModelInput) -> ModelInput {
    let lead = lead(of: Set(LayerStacks(names: model.tensors.map(\.name)).counts.keys))
    let tensors = model.tensors.map { $0.named(name($0.name, lead)) }
    guard Set(tensors.lazy.map(\.name)).count == Set(model.tensors.lazy.map(\.name)).count else { return model }
    return model.with(tensors)
  }

  /// What stands before the names of one of two spellings.
  private enum Lead {
    case lacking(String)
    case surplus(String)
  }

  /// The one lead that turns all of a model's stacks of layers into wanted ones; nil where they are the same already,
  /// or where there is no such lead, or more than one.
  private func lead(of own: Set<String>) -> Lead? {
    guard !own.isEmpty, own.isDisjoint(with: stacks) else { return nil }
    func only(_ short: Set<String>, _ long: Set<String>) -> String? {
      let leads = Set(
        long.flatMap { long in short.compactMap { long.hasSuffix("." + $0) ? long.dropLast($0.count) : nil } })
      return leads.count == 1 ? leads.first.map { String($0) } : nil
    }
    if let lead = only(own, stacks), own.allSatisfy({ stacks.contains(lead + $0) }) { return .lacking(lead) }
    if let lead = only(stacks, own), own.allSatisfy({ $0.hasPrefix(lead) }) { return .surplus(lead) }
    return nil
  }

  private func name(_ name: String, _ lead: Lead?) -> String {
    if wanted.contains(name) { return name }
    var candidate = name
    switch lead {
    case .lacking(let lead): candidate = lead + name
    case .surplus(let lead) where name.hasPrefix(lead): candidate = String(name.dropFirst(lead.count))
    default: break
    }
    for candidate in [candidate, Self.swappingNorm(candidate)] where wanted.contains(candidate) { return candidate }
    // A layer that the wanted model does not have is still one of the same stack.
    return LayerStacks.layer(of: name) == nil ? name : candidate
  }

  /// `gamma` and `beta` of a `LayerNorm`, as TensorFlow calls them, for its weight and bias, and the other way round.
  static func swappingNorm(_ name: String) -> String {
    let pairs = [("gamma", "weight"), ("beta", "bias"), ("weight", "gamma"), ("bias", "beta")]
    for (from, to) in pairs where name.hasSuffix("LayerNorm." + from) { return name.dropLast(from.count) + to }
    return name
  }
}

extension ModelInput {
  /// The same model with other tensors.
  func with(_ tensors: [TensorInput]) -> ModelInput {
    ModelInput(
      reference: reference, parts: parts, tensors: tensors, adapterTensors: adapterTensors, architecture: architecture)
  }
}

extension TensorInput {
  /// The same tensor under another name in the model.
  func named(_ name: String) -> TensorInput {
    TensorInput(
      name: name, dtype: dtype, shape: shape, digestHex: digestHex, part: part, storedName: storedName, pieces: pieces,
      change: change)
  }
}
