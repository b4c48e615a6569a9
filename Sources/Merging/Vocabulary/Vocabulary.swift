/// The text of a token. Two are equal only where their bytes are: Swift's own equality takes texts for equal that
/// Unicode calls so, of which vocabularies have many.
package struct Token: Hashable, Sendable {
  package let text: String

  package init(_ text: String) { self.text = text }

  package static func == (a: Token, b: Token) -> Bool {
    a.text.utf8.count == b.text.utf8.count && a.text.utf8.elementsEqual(b.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

/// A token that a tokenizer finds in the text before its model sees it, as `added_tokens` of a tokenizer.json has it.
package struct AddedToken: Hashable, Sendable {
  package let token: Token
  /// Found only as a whole word.
  package var singleWord = false
  /// Takes the white space on its left, on its right.
  package var stripsLeft = false
  package var stripsRight = false
  /// Found in the text after the normaliser.
  package var isNormalized: Bool
  package var isSpecial: Bool

  /// A token as the tokenizers library makes it of nothing but a text.
  package init(_ token: Token, isSpecial: Bool = false) {
    self.token = token
    self.isSpecial = isSpecial
    isNormalized = !isSpecial
  }
}

/// What the tokenizer of one model knows, and how many rows the model's embedding has.
package struct Vocabulary: Sendable {
  /// The id of each token.
  package let ids: [Token: Int]
  /// Those that are found ahead of the tokenizer's model, in the order of ids.
  package let added: [AddedToken]
  /// Those that the tokenizer's configuration names (`pad_token` and the like): loading it adds what is missing.
  package let named: [AddedToken]
  /// Rows of embedding and head: those that no token has are padding, tokens beyond have no row.
  package let rows: Int

  package init(ids: [Token: Int], added: [AddedToken], named: [AddedToken] = [], rows: Int) {
    self.ids = ids
    self.named = named
    self.added = added.sorted { ids[$0.token] ?? 0 < ids[$1.token] ?? 0 }
    self.rows = rows
  }

  /// The row of a token; nil where the model has none.
  func row(of token: Token) -> Int? { ids[token].flatMap { $0 < rows ? $0 : nil } }

  /// The same without the tokens that have no row.
  var stripped: Vocabulary {
    Vocabulary(
      ids: ids.filter { $0.value < rows }, added: added.filter { row(of: $0.token) != nil }, named: named, rows: rows)
  }
}
