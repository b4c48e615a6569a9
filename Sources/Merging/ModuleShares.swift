/// Which tensors the modules of a recipe take.
///
/// A module takes the tensors that have its name among the parts of theirs, ahead of a layer's number:
/// `vision_tower` takes `vision_tower.encoder.layers.0.w` and `model.vision_tower.norm.w`; a name with dots stands for
/// parts in a row. What no module takes so belongs to `text_decoder` or `default` (mergekit's names for the language
/// model and for the only module); lacking these, tensors outside layers go with the first module and layers are
/// refused.
struct ModuleShares {
  private let names: [[Substring]]
  /// The module that takes the rest.
  private let rest: Int?

  init(_ modules: [Recipe.Module]) {
    names = modules.map { $0.name?.split(separator: ".", omittingEmptySubsequences: false) ?? [] }
    rest = modules.firstIndex { ["text_decoder", "default"].contains($0.name) }
  }

  /// The place of the module that takes a tensor; nil for layers that belong to none.
  func module(of tensor: String) -> Int? {
    let layer = LayerStacks.layer(of: tensor)
    let parts = (layer?.stack ?? tensor).split(separator: ".", omittingEmptySubsequences: false)
    if let index = names.firstIndex(where: { Self.contains(parts, $0) }) { return index }
    return rest ?? (layer == nil ? 0 : nil)
  }

  /// Refuses modules that take nothing of a model, and stacks of layers that no module takes.
  func check(_ tensors: Set<String>) throws(MergeError) {
    guard names != [[]] else { return }
    var taken: Set<Int> = []
    let stacks = LayerStacks(names: tensors)
    for tensor in tensors {
      if let index = module(of: tensor), rest == index || Self.isNamed(names[index], in: tensor) {
        taken.insert(index)
      }
    }
    for stack in stacks.counts.keys.sorted() where module(of: stack + ".0") == nil {
      throw .misfit(
        place: "modules", expected: "a module for the stack '\(stack)' ('text_decoder' takes what others leave)",
        found: names.map { "'\($0.joined(separator: "."))'" }.joined(separator: ", "), line: nil)
    }
    if let index = names.indices.first(where: { !taken.contains($0) }) {
      throw .misfit(
        place: "modules", expected: "a name that is part of a stack of layers: \(stacks.summary)",
        found: "'\(names[index].joined(separator: "."))'", line: nil)
    }
  }

  private static func isNamed(_ name: [Substring], in tensor: String) -> Bool {
    contains((LayerStacks.layer(of: tensor)?.stack ?? tensor).split(separator: "."), name)
  }

  private static func contains(_ parts: [Substring], _ name: [Substring]) -> Bool {
    guard !name.isEmpty, name.count <= parts.count else { return false }
    return (0...(parts.count - name.count)).contains { parts[$0..<($0 + name.count)].elementsEqual(name) }
  }
}
