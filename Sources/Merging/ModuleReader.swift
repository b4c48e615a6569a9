internal import Yams

/// Reads what a recipe is made of: `models`, `slices` or `modules`.
struct ModuleReader {
  let method: MergeMethod
  /// The recipe's `base_model`.
  let base: String?

  func modules(_ reader: RecipeReader) throws(MergeError) -> [Recipe.Module] {
    guard let entry = reader["modules"] else {
      return [try module(nil, reader.body(), place: "the recipe", line: nil)]
    }
    if let other = reader.body().values.compactMap(\.line).min() {
      throw .misfit(
        place: "the recipe", expected: "one of 'models', 'slices' and 'modules'", found: "more", line: other)
    }
    guard case .mapping(let mapping) = entry.value, !mapping.isEmpty else {
      throw YAML.wrongType("modules", "a mapping from names to slices or models", entry.value)
    }
    var modules: [Recipe.Module] = []
    for (key, node) in try YAML.merged(mapping) {
      let name = try YAML.text(key, "a name in modules")
      let place = "module '\(name)'"
      let fields = try YAML.entries(of: node, name: place, known: ["slices", "models", "parameters"])
      modules.append(try module(name, fields, place: place, line: key.mark?.line))
    }
    return modules
  }

  private func module(
    _ name: String?, _ fields: [String: Entry], place: String, line: Int?
  ) throws(MergeError) -> Recipe.Module {
    // The parameters of a recipe without modules are the global ones and read as such.
    let parameters = name == nil ? [:] : try ParameterReader(method: method, model: nil).read(fields["parameters"])
    switch (fields["models"], fields["slices"]) {
    case (let models?, nil):
      return Recipe.Module(name: name, slices: [try whole(models.value)], parameters: parameters)
    case (nil, let slices?):
      return Recipe.Module(name: name, slices: try self.slices(slices.value), parameters: parameters)
    case (nil, nil): throw .missingKey("models", place: place, line: line)
    case (let models?, let slices?):
      throw .misfit(
        place: place, expected: "one of 'models', 'slices' and 'modules'", found: "more",
        line: [models.line, slices.line].compactMap(\.self).max())
    }
  }

  /// The entries of `models` as one slice.
  private func whole(_ node: Node) throws(MergeError) -> Recipe.Slice {
    guard case .sequence(let list) = node, !list.isEmpty else {
      throw YAML.wrongType("models", "a list of models", node)
    }
    var sources: [Recipe.Source] = []
    for node in list {
      let (source, line) = try source(node, place: "an entry of models", layered: false)
      if sources.contains(where: { $0.reference == source.reference }) {
        throw .repeatedModel(source.reference, line: line)
      }
      sources.append(source)
    }
    if let base, !sources.contains(where: { $0.reference == base }) {
      sources.append(Recipe.Source(reference: base, layers: nil, parameters: [:]))
    }
    return Recipe.Slice(sources: sources, base: base, parameters: [:])
  }

  private func slices(_ node: Node) throws(MergeError) -> [Recipe.Slice] {
    guard case .sequence(let list) = node, !list.isEmpty else {
      throw YAML.wrongType("slices", "a list of slices", node)
    }
    var slices: [Recipe.Slice] = []
    for node in list {
      let place = "slice \(slices.count + 1)"
      let fields = try YAML.entries(
        of: node, name: place, known: ["sources", "base_model", "parameters", "residual_weight"])
      guard let entry = fields["sources"] else { throw .missingKey("sources", place: place, line: node.mark?.line) }
      let base = try fields["base_model"].map { entry throws(MergeError) in
        try RecipeReader.reference(entry.value, "base_model")
      }
      slices.append(
        Recipe.Slice(
          sources: try sources(entry.value, place: place), base: base ?? self.base,
          parameters: try ParameterReader(method: method, model: nil).read(fields["parameters"])))
    }
    if slices.allSatisfy({ $0.sources[0].layers?.isEmpty ?? false }) {
      throw .misfit(place: "slices", expected: "at least one layer", found: "none", line: node.mark?.line)
    }
    return slices
  }

  private func sources(_ node: Node, place: String) throws(MergeError) -> [Recipe.Source] {
    guard case .sequence(let list) = node, !list.isEmpty else {
      throw YAML.wrongType("sources", "a list of sources", node)
    }
    var sources: [Recipe.Source] = []
    for node in list {
      let (source, line) = try source(node, place: "a source of \(place)", layered: true)
      if let first = sources.first, let expected = first.layers?.count, source.layers?.count != expected {
        throw .misfit(
          place: "\(place), model '\(source.reference)'",
          expected: "\(expected) layers as of model '\(first.reference)'", found: "\(source.layers?.count ?? 0)",
          line: line)
      }
      sources.append(source)
    }
    return sources
  }

  private func source(
    _ node: Node, place: String, layered: Bool
  ) throws(MergeError) -> (source: Recipe.Source, line: Int?) {
    let known = (layered ? ["model", "layer_range", "parameters"] : ["model", "parameters"]) + ["stemma"]
    let fields = try YAML.entries(of: node, name: place, known: known)
    guard let model = fields["model"] else { throw .missingKey("model", place: place, line: node.mark?.line) }
    let reference = try RecipeReader.reference(model.value, "model")
    if layered, fields["layer_range"] == nil {
      throw .missingKey("layer_range", place: place, line: node.mark?.line)
    }
    let layers = try fields["layer_range"].map { entry throws(MergeError) in try range(entry.value) }
    let parameters = try ParameterReader(method: method, model: reference).read(fields["parameters"])
    var source = Recipe.Source(reference: reference, layers: layers, parameters: parameters)
    source.realignment = try RealignmentReader.settings(ofModel: fields["stemma"])
    return (source, model.value.mark?.line)
  }

  private func range(_ node: Node) throws(MergeError) -> Range<Int> {
    guard case .sequence(let list) = node, list.count == 2, let first = list[0].int, let end = list[1].int,
      0 <= first, first <= end, end <= 1_000_000
    else { throw YAML.wrongType("layer_range", "two layers [first, end) with 0 <= first <= end", node) }
    return first..<end
  }
}
