internal import Yams

/// A text of recipes in which numbers are marked to be searched.
///
/// Where an alias repeats a mark (`&w` and `*w`), all of them are one number.
package struct MarkedRecipe: Sendable {
  /// In the order of the text.
  package let marks: [SearchMark]
  private let documents: [String]

  /// A mark's place in the text, which aliases of it share.
  private struct Origin: Hashable {
    let document: Int
    let line: Int
    let column: Int

    init(_ node: Node, document: Int) {
      self.document = document
      line = node.mark?.line ?? 0
      column = node.mark?.column ?? 0
    }
  }

  /// Reads the marks and nothing else: the recipe is checked when numbers have taken their places.
  package init(yaml text: String) throws(MergeError) {
    documents = RecipeSteps.documents(of: text).map { String(repeating: "\n", count: $0.1 - 1) + $0.0 }
    var marks: [SearchMark] = []
    var seen: Set<Origin> = []
    for (number, document) in documents.enumerated() {
      let root = try RecipeReader.root(of: document)
      _ = try MarkPlace(in: root).replacing(in: root) { (node, place) throws(MergeError) in
        if seen.insert(Origin(node, document: number)).inserted { marks.append(try SearchMark(node, at: place)) }
        return node
      }
    }
    self.marks = marks
  }

  /// The recipe with numbers in place of the marks, as YAML of its own: comments are not kept.
  ///
  /// A number for each block of layers becomes a list of filters, one for each layer behind the first block, and the
  /// first block's number for all else. So each layer has its number exactly, which interpolated gradients cannot say;
  /// tensors outside layers have the first, as with gradients.
  ///
  /// - Parameters:
  ///   - values: for each mark as many numbers as it counts.
  ///   - layers: by the `name` of a recipe (nil for one without), the stacks of layers of what it makes. Nil: blocks
  ///     are left out and their first number holds, which is enough for a plan that says what stacks there are.
  package func text(_ values: [[Double]], layers: ((String?) -> LayerStacks?)?) throws(MergeError) -> String {
    var numbers: [Origin: Int] = [:]
    var roots: [Node] = []
    for (number, document) in documents.enumerated() {
      let root = try RecipeReader.root(of: document)
      let stacks = layers?(root["name"]?.string)
      roots.append(
        try MarkPlace(in: root).replacing(in: root) { (node, _) throws(MergeError) in
          let origin = Origin(node, document: number)
          let index = numbers[origin] ?? numbers.count
          numbers[origin] = index
          guard marks[index].blocks != nil, let stacks else { return Self.node(values[index][0]) }
          return try Self.node(values[index], over: stacks, marks[index])
        })
    }
    return try YAML.text(of: roots)
  }

  private static func node(
    _ values: [Double], over stacks: LayerStacks, _ mark: SearchMark
  ) throws(MergeError) -> Node {
    var entries: [Node] = []
    // A stack's name may end another's: of all filters that fit, the longer one comes first.
    for (stack, count) in stacks.counts.sorted(by: { ($1.key.utf8.count, $0.key) < ($0.key.utf8.count, $1.key) }) {
      guard values.count <= count else {
        throw .misfit(
          place: "the mark of \(mark.label)", expected: "at most \(count) blocks, as \(stack) has layers",
          found: "\(values.count)", line: mark.line)
      }
      let blocks = (0..<count).map { $0 * values.count / count }
      // With another stack, whose layers the filters of this one could fit, the first block is written out too.
      for layer in 0..<count where blocks[layer] > 0 || stacks.counts.count > 1 {
        entries.append(entry("\(stack).\(layer).", values[blocks[layer]]))
      }
    }
    if stacks.counts.isEmpty {
      throw .misfit(
        place: "the mark of \(mark.label)", expected: "a model with layers", found: "one without", line: mark.line)
    }
    return .sequence(Node.Sequence(entries + [entry(nil, values[0])]))
  }

  private static func entry(_ filter: String?, _ value: Double) -> Node {
    let fields = (filter.map { [(Node("filter"), Node($0))] } ?? []) + [(Node("value"), node(value))]
    return .mapping(Node.Mapping(fields, .implicit, .flow))
  }

  static func node(_ value: Double) -> Node {
    // Other readers take a number with an exponent as text where it has no point.
    let digits = value.description
    guard let exponent = digits.firstIndex(of: "e"), !digits[..<exponent].contains(".") else { return Node(digits) }
    return Node("\(digits[..<exponent]).0\(digits[exponent...])")
  }
}

extension YAML {
  /// Documents as text.
  static func text(of documents: [Node]) throws(MergeError) -> String {
    do {
      return try Yams.serialize(nodes: documents, allowUnicode: true, explicitStart: documents.count > 1)
    } catch {
      throw .invalidYAML(line: nil, problem: "\(error)")
    }
  }
}
