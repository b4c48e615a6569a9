import JSON
import Merging

/// The tokenizer of a model, read from tokenizer.json and what transformers reads beside it.
struct TokenizerFiles {
  /// Files that make up a tokenizer. Those of one model belong together.
  static let names: Set<String> = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "spiece.model", "sentencepiece.bpe.model", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja",
    "chat_template.json",
  ]

  private let files: ModelFiles

  init(_ files: ModelFiles) { self.files = files }

  /// The tokens by id, the added ones, and the rows of the embedding: `vocab_size` of config.json,
  /// or else one a token.
  ///
  /// As in transformers: tokenizer.json, then `added_tokens_decoder` of tokenizer_config.json (lacking that
  /// added_tokens.json and special_tokens_map.json), then the special tokens named there, each with the next id where
  /// it is new. `unsupported` where there is no tokenizer.json.
  func vocabulary() throws -> Vocabulary {
    guard let text = try files.read("tokenizer.json") else { throw missing() }
    let spans = JSONSpans(text: text, label: "tokenizer.json of model '\(files.reference)'")
    var draft = VocabularyDraft(ids: try tokens(spans))
    if let list = try spans.value("added_tokens", in: try spans.root()) {
      for token in try spans.json(list).elements ?? [] {
        guard let added = AddedToken(token), let id = token["id"]?.int else { throw misfit("added_tokens", token) }
        draft.add(added, id: id)
      }
    }
    try addConfigured(to: &draft)
    return Vocabulary(
      ids: draft.ids, added: Array(draft.added.values), named: draft.named, rows: try rows() ?? draft.ids.count)
  }

  private func missing() -> RepositoryError {
    let slow = ["tokenizer.model", "spiece.model", "vocab.json", "vocab.txt"].first { files.paths.contains($0) }
    return RepositoryError(
      .unsupported,
      "model '\(files.reference)': a tokenizer.json expected for the recipe's tokenizer, found \(slow ?? "none")",
      hint: slow == nil
        ? "give the model a tokenizer, or take the key out of the recipe"
        : "make one with transformers: AutoTokenizer.from_pretrained(model).save_pretrained(model)")
  }

  private func misfit(_ place: String, _ found: JSONValue) -> RepositoryError {
    RepositoryError(
      .invalidInput,
      "model '\(files.reference)', \(place): a token with content and id expected, "
        + "found \(String(decoding: found.compact.prefix(80), as: UTF8.self))")
  }

  /// The tokens of the tokenizer's own model.
  private func tokens(_ spans: JSONSpans) throws -> [Token: Int] {
    guard let model = try spans.value("model", in: try spans.root()),
      let vocabulary = try spans.value("vocab", in: model)
    else {
      throw RepositoryError(.invalidInput, "\(spans.label): a model with a vocab expected, found none")
    }
    var ids: [Token: Int] = [:]
    let entries = try spans.entries(of: vocabulary)
    ids.reserveCapacity(entries.count)
    let isList = spans.text[vocabulary.lowerBound] == UInt8(ascii: "[")
    for (index, entry) in entries.enumerated() {
      if isList {
        guard let piece = try spans.entries(of: entry.value).first else { throw misfit("vocab", .array([])) }
        ids[Token(try spans.string(piece.value))] = index
      } else {
        ids[Token(entry.key)] = try spans.int(entry.value)
      }
    }
    return ids
  }

  private static let roles = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map { $0 + "_token" }

  private func addConfigured(to draft: inout VocabularyDraft) throws {
    var settings = try object("tokenizer_config.json")
    let decoder = settings.removeValue(forKey: "added_tokens_decoder")
    if let decoder {
      let entries = (decoder.members ?? []).map { (id: Int($0.key), token: $0.value) }
      for (id, token) in entries.sorted(by: { $0.id ?? 0 < $1.id ?? 0 }) {
        guard let id, let added = AddedToken(token) else { throw misfit("added_tokens_decoder", token) }
        try add(added, id: id, to: &draft, file: "tokenizer_config.json")
      }
    } else {
      settings.merge(try object("special_tokens_map.json")) { _, new in new }
      let tokens = try object("added_tokens.json").compactMap { key, value in value.int.map { (key, $0) } }
      for (token, id) in tokens.sorted(by: { $0.1 < $1.1 }) {
        let isSpecial = settings.contains { $0.key.hasSuffix("_token") && $0.value.tokenText == token }
        if draft.added[Token(token)] == nil {
          try add(AddedToken(Token(token), isSpecial: isSpecial), id: id, to: &draft, file: "added_tokens.json")
        }
      }
    }
    let others = settings.keys.filter { $0.hasSuffix("_token") && !Self.roles.contains($0) }.sorted()
    var named = (Self.roles + others).compactMap { settings[$0] }
    let extra = settings["extra_special_tokens"] ?? settings["additional_special_tokens"]
    named += extra?.elements ?? extra?.members?.map(\.value) ?? []
    for token in named where token.tokenText?.isEmpty == false {
      guard let text = token.tokenText else { continue }
      var added = AddedToken(token) ?? AddedToken(Token(text), isSpecial: true)
      added.isSpecial = true
      draft.name(added)
    }
  }

  private func add(_ token: AddedToken, id: Int, to draft: inout VocabularyDraft, file: String) throws {
    let next = draft.ids[token.token] ?? draft.next
    guard next == id else {
      throw RepositoryError(
        .invalidInput,
        "model '\(files.reference)', \(file): id \(next) expected for token '\(token.token.text)' "
          + "by tokenizer.json, found \(id)")
    }
    draft.add(token, id: id)
  }

  /// The members of a small file; none where the model has no such file.
  private func object(_ path: String) throws -> [String: JSONValue] {
    guard let text = try files.read(path) else { return [:] }
    let members = try JSONSpans(text: text, label: "\(path) of model '\(files.reference)'").document().members ?? []
    return Dictionary(members.map { ($0.key, $0.value) }) { _, last in last }
  }

  private func rows() throws -> Int? {
    guard let text = try files.read("config.json") else { return nil }
    let config = try JSONSpans(text: text, label: "config.json of model '\(files.reference)'").document()
    for part in ConfigEdits.textParts {
      if let size = config[part]?["vocab_size"]?.int { return size }
    }
    return config["vocab_size"]?.int
  }
}

/// A vocabulary that is read from several files.
private struct VocabularyDraft {
  private(set) var ids: [Token: Int]
  private(set) var added: [Token: AddedToken] = [:]
  private(set) var named: [AddedToken] = []
  private(set) var next: Int

  init(ids: [Token: Int]) {
    self.ids = ids
    next = (ids.values.max() ?? -1) + 1
  }

  /// A token keeps the id it has.
  mutating func add(_ token: AddedToken, id: Int) {
    if ids[token.token] == nil {
      ids[token.token] = id
      next = max(next, id + 1)
    }
    added[token.token] = token
  }

  /// A special token by its role.
  mutating func name(_ token: AddedToken) {
    if added[token.token] == nil { add(token, id: next) }
    named.append(token)
  }
}

extension JSONSpans {
  /// The whole text as a value; for small files.
  func document() throws -> JSONValue { try json(try root()) }
}

extension JSONValue {
  /// A token given as its text, or as an object with its content.
  var tokenText: String? { text ?? self["content"]?.text }
}

extension AddedToken {
  /// Reads `{"content": …, "special": …}`; nil where there is no content.
  init?(_ value: JSONValue) {
    guard let content = value["content"]?.text else { return nil }
    self.init(Token(content), isSpecial: value["special"]?.truth ?? false)
    singleWord = value["single_word"]?.truth ?? false
    stripsLeft = value["lstrip"]?.truth ?? false
    stripsRight = value["rstrip"]?.truth ?? false
    isNormalized = value["normalized"]?.truth ?? isNormalized
  }

  /// The members of its JSON form but for the id.
  var members: [JSONValue.Member] {
    [
      .init("content", .string(token.text)), .init("single_word", .bool(singleWord)),
      .init("lstrip", .bool(stripsLeft)),
      .init("rstrip", .bool(stripsRight)), .init("normalized", .bool(isNormalized)), .init("special", .bool(isSpecial)),
    ]
  }
}
