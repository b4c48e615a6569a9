import JSON
import Merging

/// The tokenizer files of a fused model that are not those of the donor of its configuration: another model's, or with
/// more tokens in them, or another chat template.
struct TokenizerTexts {
  /// Texts by path.
  private(set) var made: [String: [UInt8]] = [:]
  /// The donor's own files that are not taken over.
  private(set) var dropped: Set<String> = []

  /// - Parameters:
  ///   - models: the files of all of the recipe's models, in the order of references.
  ///   - donor: which of them the configuration comes from.
  init(_ recipe: Recipe, vocabulary: OutputVocabulary?, models: [ModelFiles], donor: Int) throws {
    let owner = models.first { $0.reference == vocabulary?.donor } ?? models[donor]
    if owner.reference != models[donor].reference {
      dropped = Set(models[donor].paths.filter(TokenizerFiles.names.contains))
      for path in owner.paths where TokenizerFiles.names.contains(path) { made[path] = try owner.read(path) }
    }
    if let vocabulary { try edit(vocabulary, recipe, owner) }
    if let wanted = recipe.chatTemplate {
      let merged = recipe.mergedReferences
      let template = try ChatTemplate(owner: owner).text(wanted, models: models.filter { merged.contains($0.reference) })
      if let template { try setTemplate(template, owner) }
    }
  }

  private func text(_ path: String, of owner: ModelFiles) throws -> JSONSpans? {
    try (made[path] ?? owner.read(path)).map {
      JSONSpans(text: $0, label: "\(path) of model '\(owner.reference)'")
    }
  }

  /// Takes out tokens without a row, and puts in those that the vocabulary adds.
  private mutating func edit(_ vocabulary: OutputVocabulary, _ recipe: Recipe, _ owner: ModelFiles) throws {
    func isKept(_ token: String) -> Bool { vocabulary.ids[Token(token)] != nil }
    let new = vocabulary.additions.sorted { $0.id < $1.id }
    let dropped = try TokenizerFiles(owner).vocabulary().ids.keys.filter { vocabulary.ids[$0] == nil }
    if new.isEmpty, dropped.isEmpty { return }
    if let spans = try text("tokenizer.json", of: owner) {
      made["tokenizer.json"] = try TokenizerEdit(spans, dropped: Set(dropped), added: new).text
    }
    if var spans = try text("tokenizer_config.json", of: owner),
      let decoder = try spans.value("added_tokens_decoder", in: try spans.root())
    {
      let known = Set(try spans.entries(of: decoder).map(\.key))
      let text = try spans.replacing(decoder) { entry in
        isKept(try spans.json(entry.value).tokenText ?? "")
      } adding: {
        new.filter { !known.contains("\($0.id)") || $0.id >= vocabulary.ids.count }.map {
          JSONValue.string("\($0.id)").compact + Array(": ".utf8) + JSONValue.object($0.added.members).spaced
        }
      }
      spans = JSONSpans(text: text, label: spans.label)
      made["tokenizer_config.json"] = text
    }
    if let spans = try text("added_tokens.json", of: owner) {
      let known = Set(try spans.entries(of: try spans.root()).map(\.key))
      made["added_tokens.json"] = try spans.replacing(try spans.root()) { isKept($0.key) } adding: {
        new.filter { !known.contains($0.added.token.text) }.map {
          JSONValue.string($0.added.token.text).compact + Array(": \($0.id)".utf8)
        }
      }
    }
  }

  /// tokenizer_config.json says the template, and chat_template.jinja where there is one: that wins in transformers.
  private mutating func setTemplate(_ template: String, _ owner: ModelFiles) throws {
    guard let spans = try text("tokenizer_config.json", of: owner) else {
      throw RepositoryError(
        .invalidInput, "chat_template: a tokenizer_config.json in model '\(owner.reference)' expected, found none")
    }
    let member = JSONValue.string("chat_template").compact + Array(": ".utf8) + JSONValue.string(template).compact
    made["tokenizer_config.json"] = try spans.replacing(try spans.root()) { $0.key != "chat_template" } adding: {
      [member]
    }
    if owner.paths.contains("chat_template.jinja") { made["chat_template.jinja"] = Array(template.utf8) }
  }
}

/// tokenizer.json with other tokens: all else byte for byte.
private struct TokenizerEdit {
  private(set) var text: [UInt8]
  private let label: String

  init(_ spans: JSONSpans, dropped: Set<Token>, added: [OutputVocabulary.Addition]) throws {
    (text, label) = (spans.text, spans.label)
    let entries = added.map { addition in
      JSONValue.object([.init("id", .integer(addition.id))] + addition.added.members).spaced
    }
    // From the end of the text on, so that what lies ahead stays where it is.
    let places = try ["model", "added_tokens"].compactMap { key in
      try spans.value(key, in: try spans.root()).map { (key, $0) }
    }
    guard places.count == 2 else {
      throw RepositoryError(.invalidInput, "\(label): model and added_tokens expected, found one of them")
    }
    for (key, place) in places.sorted(by: { $0.1.lowerBound > $1.1.lowerBound }) {
      if key == "model" {
        if !dropped.isEmpty { try dropFromModel(dropped) }
      } else {
        let now = JSONSpans(text: text, label: label)
        text = try now.replacing(place) { entry in
          !dropped.contains(Token(try now.json(entry.value).tokenText ?? ""))
        } adding: { entries }
      }
    }
  }

  /// Takes tokens, and the merges that need them, out of a BPE.
  private mutating func dropFromModel(_ dropped: Set<Token>) throws {
    func part(_ key: String) throws -> (spans: JSONSpans, place: Range<Int>?) {
      let spans = JSONSpans(text: text, label: label)
      let model = try spans.value("model", in: try spans.root()) ?? 0..<0
      return (spans, try spans.value(key, in: model))
    }
    let (spans, vocabulary) = try part("vocab")
    guard let vocabulary, spans.text[vocabulary.lowerBound] == UInt8(ascii: "{") else { return }
    guard try spans.entries(of: vocabulary).contains(where: { dropped.contains(Token($0.key)) }) else { return }
    guard try part("type").place.map({ try spans.string($0) }) ?? "BPE" == "BPE" else {
      throw RepositoryError(
        .unsupported, "\(label): tokens without a row expected only in a BPE tokenizer, found them in another",
        hint: "give the model as many rows as tokens")
    }
    text = try spans.replacing(vocabulary) { !dropped.contains(Token($0.key)) }
    let (now, merges) = try part("merges")
    guard let merges else { return }
    text = try now.replacing(merges) { entry in
      let merge = try now.json(entry.value)
      let pair = merge.elements?.compactMap(\.text) ?? (merge.text ?? "").split(separator: " ").map(String.init)
      return !pair.contains { dropped.contains(Token($0)) }
    }
  }
}

extension JSONValue {
  /// One line with a space behind colons and commas, as transformers writes lists.
  fileprivate var spaced: [UInt8] {
    guard let members else { return compact }
    let parts = members.map { JSONValue.string($0.key).compact + Array(": ".utf8) + $0.value.compact }
    return Array("{".utf8) + Array(parts.joined(separator: Array(", ".utf8))) + Array("}".utf8)
  }
}
