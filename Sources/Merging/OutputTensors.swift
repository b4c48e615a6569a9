/// A tensor of the fused model: where it lies and which tensors it is made of.
struct OutputTensor {
  let place: TensorPlace
  let module: Recipe.Module
  let slice: Recipe.Slice
  /// For each of the slice's sources the name that the tensor has there.
  let names: [String]
  /// For each of the slice's sources the name of what is read: another where a head is tied to its embedding.
  let stored: [String]
}

extension Recipe.Module {
  /// The last slice, for what comes after the layers. mergekit takes no more of its sources than the first slice has.
  func tail(isStepwise: Bool) -> Recipe.Slice {
    let (count, last) = (slices[0].sources.count, slices[slices.count - 1])
    guard isStepwise, count < last.sources.count else { return last }
    return Recipe.Slice(sources: Array(last.sources.prefix(count)), base: last.base, parameters: last.parameters)
  }
}

/// Turns the modules of a recipe into the tensors of the fused model, by the names of the inputs' tensors.
struct OutputTensors {
  private let module: Recipe.Module
  /// By reference, the names of the model's tensors that belong to the module.
  private let models: [String: Set<String>]
  /// True in mergekit's arithmetic.
  private let isStepwise: Bool

  /// In the order of names. Refuses tensors and layers that some sources have and others lack.
  static func all(of recipe: Recipe, models: [String: Set<String>], isStepwise: Bool) throws(MergeError)
    -> [OutputTensor]
  {
    let shares = ModuleShares(recipe.modules)
    if let first = recipe.sources.first { try shares.check(models[first.reference] ?? []) }
    var tensors: [OutputTensor] = []
    for (index, module) in recipe.modules.enumerated() {
      let own = module.name == nil ? models : models.mapValues { $0.filter { shares.module(of: $0) == index } }
      tensors += try OutputTensors(module: module, models: own, isStepwise: isStepwise).all()
    }
    return tensors.sorted { $0.place.name.utf8.lexicographicallyPrecedes($1.place.name.utf8) }
  }

  private func all() throws(MergeError) -> [OutputTensor] {
    guard module.slices[0].sources.allSatisfy({ $0.layers == nil }) else { return try layered() }
    let slice = module.slices[0]
    let names = slice.sources.map { models[$0.reference] ?? [] }
    let stacks = LayerStacks(names: names[0])
    return try tensors(names, slice) { name, _ in
      name
    } place: {
      stacks.place(of: $0)
    }
  }

  private func layered() throws(MergeError) -> [OutputTensor] {
    var all: [String: LayeredModel] = [:]
    for reference in module.slices.flatMap(\.sources).map(\.reference) where all[reference] == nil {
      all[reference] = try LayeredModel(reference, models[reference] ?? [], module: module.name)
    }
    let stack = all[module.slices[0].sources[0].reference]?.stack ?? ""
    var tensors: [OutputTensor] = []
    var next = 0
    for (number, slice) in module.slices.enumerated() {
      let parts = slice.sources.compactMap { all[$0.reference] }
      try checkRanges(slice, parts, number: number + 1)
      if number == 0 {
        tensors += try self.tensors(parts.map(\.ahead), slice) { name, _ in
          name
        } place: {
          Self.outside($0)
        }
      }
      let length = slice.sources[0].layers?.count ?? 0
      for offset in 0..<length {
        let indices = slice.sources.map { ($0.layers?.lowerBound ?? 0) + offset }
        let position = LayerStacks.position(of: offset, among: length)
        let output = next + offset
        tensors += try self.tensors(zip(parts, indices).map { $0.layers[$1] ?? [] }, slice) { rest, source in
          LayerStacks.Layer.name(parts[source].stack, indices[source], rest)
        } place: { rest in
          TensorPlace(name: LayerStacks.Layer.name(stack, output, rest), position: position)
        }
      }
      next += length
      if number == module.slices.count - 1 {
        let tail = module.tail(isStepwise: isStepwise)
        tensors += try self.tensors(parts.prefix(tail.sources.count).map(\.behind), tail) { name, _ in
          name
        } place: {
          Self.outside($0)
        }
      }
    }
    return tensors
  }

  /// A gradient's first value holds outside layers.
  private static func outside(_ name: String) -> TensorPlace { TensorPlace(name: name, position: 0) }

  private func checkRanges(
    _ slice: Recipe.Slice, _ parts: [LayeredModel], number: Int
  ) throws(MergeError) {
    for (source, part) in zip(slice.sources, parts) {
      guard let range = source.layers, range.upperBound > part.count else { continue }
      throw .misfit(
        place: "slice \(number), layer_range of model '\(source.reference)'",
        expected: "at most the model's \(part.count) layers", found: "[\(range.lowerBound), \(range.upperBound))",
        line: nil)
    }
  }

  /// The tensors that all sources of a slice have; `keys` name the same tensor in each.
  ///
  /// Refuses the first, in the order of names, that some lack.
  /// - Parameter name: the name of a key in a source.
  private func tensors(
    _ given: [Set<String>], _ slice: Recipe.Slice, name: (String, Int) -> String, place: (String) -> TensorPlace
  ) throws(MergeError) -> [OutputTensor] {
    var keys = given
    let ties = tiedHeads(given, slice)
    for index in ties.keys { keys[index].insert(Self.head) }
    for index in keys.indices.dropFirst() {
      if let lacking = keys[0].subtracting(keys[index]).min() {
        throw .missingTensor(
          name(lacking, index), lacking: slice.sources[index].reference, having: slice.sources[0].reference)
      }
      if let surplus = keys[index].subtracting(keys[0]).min() {
        throw .missingTensor(
          name(surplus, 0), lacking: slice.sources[0].reference, having: slice.sources[index].reference)
      }
    }
    return keys[0].map { key in
      let names = slice.sources.indices.map { name(key, $0) }
      return OutputTensor(
        place: place(key), module: module, slice: slice, names: names,
        stored: names.enumerated().map { key == Self.head ? ties[$0] ?? $1 : $1 })
    }
  }

  static let head = "lm_head.weight"
  static let embeddings = [
    "model.embed_tokens.weight", "model.language_model.embed_tokens.weight", "transformer.wte.weight", "shared.weight",
  ]

  /// By source, the embedding that serves as the head where others have a head of their own.
  private func tiedHeads(_ keys: [Set<String>], _ slice: Recipe.Slice) -> [Int: String] {
    guard keys.contains(where: { $0.contains(Self.head) }) else { return [:] }
    var ties: [Int: String] = [:]
    for (index, source) in slice.sources.enumerated() where !keys[index].contains(Self.head) {
      ties[index] = Self.embeddings.first { models[source.reference]?.contains($0) ?? false }
    }
    return ties
  }
}

/// The tensors of a model with one stack of layers, or of one module of it.
private struct LayeredModel {
  let stack: String
  let count: Int
  /// By layer, what follows the layer's number in the names of its tensors.
  let layers: [Int: Set<String>]
  /// Embeddings and the like.
  let ahead: Set<String>
  /// Final norms, heads and all else.
  let behind: Set<String>

  init(_ reference: String, _ names: Set<String>, module: String?) throws(MergeError) {
    let stacks = LayerStacks(names: names)
    guard stacks.counts.count == 1, let stack = stacks.counts.first else {
      throw .misfit(
        place: module.map { "module '\($0)' of model '\(reference)'" } ?? "model '\(reference)'",
        expected: "one stack of layers for 'slices'\(module == nil ? " ('modules' chooses among several)" : "")",
        found: stacks.summary, line: nil)
    }
    var layers: [Int: Set<String>] = [:]
    var ahead: Set<String> = []
    var behind: Set<String> = []
    for name in names {
      if let layer = LayerStacks.layer(of: name) {
        layers[layer.index, default: []].insert(layer.rest)
      } else if LayerStacks.isAhead(name) {
        ahead.insert(name)
      } else {
        behind.insert(name)
      }
    }
    (self.stack, count) = (stack.key, stack.value)
    (self.layers, self.ahead, self.behind) = (layers, ahead, behind)
  }
}
