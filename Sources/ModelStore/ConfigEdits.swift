import JSON
import Merging
import Tensors

/// What a recipe changes in the donor's config.json: the dtype of the weights, the number and order of layers, the
/// vocabulary, and whether the head is the embedding.
struct ConfigEdits {
  private let dtype: String?
  /// By stack, for each layer the one that it comes from; empty where the recipe chooses none.
  private let layers: [String: [Int]]
  /// True where the fused model has a head that is not, or not only, the donor's own: it must not be tied.
  private let unties: Bool
  /// The rows of embeddings in the donor and in the output; nil where the recipe has no tokenizer.
  private let rows: (from: Int, to: Int)?

  private static let dtypeNames: [DType: String] = [
    .bf16: "bfloat16", .f16: "float16", .f32: "float32", .f64: "float64",
  ]
  private static let countKeys: Set<String> = [
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth", "encoder_layers", "decoder_layers",
  ]

  /// The dtype is the one that most bytes are written in.
  ///
  /// - Parameter donor: among the plan's inputs.
  init(_ plan: Plan, _ recipe: Recipe, donor: Int, rows: (from: Int, to: Int)? = nil) {
    self.rows = rows
    var bytes: [DType: Int] = [:]
    for tensor in plan.tensors { bytes[tensor.dtype, default: 0] += tensor.bytesToWrite }
    dtype = bytes.max { ($0.value, $0.key.code) < ($1.value, $1.key.code) }.flatMap { Self.dtypeNames[$0.key] }
    layers = recipe.choosesLayers ? plan.layerOrigins(in: donor) : [:]
    unties = plan.tensors.contains { tensor in
      tensor.name.hasSuffix("lm_head.weight")
        && !tensor.inputs.contains(where: { $0.model == donor && $0.tensor == tensor.name })
    }
  }

  /// The configuration with what has changed, all else byte for byte; nil where nothing has, or where it is no JSON
  /// object. Throws where a list has one entry for each layer and a layer is taken that it has none for.
  func apply(to config: [UInt8]) throws -> [UInt8]? {
    guard let value = try? JSONValue.parse(config), value.members != nil else { return nil }
    let ordered = try JSONSpans(text: config, label: "config.json").replacingLists { path, elements in
      guard path.count == 1 || (path.count == 2 && Self.parts.contains(path[0])) else { return nil }
      let part = path.count == 2 ? path[0] : nil
      return try reordered(elements, key: path[path.count - 1], part: part, in: part.flatMap { value[$0] } ?? value)
    }
    let edited = try JSONSpans(text: ordered, label: "config.json").replacingScalars { path, scalar in
      guard let key = path.last, path.count == 1 || (path.count == 2 && Self.parts.contains(path[0])) else {
        return nil
      }
      let part = path.count == 2 ? path[0] : nil
      if ["torch_dtype", "dtype"].contains(key) { return scalar.first == UInt8(ascii: "\"") ? quotedDType : nil }
      if key == Self.tieKey { return unties ? "false" : nil }
      if key == "vocab_size", let rows, part.map(Self.textParts.contains) ?? true {
        return scalar.elementsEqual("\(rows.from)".utf8) ? "\(rows.to)" : nil
      }
      guard Self.countKeys.contains(key), scalar.allSatisfy({ (48...57).contains($0) }) else { return nil }
      return origins(of: part, key: key).map { String($0.count) }
    }
    let untied =
      unties && !says(Self.tieKey, in: value)
      ? try JSONSpans(text: edited, label: "config.json").inserting(Self.tieKey, "false") : edited
    return untied == config ? nil : untied
  }

  private static let tieKey = "tie_word_embeddings"

  private func says(_ key: String, in value: JSONValue) -> Bool {
    value[key] != nil || Self.parts.contains { value[$0]?[key] != nil }
  }

  /// Where the language model of several lies in a configuration.
  static let textParts: Set<String> = ["text_config", "llm_config", "language_config"]
  private static let parts = textParts.union(["vision_config", "visual", "audio_config"])

  private var quotedDType: String? { dtype.map { "\"\($0)\"" } }

  /// A list that has one entry for each layer of the donor, in the order of the fused model's layers; nil for others.
  /// Lists of ids and names that happen to be as long are left alone.
  private func reordered(
    _ elements: [ArraySlice<UInt8>], key: String, part: String?, in object: JSONValue
  ) throws -> [ArraySlice<UInt8>]? {
    let strangers = ["token", "architectures", "languages", "labels"]
    guard !layers.isEmpty, !strangers.contains(where: key.contains) else { return nil }
    for countKey in Self.countKeys.sorted() where object[countKey]?.int == elements.count {
      guard let origins = origins(of: part, key: countKey) else { continue }
      if let beyond = origins.first(where: { $0 >= elements.count }) {
        throw RepositoryError(
          .invalidInput,
          "config.json: '\(key)' has an entry for each of \(elements.count) layers, none for layer "
            + "\(beyond) that the recipe takes", hint: "name as base_model the model that has most layers")
      }
      return origins.elementsEqual(elements.indices) ? nil : origins.map { elements[$0] }
    }
    return nil
  }

  /// Where the layers of the stack that a part of the configuration describes come from; nil where that is not clear.
  private func origins(of part: String?, key: String) -> [Int]? {
    func senses(_ stack: String) -> String {
      let words = ["vision": ["vision", "visual", "image"], "audio": ["audio", "speech"]]
      return words.first { $0.value.contains { stack.contains($0) } }?.key ?? "text"
    }
    let sense = part.map(senses) ?? "text"
    var found = layers.filter { senses($0.key) == sense }
    for side in ["encoder", "decoder"] where key == "\(side)_layers" {
      found = found.filter { $0.key.contains(side) }
    }
    return found.count == 1 ? found.first?.value : nil
  }
}
