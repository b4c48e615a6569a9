internal import Tensors

/// The tensors of a merge whose rows are tokens, and where the rows of each come from.
///
/// They are known by their names, outside layers: `weight` or `bias` of `embed_tokens`, `wte`, `word_embeddings`,
/// `embed_in`, `embd.wte`, `tok_embeddings`, `token_embedding`, `embeddings`, `shared`, `lm_head` (and its `decoder`,
/// `linear`), `embed_out`, `output`, `output_layer`, `vocab_projector`, `cls.predictions` (and its `decoder`); and by
/// their first extent, which is the vocabulary's size in config.json in one of the models at least, unless it is the
/// language model's own embedding or head by its whole name. It then must be so in all of them.
struct VocabularyRows {
  /// By the output's name; without those that keep all rows.
  private(set) var maps: [String: RowMap] = [:]

  private static let names: Set<Substring> = [
    "embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings", "token_embedding", "embeddings", "shared",
    "lm_head", "embed_out", "output", "output_layer", "vocab_projector",
  ]

  static func isNamed(_ tensor: String) -> Bool {
    guard LayerStacks.layer(of: tensor) == nil else { return false }
    let parts = tensor.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 1, ["weight", "bias"].contains(parts[parts.count - 1]) else { return false }
    let owner = parts.dropLast()
    if names.contains(owner[owner.count - 1]) { return true }
    if owner.suffix(2) == ["cls", "predictions"] || owner.suffix(3) == ["cls", "predictions", "decoder"] {
      return true
    }
    return owner.suffix(2) == ["lm_head", "decoder"] || owner.suffix(2) == ["lm_head", "linear"]
  }

  /// - Parameter shape: that of a tensor of a model, by reference and name.
  /// - Throws: `MergeError.misfit` where a model's rows are not as many as its vocabulary's, or none is an embedding.
  init(
    _ vocabulary: OutputVocabulary, _ outputs: [OutputTensor], shape: (String, String) -> Shape?
  ) throws(MergeError) {
    var made: [[String?]: RowMap] = [:]
    var isFound = false
    for output in outputs where Self.isNamed(output.place.name) {
      let models = output.slice.sources.map(\.reference)
      let found = zip(models, output.stored).map { model, tensor in
        (model: model, tensor: tensor, rows: shape(model, tensor)?.dimensions.first ?? 0)
      }
      let isOwn = TiedHeads.languageModel.contains(output.place.name)
      guard isOwn || found.contains(where: { $0.rows == vocabulary.modelRows[$0.model] }) else { continue }
      isFound = true
      for input in found where input.rows != vocabulary.modelRows[input.model] {
        throw .misfit(
          place: "tensor '\(input.tensor)' of model '\(input.model)'",
          expected: "\(vocabulary.modelRows[input.model] ?? 0) rows as the vocabulary in config.json has",
          found: "\(input.rows)", line: nil)
      }
      let key = models + [output.slice.base]
      if made[key] == nil { made[key] = try vocabulary.rowMap(models: models, base: output.slice.base) }
      guard let map = made[key] else { continue }
      if !map.isIdentity { maps[output.place.name] = map }
    }
    guard isFound else {
      let sizes = Set(vocabulary.modelRows.values).sorted().map(String.init).joined(separator: " or ")
      throw .misfit(
        place: "tokenizer",
        expected: "an embedding of \(sizes) rows (vocab_size of config.json) such as "
          + "model.embed_tokens.weight", found: "none", line: nil)
    }
  }
}
