internal import Yams

/// Reads the `parameters` of a recipe or of one of its models.
struct ParameterReader {
  let method: MergeMethod
  /// The model whose parameters these are; nil for the global ones.
  let model: String?

  func read(_ entry: Entry?) throws(MergeError) -> [String: ParameterValue] {
    guard let entry else { return [:] }
    guard case .mapping(let mapping) = entry.value else {
      throw YAML.wrongType("parameters", "a mapping", entry.value)
    }
    var values: [String: ParameterValue] = [:]
    for (key, node) in try YAML.merged(mapping) {
      let name = try YAML.text(key, "a key of parameters")
      let rule = try rule(for: name, line: key.mark?.line)
      values[name] = try value(node, rule)
    }
    return values
  }

  private func rule(for name: String, line: Int?) throws(MergeError) -> MergeMethod.ParameterRule {
    guard let rule = method.parameters.first(where: { $0.name == name }) else {
      let nearest = Spelling.nearest(to: name, among: method.parameters.map(\.name))
      throw .unknownParameter(name, method: method.rawValue, line: line, suggestion: nearest)
    }
    if let model, !rule.perModel { throw .globalParameterOnModel(name, model: model, line: line) }
    return rule
  }

  private func value(_ node: Node, _ rule: MergeMethod.ParameterRule) throws(MergeError) -> ParameterValue {
    switch node {
    case .mapping: return .filtered([try conditional(node, rule)])
    case .sequence(let list):
      guard let first = list.first else { throw YAML.wrongType(rule.name, "a value or a list of values", node) }
      guard case .mapping = first else { return try gradient(node, rule) }
      var entries: [ParameterValue.Conditional] = []
      for element in list { entries.append(try conditional(element, rule)) }
      return .filtered(entries)
    default: return try plain(node, rule)
    }
  }

  private func conditional(
    _ node: Node, _ rule: MergeMethod.ParameterRule
  ) throws(MergeError) -> ParameterValue.Conditional {
    let place = "an entry of \(rule.name)"
    let fields = try YAML.entries(of: node, name: place, known: ["filter", "value"])
    guard let value = fields["value"]?.value else { throw .missingKey("value", place: place, line: node.mark?.line) }
    var filter: String?
    // An empty filter fits every name, as none does.
    if let entry = fields["filter"], entry.value.string != "" { filter = try YAML.text(entry.value, "filter") }
    if case .sequence = value { return .init(filter: filter, value: try gradient(value, rule)) }
    return .init(filter: filter, value: try plain(value, rule))
  }

  private func gradient(_ node: Node, _ rule: MergeMethod.ParameterRule) throws(MergeError) -> ParameterValue {
    guard case .sequence(let list) = node, !list.isEmpty else { throw YAML.wrongType(rule.name, "a list", node) }
    switch rule.kind {
    case .number:
      var values: [Double] = []
      for element in list { values.append(try number(element, rule)) }
      return .gradient(values)
    case .flag:
      var values: [Bool] = []
      for element in list { values.append(try YAML.flag(element, rule.name)) }
      return .steps(values)
    }
  }

  private func plain(_ node: Node, _ rule: MergeMethod.ParameterRule) throws(MergeError) -> ParameterValue {
    switch rule.kind {
    case .number: .number(try number(node, rule))
    case .flag: .flag(try YAML.flag(node, rule.name))
    }
  }

  /// A decimal number that f32 holds without overflow, quoted or not: `0.5`, `-1`, `1e-5`. Not `0x1`, `010`, `1_000`,
  /// `.nan`: YAML readers disagree about some of them, and the others are no weights. Truth values are 1 and 0.
  private func number(_ node: Node, _ rule: MergeMethod.ParameterRule) throws(MergeError) -> Double {
    guard case .scalar(let scalar) = node else { throw YAML.wrongType(rule.name, "a number", node) }
    if node.tag == Tag(.bool), let value = node.bool { return value ? 1 : 0 }
    let text = scalar.string
    let digits = Array(text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") })
    let isDecimal = digits.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) }
    let isOctal = digits.count > 1 && digits[0] == 48 && (48...57).contains(digits[1])
    guard isDecimal, !isOctal, let value = Double(text), value.isFinite, Float(value).isFinite else {
      throw YAML.wrongType(rule.name, "a finite number", node)
    }
    return value
  }
}
