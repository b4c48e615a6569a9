import Testing

@testable import ModelStore

@Suite("what a tensor is for")
struct TensorKindTests {
  @Test(
    "is told by its name, as the usual models name theirs",
    arguments: [
      ("model.embed_tokens.weight", TensorKind.embedding), ("wte.weight", .embedding),
      ("transformer.wpe.weight", .embedding),
      ("bert.embeddings.word_embeddings.weight", .embedding), ("bert.embeddings.LayerNorm.weight", .norm),
      ("model.layers.0.self_attn.q_proj.weight", .attention), ("model.layers.0.self_attn.q_norm.weight", .norm),
      ("model.layers.11.self_attn.k_proj.bias", .attention), ("h.0.attn.c_attn.weight", .attention),
      ("h.0.attn.c_proj.weight", .attention), ("bert.encoder.layer.0.attention.self.query.weight", .attention),
      ("bert.encoder.layer.0.attention.output.dense.weight", .attention),
      ("bert.encoder.layer.0.attention.output.LayerNorm.weight", .norm),
      ("bert.encoder.layer.0.intermediate.dense.weight", .mlp), ("bert.encoder.layer.0.output.dense.weight", .mlp),
      ("model.layers.0.mlp.gate_proj.weight", .mlp), ("h.0.mlp.c_fc.weight", .mlp),
      ("model.layers.0.block_sparse_moe.experts.3.w1.weight", .mlp), ("model.layers.0.input_layernorm.weight", .norm),
      ("model.norm.weight", .norm), ("ln_f.weight", .norm), ("h.0.ln_1.bias", .norm), ("lm_head.weight", .head),
      ("cls.predictions.decoder.weight", .head), ("classifier.bias", .head), ("score.weight", .head),
      ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", .adapter), ("rotary.inv_freq", .other),
    ])
  func names(name: String, kind: TensorKind) { #expect(TensorKind(name, in: .model) == kind) }

  @Test("is told by the folder where that is an adapter or a mask")
  func folders() {
    #expect(TensorKind("model.norm.weight", in: .adapter) == .adapter)
    #expect(TensorKind("model.norm.weight", in: .mask) == .mask)
    #expect(TensorKind("model.norm.weight", in: .subspace) == .other)
  }
}
