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
    if let vocabulary { try edit(vocabulary, owner) }
    if let wanted = recipe.chatTemplate {
      let merged = recipe.mergedReferences
      let template = try ChatTemplate(owner: owner).text(
        wanted, models: models.filter { merged.contains($0.reference) })
      if let template { try setTemplate(template, owner) }
    }
  }

  private func text(_ path: String, of owner: ModelFiles) throws -> JSONSpans? {
    try (made[path] ?? owner.read(path)).map {
      JSONSpans(text: $0, label: "\(path) of model '\(owner.reference)'")
    }
  }

  /// Takes out tokens without a row, and puts in those that the vocabulary adds.
  private mutating func edit(_ vocabulary: OutputVocabulary, _ owner: ModelFiles) throws {
    if vocabulary.additions.isEmpty, vocabulary.dropped.isEmpty { return }
    let edit = AddedTokensEdit(vocabulary)
    if let spans = try text("tokenizer.json", of: owner) {
      made["tokenizer.json"] = try edit.tokenizer(spans)
    }
    if let spans = try text("tokenizer_config.json", of: owner),
      let decoder = try spans.value("added_tokens_decoder", in: try spans.root())
    {
      made["tokenizer_config.json"] = try edit.list(
        decoder, of: spans, token: { try spans.json($0.value).tokenText }
      ) {
        JSONValue.string("\($0.id)").compact + Array(": ".utf8) + JSONValue.object($0.added.members).spaced
      }
    }
    if let spans = try text("added_tokens.json", of: owner) {
      made["added_tokens.json"] = try edit.list(try spans.root(), of: spans, token: \.key) {
        JSONValue.string($0.added.token.text).compact + Array(": \($0.id)".utf8)
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
    made["tokenizer_config.json"] = try spans.replacing(try spans.root()) {
      $0.key != "chat_template"
    } adding: {
      [member]
    }
    if owner.paths.contains("chat_template.jinja") { made["chat_template.jinja"] = Array(template.utf8) }
  }
}

/// Other added tokens in the files of a tokenizer: all else byte for byte.
private struct AddedTokensEdit {
  private let vocabulary: OutputVocabulary
  /// What is put in is not there a second time.
  private let new: Set<Token>

  init(_ vocabulary: OutputVocabulary) {
    self.vocabulary = vocabulary
    new = Set(vocabulary.additions.map(\.added.token))
  }

  /// The text with a list, or object, that has all added tokens: its own entries first, then those that it lacks, by
  /// id. Loading gives ids in this order, so that none may be left to other files.
  func list(
    _ range: Range<Int>, of spans: JSONSpans, token: (JSONSpans.Entry) throws -> String?,
    entry: (OutputVocabulary.Addition) -> [UInt8]
  ) throws -> [UInt8] {
    var there: Set<Token> = []
    return try spans.replacing(range) { entry in
      let token = Token(try token(entry) ?? "")
      guard vocabulary.ids[token] != nil, !new.contains(token) else { return false }
      there.insert(token)
      return true
    } adding: {
      vocabulary.added.filter { !there.contains($0.added.token) }.map(entry)
    }
  }

  /// tokenizer.json, from the end of the text on, so that what lies ahead stays where it is.
  func tokenizer(_ spans: JSONSpans) throws -> [UInt8] {
    let places = try ["model", "added_tokens"].compactMap { key in
      try spans.value(key, in: try spans.root()).map { (key, $0) }
    }
    guard places.count == 2 else {
      throw RepositoryError(.invalidInput, "\(spans.label): model and added_tokens expected, found one of them")
    }
    var spans = spans
    for (key, place) in places.sorted(by: { $0.1.lowerBound > $1.1.lowerBound }) {
      if key == "model" {
        if !vocabulary.dropped.isEmpty { spans = try dropFromModel(of: spans) }
        continue
      }
      let now = spans
      let text = try list(place, of: now, token: { try now.json($0.value).tokenText }) { token in
        JSONValue.object([.init("id", .integer(token.id))] + token.added.members).spaced
      }
      spans = JSONSpans(text: text, label: now.label)
    }
    return spans.text
  }

  /// Takes tokens, and the merges that need them, out of a BPE.
  private func dropFromModel(of before: JSONSpans) throws -> JSONSpans {
    var spans = before
    let dropped = vocabulary.dropped
    func part(_ key: String) throws -> Range<Int>? {
      try spans.value("model", in: try spans.root()).flatMap { try spans.value(key, in: $0) }
    }
    guard let words = try part("vocab"), spans.text[words.lowerBound] == UInt8(ascii: "{"),
      try spans.entries(of: words).contains(where: { dropped.contains(Token($0.key)) })
    else { return spans }
    guard try part("type").map({ try spans.string($0) }) ?? "BPE" == "BPE" else {
      throw RepositoryError(
        .unsupported, "\(spans.label): tokens without a row expected only in a BPE tokenizer, found them in another",
        hint: "give the model as many rows as tokens")
    }
    spans = JSONSpans(
      text: try spans.replacing(words) { !dropped.contains(Token($0.key)) }, label: spans.label)
    guard let merges = try part("merges") else { return spans }
    let now = spans
    let text = try now.replacing(merges) { entry in
      let merge = try now.json(entry.value)
      let pair = merge.elements?.compactMap(\.text) ?? (merge.text ?? "").split(separator: " ").map(String.init)
      return !(pair + [pair.joined()]).contains { dropped.contains(Token($0)) }
    }
    return JSONSpans(text: text, label: spans.label)
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
