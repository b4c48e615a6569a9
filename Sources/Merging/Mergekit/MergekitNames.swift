internal import Tensors

/// The names and units that mergekit 0.1.5 with transformers 5 gives the tensors of a model, where they are not the
/// file's.
///
/// - GPT-2 with its language head is written with `transformer.` before its names, and BERT's norms as weight and bias.
/// - The experts of a layer are read as one tensor: `experts.down_proj`, and `experts.gate_up_proj` in which each gate
///   stands before its own up projection; `block_sparse_moe` is called `mlp`.
/// - Constants that old files hold and newer ones compute (masks of GPT-2, `inv_freq` of Llama and its like) are not
///   written.
enum MergekitNames {
  static func named(_ model: ModelInput) -> ModelInput {
    let isGPT2 = model.architecture == "GPT2LMHeadModel"
    var tensors = model.tensors.filter { !isConstant($0.name, isGPT2: isGPT2) }
    if model.architecture != "AfmoeForCausalLM" { tensors = fused(tensors) }
    return model.with(
      tensors.map { tensor in
        if isGPT2, isBareGPT2(tensor.name) { return tensor.named("transformer." + tensor.name) }
        let isOld = tensor.name.hasSuffix("LayerNorm.gamma") || tensor.name.hasSuffix("LayerNorm.beta")
        return isOld ? tensor.named(TensorNames.swappingNorm(tensor.name)) : tensor
      })
  }

  private static func isBareGPT2(_ name: String) -> Bool {
    name.hasPrefix("h.") || ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"].contains(name)
  }

  private static func isConstant(_ name: String, isGPT2: Bool) -> Bool {
    guard let layer = LayerStacks.layer(of: name) else { return false }
    if isGPT2, ["attn.bias", "attn.masked_bias"].contains(layer.rest) { return true }
    return layer.stack == "model.layers" && layer.rest == "self_attn.rotary_emb.inv_freq"
  }

  /// The three projections of an expert.
  private struct Expert {
    var gate: TensorInput?
    var up: TensorInput?
    var down: TensorInput?
  }

  /// The tensors with the experts of each layer as two. Layers with one expert stay as they are, and those whose
  /// experts are not all alike or have an adapter.
  private static func fused(_ tensors: [TensorInput]) -> [TensorInput] {
    var groups: [String: [Int: Expert]] = [:]
    for tensor in tensors {
      guard let place = place(of: tensor.name), tensor.isPlainMatrix else { continue }
      groups[place.block, default: [:]][place.number, default: Expert()][keyPath: place.role] = tensor
    }
    var made: [TensorInput] = []
    var taken: Set<String> = []
    for (block, experts) in groups {
      let list = (0..<experts.count).compactMap { experts[$0] }
      let (gates, ups, downs) = (list.compactMap(\.gate), list.compactMap(\.up), list.compactMap(\.down))
      guard list.count > 1, list.count == experts.count, downs.count == list.count, gates.count == list.count,
        let both = stack(
          zip(gates, ups).flatMap { [$0, $1] }, of: 2 * list.count, as: block + ".gate_up_proj", list.count),
        let down = stack(downs, of: list.count, as: block + ".down_proj", list.count)
      else { continue }
      made += [both, down]
      taken.formUnion((gates + ups + downs).map(\.name))
    }
    if made.isEmpty { return tensors }
    return (tensors.filter { !taken.contains($0.name) } + made).map {
      $0.named($0.name.replacing(".block_sparse_moe.", with: ".mlp."))
    }
  }

  /// Where a name such as `model.layers.0.mlp.experts.3.up_proj.weight` belongs.
  private static func place(
    of name: String
  ) -> (block: String, number: Int, role: WritableKeyPath<Expert, TensorInput?>)? {
    let roles: [Substring: WritableKeyPath<Expert, TensorInput?>] = [
      "gate_proj": \.gate, "up_proj": \.up, "down_proj": \.down, "w1": \.gate, "w3": \.up, "w2": \.down,
    ]
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 5, parts[parts.count - 1] == "weight", let role = roles[parts[parts.count - 2]],
      let number = Int(parts[parts.count - 3]), "\(number)" == parts[parts.count - 3],
      parts[parts.count - 4] == "experts",
      ["mlp", "block_sparse_moe", "feed_forward"].contains(parts[parts.count - 5])
    else { return nil }
    return (parts.dropLast(3).joined(separator: "."), number, role)
  }

  /// Matrices of one shape, one after the other, as a stack of as many as there are experts.
  private static func stack(
    _ pieces: [TensorInput], of count: Int, as name: String, _ experts: Int
  ) -> TensorInput? {
    guard let first = pieces.first, pieces.count == count,
      pieces.allSatisfy({ $0.dtype == first.dtype && $0.shape == first.shape && $0.part == first.part })
    else { return nil }
    let rows = first.shape.dimensions[0] * (count / experts)
    return TensorInput(
      name: name, dtype: first.dtype, shape: Shape([experts, rows, first.shape.dimensions[1]]), part: first.part,
      storedName: first.storedName, pieces: pieces.map(\.storedName))
  }
}

extension TensorInput {
  /// A matrix of numbers as it is stored.
  fileprivate var isPlainMatrix: Bool {
    dtype.isMergeable && shape.dimensions.count == 2 && (shape.elementCount ?? 0) > 0 && change == nil && pieces.isEmpty
  }
}
