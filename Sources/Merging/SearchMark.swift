internal import Yams

/// A number of a recipe that a search is to find, as it stands there: `{search: [0, 1.5], start: 0.5, blocks: 4}`.
package struct SearchMark: Sendable, Equatable {
  /// What is searched, for people: `weight of math`.
  package let label: String
  package let bounds: ClosedRange<Double>
  /// Where the search begins; the middle where the mark does not say.
  package let start: Double
  /// Into how many blocks of consecutive layers, each with a number of its own, a model's layers are cut; nil for one
  /// number for all tensors.
  package let blocks: Int?
  /// In the whole text.
  package let line: Int?

  /// How many numbers it stands for.
  package var count: Int { blocks ?? 1 }

  static func isMark(_ node: Node) -> Bool {
    guard case .mapping(let mapping) = node else { return false }
    return mapping.contains { $0.key.string == "search" }
  }

  /// The first mark in a node; nil where there is none.
  static func first(below node: Node) -> Node? {
    if isMark(node) { return node }
    switch node {
    case .mapping(let mapping): return mapping.lazy.compactMap { first(below: $0.value) }.first
    case .sequence(let list): return list.lazy.compactMap { first(below: $0) }.first
    case .scalar, .alias: return nil
    }
  }

  /// Reads a mark.
  init(_ node: Node, at place: MarkPlace) throws(MergeError) {
    label = place.label
    line = node.mark?.line
    let fields = try YAML.entries(of: node, name: "the mark of \(label)", known: ["search", "start", "blocks"])
    guard let entry = fields["search"], case .sequence(let list) = entry.value, list.count == 2,
      let low = Self.number(list[0]), let high = Self.number(list[1]), low < high
    else {
      throw YAML.wrongType("search", "two numbers [low, high] with low < high", fields["search"]?.value ?? node)
    }
    bounds = low...high
    if let written = fields["start"]?.value {
      guard let start = Self.number(written), low <= start, start <= high else {
        throw YAML.wrongType("start", "a number from \(low) to \(high)", written)
      }
      self.start = start
    } else {
      start = low / 2 + high / 2
    }
    guard let written = fields["blocks"]?.value else {
      blocks = nil
      return
    }
    guard let count = written.int, (1...10_000).contains(count) else {
      throw YAML.wrongType("blocks", "a count of 1 or more", written)
    }
    if let instead = place.insteadOfBlocks {
      throw .misfit(place: "the mark of \(label)", expected: instead, found: "'blocks'", line: line)
    }
    blocks = count
  }

  /// A number that f32 holds without overflow.
  private static func number(_ node: Node) -> Double? {
    guard case .scalar(let scalar) = node, let value = Double(scalar.string), Float(value).isFinite else { return nil }
    return value
  }
}

/// Where in a recipe a mark stands.
struct MarkPlace {
  /// Keys, and indices in brackets, from the recipe's top.
  private(set) var path: [String] = []
  /// The model whose parameter it is.
  private(set) var model: String?
  /// True in a recipe that chooses layers.
  private let isLayered: Bool

  init(in root: Node) { isLayered = Self.choosesLayers(root) }

  var label: String {
    let own = path.lastIndex(of: "parameters").map { path[($0 + 1)...] } ?? path[...]
    let name = own.reduce("") { $1.hasPrefix("[") || $0.isEmpty ? $0 + $1 : "\($0).\($1)" }
    return name + (model.map { " of \($0)" } ?? "")
  }

  /// Why there can be no blocks here; nil where there can.
  var insteadOfBlocks: String? {
    if isLayered { return "a mark for each slice, whose layers are a block" }
    guard path.dropLast().last == "parameters" else { return "one number, for blocks are all that a parameter has" }
    return nil
  }

  /// The node with something else for each mark in it.
  func replacing(
    in node: Node, _ replacement: (Node, MarkPlace) throws(MergeError) -> Node
  ) throws(MergeError) -> Node {
    if SearchMark.isMark(node) { return try replacement(node, self) }
    switch node {
    case .mapping(var mapping):
      var here = self
      here.model = mapping.first { $0.key.string == "model" }?.value.string ?? model
      for (key, value) in mapping {
        var place = here
        place.path.append(key.string ?? "")
        mapping[key] = try place.replacing(in: value, replacement)
      }
      return .mapping(mapping)
    case .sequence(var list):
      for index in list.indices {
        var place = self
        place.path.append("[\(index)]")
        list[index] = try place.replacing(in: list[index], replacement)
      }
      return .sequence(list)
    case .scalar, .alias: return node
    }
  }

  private static func choosesLayers(_ node: Node) -> Bool {
    switch node {
    case .mapping(let mapping): mapping.contains { $0.key.string == "layer_range" || choosesLayers($0.value) }
    case .sequence(let list): list.contains(where: choosesLayers)
    case .scalar, .alias: false
    }
  }
}
