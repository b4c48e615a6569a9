import JSON
import Merging
import Tensors

/// What a recipe changes in the donor's config.json: the dtype of the weights, the number of layers, the vocabulary.
struct ConfigEdits {
  private let dtype: String?
  /// By stack, the number of layers; empty where the recipe chooses none.
  private let layers: [String: Int]
  /// The rows of embeddings in the donor and in the output; nil where the recipe has no tokenizer.
  private let rows: (from: Int, to: Int)?

  private static let dtypeNames: [DType: String] = [
    .bf16: "bfloat16", .f16: "float16", .f32: "float32", .f64: "float64",
  ]
  private static let countKeys: Set<String> = [
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth", "encoder_layers", "decoder_layers",
  ]

  /// The dtype is the one that most bytes are written in.
  init(_ plan: Plan, _ recipe: Recipe, rows: (from: Int, to: Int)? = nil) {
    self.rows = rows
    var bytes: [DType: Int] = [:]
    for tensor in plan.tensors { bytes[tensor.dtype, default: 0] += tensor.bytesToWrite }
    dtype = bytes.max { ($0.value, $0.key.code) < ($1.value, $1.key.code) }.flatMap { Self.dtypeNames[$0.key] }
    layers = recipe.choosesLayers ? LayerStacks(names: plan.tensors.map(\.name)).counts : [:]
  }

  /// The configuration with what has changed, all else byte for byte; nil where nothing has, or where it is no JSON
  /// object.
  func apply(to config: [UInt8]) -> [UInt8]? {
    guard let value = try? JSONValue.parse(config), value.members != nil else { return nil }
    let edited = try? JSONSpans(text: config, label: "config.json").replacingScalars { path, scalar in
      guard let key = path.last, path.count == 1 || (path.count == 2 && Self.parts.contains(path[0])) else {
        return nil
      }
      let part = path.count == 2 ? path[0] : nil
      if ["torch_dtype", "dtype"].contains(key) { return scalar.first == UInt8(ascii: "\"") ? quotedDType : nil }
      if key == "vocab_size", let rows, part.map(Self.textParts.contains) ?? true {
        return scalar.elementsEqual("\(rows.from)".utf8) ? "\(rows.to)" : nil
      }
      guard Self.countKeys.contains(key), scalar.allSatisfy({ (48...57).contains($0) }) else { return nil }
      return layers(of: part, key: key).map(String.init)
    }
    return edited == config ? nil : edited
  }

  /// Where the language model of several lies in a configuration.
  static let textParts: Set<String> = ["text_config", "llm_config", "language_config"]
  private static let parts = textParts.union(["vision_config", "visual", "audio_config"])

  private var quotedDType: String? { dtype.map { "\"\($0)\"" } }

  /// The layers of the stack that a part of the configuration describes; nil where that is not clear.
  private func layers(of part: String?, key: String) -> Int? {
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
