internal import Yams

/// Reads what names a model: text, or mergekit's mapping `{model: {path: …}, lora: {path: …}}` as the same text.
enum ReferenceReader {
  static func reference(_ node: Node, _ key: String) throws(MergeError) -> String {
    var text: String
    if case .mapping = node {
      let fields = try YAML.entries(of: node, name: key, known: ["model", "lora", "override_architecture"])
      guard let model = fields["model"] else { throw .missingKey("model", place: key, line: node.mark?.line) }
      if let entry = fields["override_architecture"] {
        throw .misfit(
          place: "'override_architecture'", expected: "none: layers are found by the names of tensors",
          found: "a name of an architecture", line: entry.line)
      }
      text = try path(model.value, "model")
      if let lora = fields["lora"] { text += "+" + (try path(lora.value, "lora")) }
    } else {
      text = try YAML.text(node, key)
    }
    guard AdaptedReference(text) != nil else {
      throw .wrongType(
        key, expected: "a model, or a model and an adapter as 'model+adapter'", found: "'\(text)'",
        line: node.mark?.line)
    }
    return text
  }

  /// A path as text or as `{path: …}`. Revisions are those of a hub and are not looked up.
  private static func path(_ node: Node, _ key: String) throws(MergeError) -> String {
    guard case .mapping = node else { return try YAML.text(node, key) }
    let fields = try YAML.entries(of: node, name: key, known: ["path", "revision"])
    guard let path = fields["path"] else { throw .missingKey("path", place: key, line: node.mark?.line) }
    if let revision = fields["revision"] {
      throw .misfit(
        place: "'revision' of '\(try YAML.text(path.value, "path"))'",
        expected: "none: import that revision and name the import",
        found: "'\(try YAML.text(revision.value, "revision"))'",
        line: revision.line)
    }
    return try YAML.text(path.value, "path")
  }
}
