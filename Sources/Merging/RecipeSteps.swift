/// The recipes of one text, in an order in which they can be run: mergekit-multi's documents.
///
/// Every document but one has a `name`, and others may use it as a model. The one without a name is the result;
/// where all are named, it is the last.
package struct RecipeSteps: Sendable, Equatable {
  /// Each recipe comes after those whose names it uses; the result is the last, and has the whole text.
  package let recipes: [Recipe]

  /// Reads one recipe or several, parted by lines that begin with `---`.
  ///
  /// Refuses names that repeat, several results, and recipes that need each other in a circle.
  package init(yaml text: String) throws(MergeError) {
    var written: [(recipe: Recipe, line: Int)] = []
    for (document, line) in Self.documents(of: text) {
      written.append((try Recipe(yaml: document, firstLine: line), line))
    }
    guard written.count > 1 else {
      // An empty text is refused as a recipe.
      if written.isEmpty { written.append((try Recipe(yaml: text), 1)) }
      recipes = written.map(\.recipe)
      return
    }
    var places: [String: Int] = [:]
    var result = written.count - 1
    var unnamed: Int?
    for (index, step) in written.enumerated() {
      if let name = step.recipe.name {
        guard places.updateValue(index, forKey: name) == nil else {
          throw .misfit(
            place: "the recipe '\(name)'", expected: "a name of its own", found: "a second one", line: step.line)
        }
      } else if unnamed == nil {
        (unnamed, result) = (index, index)
      } else {
        throw .missingKey("name", place: "every recipe but one", line: step.line)
      }
    }
    // What the result is kept with says how all of it was made.
    written[result].recipe.text = text
    recipes = try Self.order(written, places: places, result: result).map { written[$0].recipe }
  }

  /// Depth first along the written order, so that independent recipes keep it; the result comes last.
  private static func order(
    _ written: [(recipe: Recipe, line: Int)], places: [String: Int], result: Int
  ) throws(MergeError) -> [Int] {
    var order: [Int] = []
    var path: [Int] = []
    func visit(_ index: Int) throws(MergeError) {
      if order.contains(index) { return }
      if let start = path.firstIndex(of: index) {
        let names = (path[start...] + [index]).map { written[$0].recipe.name ?? "the result" }
        throw .misfit(
          place: "the recipes", expected: "none that needs itself", found: names.joined(separator: " -> "),
          line: written[index].line)
      }
      path.append(index)
      for reference in written[index].recipe.modelReferences {
        for part in AdaptedReference(reference)?.parts ?? [] {
          if let used = places[part] { try visit(used) }
        }
      }
      path.removeLast()
      order.append(index)
    }
    for index in written.indices where index != result { try visit(index) }
    try visit(result)
    guard order.last == result else {
      let user = written[order[order.count - 1]]
      throw .misfit(
        place: "the recipe '\(user.recipe.name ?? "")'", expected: "no use of the result",
        found: "'\(written[result].recipe.name ?? "")'", line: user.line)
    }
    return order
  }

  /// The documents with the line that each begins on. `---` at the start of a line parts documents wherever it stands.
  static func documents(of text: String) -> [(String, Int)] {
    var documents: [(lines: [Substring], first: Int)] = [([], 1)]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if line.hasPrefix("---"), line.dropFirst(3).first.map({ $0 == " " || $0 == "\t" || $0 == "\r" }) ?? true {
        documents.append(([line.dropFirst(3)], index + 1))
      } else {
        documents[documents.count - 1].lines.append(line)
      }
    }
    let kept = documents.filter { document in
      document.lines.contains { line in
        let content = line.drop { $0 == " " || $0 == "\t" }
        return !(content.isEmpty || content.first == "#" || content.first == "%" || content == "\r" || content == "...")
      }
    }
    // A single recipe is kept as it was written.
    if kept.count == 1 { return [(text, 1)] }
    return kept.map { ($0.lines.joined(separator: "\n"), $0.first) }
  }
}
