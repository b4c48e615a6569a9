internal import Tensors
internal import Yams

/// Walks the YAML nodes of a recipe; every error knows its line.
struct RecipeReader {
  private let top: [String: Entry]

  init(_ text: String) throws(MergeError) {
    let root = try Self.root(of: text)
    if let mark = SearchMark.first(below: root) { throw .searchMark(line: mark.mark?.line) }
    top = try YAML.entries(
      of: root, name: "the recipe",
      known: [
        "merge_method", "base_model", "models", "slices", "modules", "parameters", "dtype", "out_dtype", "name",
        "stemma", "tokenizer_source", "tokenizer", "chat_template",
      ])
  }

  /// The YAML of one recipe.
  static func root(of text: String) throws(MergeError) -> Node {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw translate(error)
    }
    guard let root else { throw .missingKey("merge_method", place: "the recipe", line: nil) }
    return root
  }

  func method() throws(MergeError) -> MergeMethod {
    guard let entry = top["merge_method"] else {
      throw .missingKey("merge_method", place: "the recipe", line: nil)
    }
    let name = try YAML.text(entry.value, "merge_method")
    if let method = MergeMethod.inRecipes.first(where: { $0.rawValue == name }) { return method }
    throw .unknownMethod(
      name, line: entry.line, suggestion: Spelling.nearest(to: name, among: MergeMethod.inRecipes.map(\.rawValue)))
  }

  func base() throws(MergeError) -> String? {
    guard let entry = top["base_model"] else { return nil }
    return try Self.reference(entry.value, "base_model")
  }

  func dtype(_ key: String) throws(MergeError) -> DType? {
    guard let entry = top[key] else { return nil }
    let name = try YAML.text(entry.value, key)
    switch name.hasPrefix("torch.") ? String(name.dropFirst(6)) : name {
    case "bfloat16": return .bf16
    case "float16": return .f16
    case "float32": return .f32
    case "float64": return .f64
    default: throw .unknownDType(name, line: entry.line)
    }
  }

  func name() throws(MergeError) -> String? {
    guard let entry = top["name"] else { return nil }
    return try YAML.text(entry.value, "name")
  }

  subscript(key: String) -> Entry? { top[key] }

  /// What lists models: `models` and `slices`.
  func body() -> [String: Entry] { top.filter { ["models", "slices"].contains($0.key) } }

  /// Stemma's own keys.
  func settings() throws(MergeError) -> Recipe.Settings {
    var settings = Recipe.Settings()
    guard let entry = top["stemma"] else { return settings }
    let fields = try YAML.entries(
      of: entry.value, name: "stemma",
      known: ["allow_nonfinite", "rescale", "seed", "subspace", "variant"] + RealignmentReader.keys)
    settings.realignment = try RealignmentReader.settings(fields)
    if let entry = fields["subspace"] { settings.subspace = try RealignmentReader.reference(entry.value, "subspace") }
    if let entry = fields["variant"] {
      guard let variant = Somf.Variant(rawValue: try YAML.text(entry.value, "variant")) else {
        let known = Somf.Variant.allCases.map(\.rawValue).joined(separator: ", ")
        throw YAML.wrongType("variant", "one of \(known)", entry.value)
      }
      settings.variant = variant
    }
    if let allow = fields["allow_nonfinite"]?.value {
      settings.allowsNonfinite = try YAML.flag(allow, "allow_nonfinite")
    }
    if let seed = fields["seed"]?.value {
      guard let number = seed.int, (0...0xFFFF_FFFF).contains(number) else {
        throw YAML.wrongType("seed", "a whole number from 0 to 4294967295", seed)
      }
      settings.seed = number
    }
    if let rescale = fields["rescale"]?.value {
      switch try YAML.text(rescale, "rescale") {
      case "l1": settings.rescalesByPaper = false
      case "paper": settings.rescalesByPaper = true
      default: throw YAML.wrongType("rescale", "l1 or paper", rescale)
      }
    }
    return settings
  }

  func globalParameters(_ method: MergeMethod) throws(MergeError) -> [String: ParameterValue] {
    try ParameterReader(method: method, model: nil).read(top["parameters"])
  }

  /// A model's reference.
  static func reference(_ node: Node, _ key: String) throws(MergeError) -> String {
    try ReferenceReader.reference(node, key)
  }

  private static func translate(_ error: any Error) -> MergeError {
    switch error as? YamlError {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      .invalidYAML(line: mark.line, problem: problem)
    case .reader(let problem, _, _, _): .invalidYAML(line: nil, problem: problem)
    case .duplicatedKeysInMapping(let keys, let context):
      .invalidYAML(line: context.mark.line, problem: "repeated key \(keys.joined(separator: ", "))")
    default: .invalidYAML(line: nil, problem: "\(error)")
    }
  }
}

/// A key's value and the key's line.
struct Entry {
  let value: Node
  let line: Int?
}

/// Typed access to YAML nodes.
enum YAML {
  /// The entries of a mapping by key. Empty (null) values count as absent.
  static func entries(
    of node: Node, name: String, known: [String]
  ) throws(MergeError) -> [String: Entry] {
    guard case .mapping(let mapping) = node else { throw wrongType(name, "a mapping", node) }
    var entries: [String: Entry] = [:]
    for (key, value) in try merged(mapping) {
      let line = key.mark?.line
      guard case .scalar(let scalar) = key else { throw wrongType("a key of \(name)", "text", key) }
      let text = scalar.string
      guard known.contains(text) else {
        throw .unknownKey(text, place: name, line: line, suggestion: Spelling.nearest(to: text, among: known))
      }
      if !isNull(value) { entries[text] = Entry(value: value, line: line) }
    }
    return entries
  }

  /// A mapping's entries and those that it takes over by `<<`: of equal keys its own holds, then that of the first
  /// mapping listed.
  static func merged(_ mapping: Node.Mapping) throws(MergeError) -> [(key: Node, value: Node)] {
    var entries: [(key: Node, value: Node)] = []
    var others: [Node] = []
    for (key, value) in mapping {
      guard key.tag == Tag(.merge) else {
        entries.append((key, value))
        continue
      }
      if case .sequence(let list) = value { others += list } else { others.append(value) }
    }
    for other in others {
      guard case .mapping(let mapping) = other else { throw wrongType("<<", "a mapping or a list of mappings", other) }
      for entry in try merged(mapping) where !entries.contains(where: { $0.key.string == entry.key.string }) {
        entries.append(entry)
      }
    }
    return entries
  }

  /// The text of a scalar that is not empty.
  static func text(_ node: Node, _ name: String) throws(MergeError) -> String {
    guard case .scalar(let scalar) = node, !scalar.string.isEmpty, !isNull(node) else {
      throw wrongType(name, "text", node)
    }
    return scalar.string
  }

  /// mergekit takes 0 and 1 too.
  static func flag(_ node: Node, _ name: String) throws(MergeError) -> Bool {
    if node.tag == Tag(.int), let number = node.int, (0...1).contains(number) { return number == 1 }
    guard node.tag == Tag(.bool), let value = node.bool else { throw wrongType(name, "true or false", node) }
    return value
  }

  static func isNull(_ node: Node) -> Bool { node.tag == Tag(.null) }

  static func wrongType(_ name: String, _ expected: String, _ node: Node) -> MergeError {
    let found =
      switch node {
      case .scalar(let scalar): isNull(node) ? "nothing" : "'\(scalar.string)'"
      case .mapping: "a mapping"
      case .sequence(let list): list.isEmpty ? "an empty list" : "a list"
      case .alias: "an alias"
      }
    return .wrongType(name, expected: expected, found: found, line: node.mark?.line)
  }
}
