import JSON
import Merging
import Tuning

/// A recipe whose marked numbers are searched: between the flat list of a strategy and the text of a candidate.
struct SearchedRecipe {
  let box: SearchBox
  /// The values that the search begins with.
  let start: [Double]
  private let recipe: MarkedRecipe
  /// By a recipe's name, the stacks of what it makes.
  private let layers: [String?: LayerStacks]

  /// - Parameter plan: plans a recipe on its inputs.
  init(_ recipe: MarkedRecipe, plan: (String) throws -> [PlannedStep]) throws {
    self.recipe = recipe
    box = SearchBox(recipe.marks.flatMap { mark in (0..<mark.count).map { _ in mark.bounds } })
    start = recipe.marks.flatMap { mark in (0..<mark.count).map { _ in mark.start } }
    var layers: [String?: LayerStacks] = [:]
    for step in try plan(Self.outline(recipe)) {
      layers[step.recipe.name] = LayerStacks(names: step.plan.tensors.map(\.name))
    }
    self.layers = layers
    // Blocks that a model has no layers for are refused before anything is scored.
    _ = try plan(text(start))
  }

  /// The recipe with the start of every mark, and no blocks.
  static func outline(_ recipe: MarkedRecipe) throws(MergeError) -> String {
    try recipe.text(recipe.marks.map { [$0.start] }, layers: nil)
  }

  /// The candidate's recipe.
  func text(_ values: [Double]) throws(MergeError) -> String {
    var rest = values[...]
    let parts = recipe.marks.map { mark in
      let part = Array(rest.prefix(mark.count))
      rest = rest.dropFirst(mark.count)
      return part
    }
    return try recipe.text(parts) { layers[$0] }
  }

  /// What each value is.
  var labels: [String] {
    recipe.marks.flatMap { mark in
      guard let blocks = mark.blocks else { return [mark.label] }
      return (1...blocks).map { "\(mark.label), block \($0) of \(blocks)" }
    }
  }

  /// For the record.
  var record: JSONValue {
    .array(
      zip(labels, zip(box.bounds, start)).map { label, place in
        [
          "label": .string(label), "low": .number(place.0.lowerBound), "high": .number(place.0.upperBound),
          "start": .number(place.1),
        ]
      })
  }
}
