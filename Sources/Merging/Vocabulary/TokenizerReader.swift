internal import Yams

extension Recipe {
  /// What the fused model's vocabulary is: `tokenizer_source`, or the block `tokenizer`.
  package struct Tokenizer: Sendable, Equatable {
    /// Whose tokenizer it is.
    package enum Source: Sendable, Equatable {
      /// The base's with all tokens of the others.
      case union
      case base
      /// That of a model, which need not be among those merged.
      case model(String)
    }

    /// A token that the recipe names; added where the vocabulary has it not.
    package struct Setting: Sendable, Equatable {
      /// Where models that lack the token take its row from.
      package enum Source: Sendable, Equatable {
        case zero
        case model(String)
        /// Another token of a model.
        case token(model: String, String)
        case id(model: String, Int)
      }

      package let text: String
      package let source: Source?
      /// True where models that have the token take the source's row too.
      package let isForced: Bool
      let line: Int?

      var model: String? {
        switch source {
        case .model(let model), .token(let model, _), .id(let model, _): model
        case .zero, nil: nil
        }
      }
    }

    package let source: Source
    /// As listed.
    package let tokens: [Setting]
    /// Rows of embedding and head are a multiple of this; at least 1.
    package let padsToMultipleOf: Int?
  }
}

extension RecipeReader {
  func tokenizer() throws(MergeError) -> Recipe.Tokenizer? {
    let block = self["tokenizer"]
    guard let entry = self["tokenizer_source"] else { return try block.map(tokenizer) }
    if let block {
      throw .misfit(
        place: "the recipe", expected: "one of 'tokenizer_source' and 'tokenizer'", found: "both",
        line: max(entry.line ?? 0, block.line ?? 0))
    }
    return Recipe.Tokenizer(
      source: try source(entry.value, "tokenizer_source"), tokens: [], padsToMultipleOf: nil)
  }

  func chatTemplate() throws(MergeError) -> String? {
    try self["chat_template"].map { entry throws(MergeError) in try YAML.text(entry.value, "chat_template") }
  }

  private func tokenizer(_ entry: Entry) throws(MergeError) -> Recipe.Tokenizer {
    let fields = try YAML.entries(
      of: entry.value, name: "tokenizer", known: ["source", "tokens", "pad_to_multiple_of"])
    var multiple: Int?
    if let value = fields["pad_to_multiple_of"]?.value {
      guard let number = value.int, (1...1_000_000).contains(number) else {
        throw YAML.wrongType("pad_to_multiple_of", "a whole number from 1 to 1000000", value)
      }
      multiple = number
    }
    var tokens: [Recipe.Tokenizer.Setting] = []
    if let value = fields["tokens"]?.value {
      guard case .mapping(let mapping) = value else {
        throw YAML.wrongType("tokens", "a mapping from tokens to their settings", value)
      }
      for (key, node) in mapping { tokens.append(try token(key, node)) }
    }
    let whose = try fields["source"].map { entry throws(MergeError) in try source(entry.value, "source of tokenizer") }
    return Recipe.Tokenizer(source: whose ?? .union, tokens: tokens, padsToMultipleOf: multiple)
  }

  private func source(_ node: Node, _ key: String) throws(MergeError) -> Recipe.Tokenizer.Source {
    switch try Self.reference(node, key) {
    case "union": .union
    case "base": .base
    case let model: .model(model)
    }
  }

  private func token(_ key: Node, _ node: Node) throws(MergeError) -> Recipe.Tokenizer.Setting {
    let text = try YAML.text(key, "a token of tokenizer")
    let fields = try YAML.entries(of: node, name: "token '\(text)'", known: ["source", "force"])
    var isForced = false
    if let force = fields["force"]?.value {
      guard force.tag == Tag(.bool), let value = force.bool else {
        throw YAML.wrongType("force", "true or false", force)
      }
      isForced = value
    }
    return Recipe.Tokenizer.Setting(
      text: text, source: try fields["source"].map { entry throws(MergeError) in try row(entry.value, of: text) },
      isForced: isForced, line: key.mark?.line)
  }

  /// The source of a token's row: a model, or a mapping with a `kind`.
  private func row(_ node: Node, of token: String) throws(MergeError) -> Recipe.Tokenizer.Setting.Source {
    guard case .mapping(let mapping) = node, mapping.contains(where: { $0.key.string == "kind" }) else {
      return .model(try Self.reference(node, "source of token '\(token)'"))
    }
    let place = "the source of token '\(token)'"
    let fields = try YAML.entries(of: node, name: place, known: ["kind", "model", "token", "token_id"])
    guard let kind = fields["kind"] else { throw .missingKey("kind", place: place, line: node.mark?.line) }
    switch try YAML.text(kind.value, "kind") {
    case "zero":
      guard fields.count == 1 else {
        throw .misfit(place: place, expected: "nothing but 'kind: zero'", found: "other keys", line: kind.line)
      }
      return .zero
    case "model_token":
      guard let model = fields["model"] else { throw .missingKey("model", place: place, line: kind.line) }
      let reference = try Self.reference(model.value, "model")
      switch (fields["token"], fields["token_id"]) {
      case (let token?, nil): return .token(model: reference, try YAML.text(token.value, "token"))
      case (nil, let id?):
        guard let number = id.value.int, number >= 0 else {
          throw YAML.wrongType("token_id", "a whole number of at least 0", id.value)
        }
        return .id(model: reference, number)
      default:
        throw .misfit(place: place, expected: "one of 'token' and 'token_id'", found: "both or none", line: kind.line)
      }
    default: throw YAML.wrongType("kind", "zero or model_token", kind.value)
    }
  }
}
