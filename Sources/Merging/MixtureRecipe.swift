internal import Yams

/// Recipes that mix the models of another one linearly.
package struct MixtureRecipe: Sendable {
  /// The references of the models mixed.
  package let references: [String]
  private let text: String

  /// Takes the models that a recipe lists; its base is one of them only where it is listed.
  ///
  /// - Parameter text: one recipe of whole models, without marks.
  package init(yaml text: String) throws(MergeError) {
    let steps = try RecipeSteps(yaml: text)
    let root = try RecipeReader.root(of: text)
    guard steps.recipes.count == 1, let listed = root["models"]?.sequence?.count else {
      throw .misfit(
        place: "the recipe", expected: "one list of 'models' to mix",
        found: steps.recipes.count > 1 ? "several recipes" : "slices or modules", line: nil)
    }
    references = steps.recipes[0].sources.prefix(listed).map(\.reference)
    self.text = text
  }

  /// The linear recipe with these weights; dtypes, tokenizer and chat template stay, all else goes.
  package func text(weights: [Double]) throws(MergeError) -> String {
    let root = try RecipeReader.root(of: text)
    var fields: [(Node, Node)] = [(Node("merge_method"), Node("linear"))]
    if let base = root["base_model"], let reference = try? RecipeReader.reference(base, "base_model"),
      references.contains(reference)
    {
      fields.append((Node("base_model"), base))
    }
    fields.append((Node("models"), Self.models(references, weights)))
    for key in ["dtype", "out_dtype", "tokenizer_source", "tokenizer", "chat_template", "name"] {
      if let value = root[key] { fields.append((Node(key), value)) }
    }
    return try YAML.text(of: [.mapping(Node.Mapping(fields))])
  }

  /// The recipe of one model as it is.
  package static func copy(of reference: String) throws(MergeError) -> String {
    let fields = [(Node("merge_method"), Node("linear")), (Node("models"), models([reference], [1]))]
    return try YAML.text(of: [.mapping(Node.Mapping(fields))])
  }

  private static func models(_ references: [String], _ weights: [Double]) -> Node {
    let entries = zip(references, weights).map { reference, weight -> Node in
      let parameters = Node.mapping(Node.Mapping([(Node("weight"), MarkedRecipe.node(weight))]))
      return .mapping(Node.Mapping([(Node("model"), Node(reference)), (Node("parameters"), parameters)]))
    }
    return .sequence(Node.Sequence(entries))
  }
}
