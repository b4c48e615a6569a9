/// The vocabulary of a fused model, by mergekit 0.1.5's rules: that of the base, of one model, or the union of all.
///
/// The union keeps the base's ids; then come the ordinary tokens that it lacks, model by model (the base first, then
/// the order of the recipe) in the order of ids, then in the same way the added tokens; last the tokens that the recipe
/// names. All are *added* tokens of the output. (mergekit takes models and ordinary tokens in the order of Python sets
/// and Rust maps, another in each run; what is fixed there is the same here.)
package struct OutputVocabulary: Sendable {
  /// A token that the donor's tokenizer is given, or one of its own that becomes an added one.
  package struct Addition: Sendable, Equatable {
    package let added: AddedToken
    package let id: Int
  }

  /// What the recipe says of a token, in ids.
  struct Setting: Sendable {
    /// Where the row comes from that models without the token take.
    enum Source: Sendable, Equatable {
      case none
      case zero
      case row(model: String, Int)
    }

    let token: String
    let source: Source
    /// True where models with the token take it too.
    let isForced: Bool
  }

  /// The reference of the model whose tokenizer files are taken over.
  package let donor: String
  /// What the donor's tokenizer has not, or not as added tokens.
  package let additions: [Addition]
  /// All added tokens of the output, in the order of ids.
  package let added: [Addition]
  /// The donor's tokens that the output has not, because they have no row.
  package let dropped: Set<Token>
  /// Every token's id: all numbers from 0 to the number of tokens.
  package let ids: [Token: Int]
  /// Rows of embedding and head: one a token, then padding.
  package let rows: Int
  /// By model and id, the row there; -1 where the model has none.
  let own: [String: [Int]]
  /// By model, its number of rows.
  let modelRows: [String: Int]
  /// By id.
  let settings: [Int: Setting]

  /// - Parameters:
  ///   - models: the references that are merged, in the order of the recipe.
  ///   - vocabularies: one for each of these and for the model whose tokenizer is asked for.
  /// - Throws: `MergeError.misfit` where ids have gaps or a token is not where the recipe says; `missingInput` where a
  ///   vocabulary is not given.
  package init(
    _ tokenizer: Recipe.Tokenizer, models: [String], base: String?, vocabularies: [String: Vocabulary]
  ) throws(MergeError) {
    let first = base ?? models[0]
    var known: [String: Vocabulary] = [:]
    for model in models {
      guard let vocabulary = vocabularies[model] else { throw .missingInput(model) }
      known[model] = model == first ? vocabulary.stripped : vocabulary
    }
    var draft: Draft
    switch tokenizer.source {
    case .base, .union:
      donor = first
      draft = try Draft(known[first], donor: first)
      if tokenizer.source == .union {
        draft.unite([first] + models.filter { $0 != first }, known)
      }
    case .model(let model):
      donor = model
      draft = try Draft(vocabularies[model], donor: model)
    }
    for token in tokenizer.tokens where draft.ids[Token(token.text)] == nil {
      draft.add(AddedToken(Token(token.text)))
    }
    ids = draft.ids
    additions = draft.additions
    let kept = draft.kept.compactMap { token in draft.ids[token.token].map { Addition(added: token, id: $0) } }
    added = (kept + draft.additions).sorted { $0.id < $1.id }
    let output = draft.ids
    dropped = Set((vocabularies[donor]?.ids ?? [:]).keys.filter { output[$0] == nil })
    let multiple = tokenizer.padsToMultipleOf ?? 1
    rows = (ids.count + multiple - 1) / multiple * multiple
    modelRows = known.mapValues(\.rows)
    var own: [String: [Int]] = [:]
    for model in models { own[model] = [Int](repeating: -1, count: ids.count) }
    for (token, id) in ids {
      for model in models { if let row = known[model]?.row(of: token) { own[model]?[id] = row } }
    }
    // mergekit adds the recipe's tokens to the base's own tokenizer here, so that the base's padding rows are theirs.
    if tokenizer.source == .base, let rows = known[first]?.rows {
      for addition in draft.additions where addition.id < rows { own[first]?[addition.id] = addition.id }
    }
    self.own = own
    var settings: [Int: Setting] = [:]
    for token in tokenizer.tokens {
      guard let id = ids[Token(token.text)] else { continue }
      settings[id] = Setting(
        token: token.text, source: try Self.source(token, id, own, known), isForced: token.isForced)
    }
    self.settings = settings
  }

  /// The rows of a model's embedding; nil for one that is not merged.
  package func rows(of model: String) -> Int? { modelRows[model] }

  private static func source(
    _ token: Recipe.Tokenizer.Setting, _ id: Int, _ own: [String: [Int]], _ known: [String: Vocabulary]
  ) throws(MergeError) -> Setting.Source {
    func misfit(_ expected: String, _ found: String) -> MergeError {
      .misfit(place: "tokenizer, token '\(token.text)'", expected: expected, found: found, line: token.line)
    }
    switch token.source {
    case nil: return .none
    case .zero: return .zero
    case .model(let model):
      guard let row = own[model]?[id], row >= 0 else {
        throw misfit("the token in the vocabulary of its source '\(model)'", "none")
      }
      return .row(model: model, row)
    case .token(let model, let text):
      guard let row = known[model]?.row(of: Token(text)) else {
        throw misfit("a token of model '\(model)'", "'\(text)', which it has not")
      }
      return .row(model: model, row)
    case .id(let model, let row):
      let rows = known[model]?.rows ?? 0
      guard (0..<rows).contains(row) else { throw misfit("a token_id below the \(rows) rows of '\(model)'", "\(row)") }
      return .row(model: model, row)
    }
  }
}

/// A vocabulary that grows.
private struct Draft {
  private(set) var ids: [Token: Int]
  private(set) var additions: [OutputVocabulary.Addition] = []
  /// The donor's own added tokens.
  let kept: [AddedToken]
  private let named: [AddedToken]
  private var added: Set<Token>

  init(_ vocabulary: Vocabulary?, donor: String) throws(MergeError) {
    guard let vocabulary else { throw .missingInput(donor) }
    ids = vocabulary.ids
    (kept, named) = (vocabulary.added, vocabulary.named)
    added = Set(kept.map(\.token))
    let found = Set(ids.values)
    if found.count < ids.count || (found.max() ?? -1) >= ids.count {
      throw .misfit(
        place: "the tokenizer of model '\(donor)'", expected: "one token for each id from 0 to \(ids.count - 1)",
        found: "ids up to \(found.max() ?? 0) of which \(found.count) are taken", line: nil)
    }
  }

  /// Makes an added token of one that is there, or gives it the next id.
  mutating func add(_ token: AddedToken) {
    guard added.insert(token.token).inserted else { return }
    let id = ids[token.token] ?? ids.count
    ids[token.token] = id
    additions.append(.init(added: token, id: id))
  }

  /// Adds what other models have. The first of several settings of an added token holds. Tokens without a row that the
  /// donor's configuration names come first: loading its tokenizer brings them back.
  mutating func unite(_ order: [String], _ vocabularies: [String: Vocabulary]) {
    for token in named where ids[token.token] == nil { add(token) }
    var ordinary: [Token] = []
    var special: [AddedToken] = []
    var isSpecial: Set<Token> = []
    for vocabulary in order.compactMap({ vocabularies[$0] }) {
      let own = Set(vocabulary.added.map(\.token))
      let tokens = vocabulary.ids.filter { $0.value < vocabulary.rows && !own.contains($0.key) }
      ordinary += tokens.filter { ids[$0.key] == nil }.sorted { $0.value < $1.value }.map(\.key)
      for token in vocabulary.added where vocabulary.row(of: token.token) != nil {
        if isSpecial.insert(token.token).inserted { special.append(token) }
      }
    }
    for token in ordinary where !isSpecial.contains(token) { add(AddedToken(token)) }
    for token in special { add(token) }
  }
}
