/// What a tensor is for, by its name, as Llama, Qwen, Mistral, GPT-2 and BERT name theirs.
enum TensorKind: String, CaseIterable, Sendable {
  case embedding, attention, mlp, norm, head, adapter, mask, other
  /// Bytes that are no tensor.
  case file

  /// Of what is stored as a whole to be of a kind, the tensors are; of models each is by its name.
  init(_ name: String, in kind: StoredKind) {
    switch kind {
    case .adapter: self = .adapter
    case .mask: self = .mask
    case .subspace, .dataset: self = .other
    case .model: self = Self.kind(of: name)
    }
  }

  /// The first that fits decides: a norm of attention is a norm, and the output of attention is attention.
  private static let patterns: [(kind: TensorKind, parts: [String], prefixes: [String])] = [
    (.adapter, ["lora_"], []),
    (.norm, ["norm"], ["ln_"]),
    (.head, ["lm_head"], ["cls", "classifier", "score", "qa_outputs", "pooler"]),
    (.embedding, ["embed"], ["wte", "wpe"]),
    (.attention, ["attn", "attention", "qkv"], ["q_proj", "k_proj", "v_proj", "o_proj"]),
    (
      .mlp, ["mlp", "ffn", "feed_forward", "expert", "moe"],
      ["gate_proj", "up_proj", "down_proj", "c_fc", "intermediate", "output"]
    ),
  ]

  private static func kind(of name: String) -> TensorKind {
    let words = name.lowercased().split(separator: ".")
    for (kind, parts, prefixes) in patterns {
      for word in words where parts.contains(where: { word.contains($0) }) || prefixes.contains(where: word.hasPrefix) {
        return kind
      }
    }
    return .other
  }
}
