internal import Yams

/// Reads the keys `mask` and `project` of a block `stemma`.
enum RealignmentReader {
  static let keys = ["mask", "project"]

  static func settings(_ fields: [String: Entry]) throws(MergeError) -> RealignmentSettings {
    var settings = RealignmentSettings()
    if let entry = fields["mask"] { settings.mask = try mask(entry.value) }
    if let entry = fields["project"] { settings.projection = try projection(entry.value) }
    return settings
  }

  /// The block of one model.
  static func settings(ofModel entry: Entry?) throws(MergeError) -> RealignmentSettings {
    guard let entry else { return RealignmentSettings() }
    return try settings(try YAML.entries(of: entry.value, name: "stemma of a model", known: keys))
  }

  private static func mask(
    _ node: Node
  ) throws(MergeError) -> RealignmentSettings.Choice<RealignmentSettings.Mask> {
    if isNone(node) { return .none }
    guard case .mapping = node else { return .own(.init(reference: try reference(node, "mask"), rescales: true)) }
    let fields = try YAML.entries(of: node, name: "mask", known: ["name", "rescale"])
    guard let name = fields["name"] else { throw .missingKey("name", place: "mask", line: node.mark?.line) }
    var rescales = true
    if let entry = fields["rescale"] {
      switch try YAML.text(entry.value, "rescale") {
      case "mean": break
      case "none": rescales = false
      default: throw YAML.wrongType("rescale", "mean or none", entry.value)
      }
    }
    return .own(.init(reference: try reference(name.value, "name"), rescales: rescales))
  }

  private static func projection(
    _ node: Node
  ) throws(MergeError) -> RealignmentSettings.Choice<RealignmentSettings.Projection> {
    if isNone(node) { return .none }
    guard case .mapping = node else { throw YAML.wrongType("project", "{out: subspace} or {onto: subspace}", node) }
    let fields = try YAML.entries(of: node, name: "project", known: ["out", "onto"])
    switch (fields["out"], fields["onto"]) {
    case (let out?, nil): return .own(.init(reference: try reference(out.value, "out"), isOnto: false))
    case (nil, let onto?): return .own(.init(reference: try reference(onto.value, "onto"), isOnto: true))
    default: throw YAML.wrongType("project", "one of {out: subspace} and {onto: subspace}", node)
    }
  }

  /// `false` turns off for one model what the recipe says for all.
  private static func isNone(_ node: Node) -> Bool { node.tag == Tag(.bool) && node.bool == false }

  static func reference(_ node: Node, _ key: String) throws(MergeError) -> String {
    let text = try YAML.text(node, key)
    guard AdaptedReference(text)?.adapter == nil, !text.contains("+") else {
      throw .wrongType(key, expected: "one mask or subspace", found: "'\(text)'", line: node.mark?.line)
    }
    return text
  }
}
