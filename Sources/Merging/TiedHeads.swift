/// Heads and embeddings that a model may keep as one tensor under another name: a head that is tied to the embedding is
/// often not stored. The pairs are those of mergekit's tables of architectures; others are not guessed.
enum TiedHeads {
  /// By head, the names that it may be stored under, in the order of search.
  private static let ties: [String: [String]] = [
    "lm_head.weight": [
      "model.embed_tokens.weight", "model.language_model.embed_tokens.weight", "transformer.wte.weight", "wte.weight",
      "backbone.embeddings.weight", "model.lm_head.weight", "shared.weight", "encoder.embed_tokens.weight",
      "decoder.embed_tokens.weight",
    ],
    "language_model.lm_head.weight": ["language_model.model.embed_tokens.weight"],
    "output.weight": ["model.tok_embeddings.weight"],
    "lm_head.decoder.weight": ["roberta.embeddings.word_embeddings.weight"],
    "cls.predictions.decoder.weight": ["bert.embeddings.word_embeddings.weight"],
    "vocab_projector.weight": ["distilbert.embeddings.word_embeddings.weight"],
    "encoder.embed_tokens.weight": ["shared.weight", "decoder.embed_tokens.weight"],
    "decoder.embed_tokens.weight": ["shared.weight", "encoder.embed_tokens.weight"],
  ]

  /// The language model's own head and embedding by their whole names.
  static let languageModel: Set<String> = [
    "lm_head.weight", "model.embed_tokens.weight", "model.language_model.embed_tokens.weight", "transformer.wte.weight",
    "shared.weight",
  ]

  static func isHead(_ name: String) -> Bool { ties[name] != nil }

  /// For each model the heads that others of `given` have and it lacks, with the name that each is stored under in it.
  ///
  /// - Parameter all: every tensor of each model, among which a head may be.
  static func stored(_ given: [Set<String>], all: [Set<String>]) -> [[String: String]] {
    let heads = Set(given.flatMap { $0.filter(isHead) })
    return zip(given, all).map { own, all in
      var stored: [String: String] = [:]
      for head in heads where !own.contains(head) { stored[head] = ties[head]?.first(where: all.contains) }
      return stored
    }
  }
}
