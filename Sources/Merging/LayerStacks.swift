/// The layer stacks of a model, read from tensor names such as `model.layers.12.mlp.up_proj.weight`.
package struct LayerStacks: Sendable {
  /// The number of layers by the stack's name, such as `model.layers`.
  package private(set) var counts: [String: Int] = [:]

  package init(names: some Sequence<String>) {
    for name in names {
      guard let layer = Self.layer(of: name) else { continue }
      counts[layer.stack] = max(counts[layer.stack] ?? 0, layer.index + 1)
    }
  }

  /// The tensor's place: index / (layers - 1) within its own stack.
  func place(of name: String) -> TensorPlace {
    guard let layer = Self.layer(of: name), let count = counts[layer.stack] else {
      return TensorPlace(name: name, position: 0)
    }
    return TensorPlace(name: name, position: Self.position(of: layer.index, among: count))
  }

  /// How deep a layer lies: 0 for the first, 1 for the last or only one.
  static func position(of index: Int, among count: Int) -> Double {
    count == 1 ? 1 : Double(index) / Double(count - 1)
  }

  /// The stacks' names with their numbers of layers, for errors.
  var summary: String {
    let list = counts.sorted { $0.key < $1.key }.map { "'\($0.key)' (\($0.value) layers)" }
    return list.isEmpty ? "none" : list.joined(separator: ", ")
  }

  private static let markers: Set<Substring> = ["layers", "layer", "h", "blocks", "block", "resblocks"]

  /// A tensor's name in parts: `stack.index.rest`.
  package struct Layer {
    package let stack: String
    package let index: Int
    package let rest: String

    /// The name that the tensor has in another layer.
    static func name(_ stack: String, _ index: Int, _ rest: String) -> String {
      rest.isEmpty ? "\(stack).\(index)" : "\(stack).\(index).\(rest)"
    }
  }

  /// The parts of a name at the first marker that a number follows: experts lie inside their layer.
  package static func layer(of name: String) -> Layer? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    for at in parts.indices.dropLast() where markers.contains(parts[at]) {
      let digits = parts[at + 1]
      guard (1...6).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }) else { continue }
      guard let index = Int(digits), "\(index)" == digits else { continue }
      return Layer(
        stack: parts[...at].joined(separator: "."), index: index, rest: parts[(at + 2)...].joined(separator: "."))
    }
    return nil
  }

  /// True for tensors that come ahead of the layers: embeddings and what belongs to them. Final norms, heads and all
  /// else that lies outside layers come after them.
  static func isAhead(_ name: String) -> Bool {
    let parts = name.split(separator: ".")
    if parts.contains(where: { ["embed_out", "unembed", "unembedding", "lm_head"].contains($0) }) { return false }
    return parts.contains { part in
      ["wte", "wpe", "ln_pre", "pre_layrnorm", "pre_layernorm", "project_in"].contains(part)
        || TensorPlace(name: String(part), position: 0).matches("embed")
    }
  }
}

extension Plan {
  /// By stack, for each layer of the fused model the layer that it comes from: in this input where it is read, else in
  /// the first that is.
  package func layerOrigins(in input: Int) -> [String: [Int]] {
    var origins: [String: [Int]] = [:]
    for tensor in tensors {
      guard let layer = LayerStacks.layer(of: tensor.name) else { continue }
      let source = tensor.inputs.first { $0.model == input } ?? tensor.inputs[0]
      guard let origin = LayerStacks.layer(of: source.tensor) else { continue }
      origins[layer.stack, default: []] += Array(
        repeating: 0, count: max(0, layer.index + 1 - (origins[layer.stack]?.count ?? 0)))
      origins[layer.stack]?[layer.index] = origin.index
    }
    return origins
  }
}
