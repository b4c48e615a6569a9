import Crypto
import Merging
import TestSupport
import Tensors
import Testing

private func plan(_ models: [ModelInput], _ arithmetic: String = Plan.exact1, base: String? = nil) throws -> Plan {
  let list = models.map { "{model: \($0.reference), parameters: {weight: 1}}" }.joined(separator: ", ")
  let recipe = try Recipe(yaml: "merge_method: linear\n\(base.map { "base_model: \($0)\n" } ?? "")models: [\(list)]")
  return try Planner.plan(recipe: recipe, inputs: models, arithmetic: arithmetic)
}

private func model(_ reference: String, _ names: [String], _ architecture: String? = nil) -> ModelInput {
  ModelInput(
    reference: reference, tensors: names.map { TensorInput(name: $0, dtype: .bf16, shape: Shape([4, 2])) },
    architecture: architecture)
}

private func reads(_ plan: Plan, _ reference: String) -> [String] {
  plan.tensors.map { $0.inputs.first { plan.inputs[$0.model] == reference }?.tensor ?? "none" }
}

private let bare = ["h.0.attn.bias", "h.0.ln_1.weight", "h.1.ln_1.weight", "ln_f.bias", "wte.weight"]
private let led = bare.map { "transformer." + $0 }

@Suite("names of tensors") struct TensorNamesTests {
  @Test("models whose names differ by what stands before all of them are merged, under the names of the base")
  func spellings() throws {
    for (first, second) in [(bare, led), (led, bare)] {
      for base in [nil, "b"] {
        let plan = try plan([model("a", first), model("b", second)], base: base)
        #expect(plan.tensors.map(\.name) == (base == nil ? first : second))
        #expect(reads(plan, "a") == first)
        #expect(reads(plan, "b") == second)
      }
    }
  }

  @Test("what stands outside all of them keeps its name, and layers that only one has are named by its slice")
  func outside() throws {
    let plan = try plan([model("a", ["lm_head.weight"] + bare), model("b", ["lm_head.weight"] + led)])
    #expect(plan.tensors.map(\.name) == (["lm_head.weight"] + bare).sorted())
    let recipe = try Recipe(
      yaml: """
        merge_method: passthrough
        slices: [{sources: [{model: a, layer_range: [0, 1]}]}, {sources: [{model: b, layer_range: [1, 3]}]}]
        """)
    let longer = led + ["transformer.h.2.ln_1.weight", "transformer.h.2.attn.bias", "transformer.h.1.attn.bias"]
    let stacked = try Planner.plan(recipe: recipe, inputs: [model("a", bare), model("b", longer)])
    #expect(stacked.tensors.map(\.name).contains("h.2.ln_1.weight"))
    #expect(stacked.tensors.map(\.name).allSatisfy { !$0.hasPrefix("transformer.") })
  }

  @Test("gamma and beta of a LayerNorm are its weight and bias")
  func norms() throws {
    let (old, new) = (["e.LayerNorm.beta", "e.LayerNorm.gamma"], ["e.LayerNorm.bias", "e.LayerNorm.weight"])
    #expect(try plan([model("a", old), model("b", new)]).tensors.map(\.name) == old)
    #expect(try plan([model("a", old), model("b", new)], Plan.mergekit015).tensors.map(\.name) == new)
  }

  @Test("names that differ in more, or in more than one way, are refused as before")
  func refused() throws {
    #expect(throws: MergeError.missingTensor("a.layers.0.w", lacking: "b", having: "a")) {
      try plan([model("a", ["a.layers.0.w"]), model("b", ["b.layers.0.w"])])
    }
    #expect(throws: MergeError.missingTensor("text.layers.0.w", lacking: "b", having: "a")) {
      try plan([model("a", ["text.layers.0.w", "vision.layers.0.w"]), model("b", ["layers.0.w"])])
    }
    #expect(throws: MergeError.missingTensor("layers.0.w", lacking: "b", having: "a")) {
      try plan([model("a", ["layers.0.w"]), model("b", ["text.layers.0.w", "vision.layers.0.w"])])
    }
  }

  @Test("in mergekit's arithmetic GPT-2 with a head is called as mergekit calls it, without its masks")
  func gpt2() throws {
    for names in [bare, led] {
      let plan = try plan([model("a", names, "GPT2LMHeadModel")], Plan.mergekit015)
      #expect(plan.tensors.map(\.name) == led.filter { !$0.contains("attn") })
      #expect(reads(plan, "a") == names.filter { !$0.contains("attn") })
    }
    #expect(try plan([model("a", bare, "GPT2Model")], Plan.mergekit015).tensors.map(\.name) == bare)
  }

  @Test("in mergekit's arithmetic experts are one tensor, read from the pieces; in exact arithmetic each is its own")
  func experts() throws {
    let experts = (0..<11).flatMap { number in
      ["w1", "w2", "w3"].map { "model.layers.0.block_sparse_moe.experts.\(number).\($0).weight" }
    }
    let moe = model("a", experts + ["model.layers.0.block_sparse_moe.gate.weight"])
    #expect(try plan([moe]).tensors.count == 34)
    let plan = try plan([moe], Plan.mergekit015)
    let at = "model.layers.0.mlp."
    #expect(plan.tensors.map(\.name) == [at + "experts.down_proj", at + "experts.gate_up_proj", at + "gate.weight"])
    #expect(plan.tensors.map(\.shape) == [Shape([11, 4, 2]), Shape([11, 8, 2]), Shape([4, 2])])
    var random = SplitMix(state: 5)
    let bytes = Dictionary(
      uniqueKeysWithValues: moe.tensors.map { ($0.name, (0..<16).map { _ in UInt8(random.next() & 0x3F) }) })
    let executor = Executor(plan: plan, source: ArraySource(tensors: [bytes]))
    let block = "model.layers.0.block_sparse_moe.experts."
    let both = (0..<11).flatMap { bytes["\(block)\($0).w1.weight"]! + bytes["\(block)\($0).w3.weight"]! }
    #expect(try executor.bytes(of: 1, block: 13) == both)
    #expect(try executor.bytes(of: 0, block: 1000) == (0..<11).flatMap { bytes["\(block)\($0).w2.weight"]! })
    #expect(
      plan.tensors[0].inputs[0].reads(of: plan.tensors[0].shape).map(\.shape)
        == .init(repeating: Shape([4, 2]), count: 11))
  }

  @Test("experts that are not all there or not alike stay as they are; so do those that mergekit's tables keep apart")
  func apart() throws {
    let names = (0..<2).flatMap { number in
      ["gate_proj", "up_proj", "down_proj"].map { "model.layers.0.mlp.experts.\(number).\($0).weight" }
    }
    #expect(try plan([model("a", names)], Plan.mergekit015).tensors.count == 2)
    #expect(try plan([model("a", Array(names.dropLast()))], Plan.mergekit015).tensors.count == 5)
    let gateless = names.filter { !$0.contains("gate") }
    for some in [gateless, names.filter { !$0.contains("up_proj") }, names.filter { !$0.contains("down") }] {
      #expect(try plan([model("a", some)], Plan.mergekit015).tensors.map(\.name) == some.sorted())
    }
    #expect(try plan([model("a", Array(names.prefix(3)))], Plan.mergekit015).tensors.count == 3)
    #expect(try plan([model("a", names, "AfmoeForCausalLM")], Plan.mergekit015).tensors.count == 6)
    let odd = ModelInput(
      reference: "a",
      tensors: names.map { TensorInput(name: $0, dtype: $0.contains("1.up") ? .f16 : .bf16, shape: Shape([4, 2])) })
    #expect(try plan([odd], Plan.mergekit015).tensors.count == 6)
  }
}

/// What mergekit 0.1.5 (transformers 5.23, torch 2.13, seed 7) makes of a family by the rule of `MergekitTests`: the
/// SHA-256 of all tensors in the order of names.
struct NameGolden: Sendable, CustomTestStringConvertible {
  let architecture: String
  let method: String
  let sha256: String
  let tensors: [(name: String, shape: [Int])]
  /// Model 1 has this before its names.
  var lead = ""

  var testDescription: String { "\(architecture) \(method)" }

  static let all: [NameGolden] = [
    NameGolden(
      architecture: "MixtralForCausalLM", method: "ties",
      sha256: "4a9b10cd42be8cd085a5e0825e28064fc4e7d7d50c9f9ed5bf9aad7bc64d3856", tensors: mixtral(layers: 7)),
    NameGolden(
      architecture: "MixtralForCausalLM", method: "dare_ties",
      sha256: "b8256b0551933e01a84ae6cc86004ba09a078a0137e37f36a1ad1d44932e2449", tensors: mixtral(layers: 7)),
    NameGolden(
      architecture: "MixtralForCausalLM", method: "dare_ties",
      sha256: "ed55c162d8480cd6d438e19b0eef9b41a8097d2b0a88de2db2931c539fed7f21", tensors: mixtral(layers: 13)),
    NameGolden(
      architecture: "Qwen3MoeForCausalLM", method: "dare_ties",
      sha256: "36d6d860e7ae6cb1772baa0d17cb8b2405ddd0495efd6e3a4bb4634bda9d0c0c", tensors: qwen3(layers: 7)),
    NameGolden(
      architecture: "GPT2LMHeadModel", method: "ties",
      sha256: "5431b9943c33c7faf4aeea0d6d91e9c9b8d200985c6c5ca2c8c9518b0c4cb133", tensors: gpt2, lead: "transformer."),
    NameGolden(
      architecture: "GPT2LMHeadModel", method: "dare_ties",
      sha256: "6d904ae5c246a0c524db1be862e3fcba520983e76fb3516821a35b97c4a0371c", tensors: gpt2, lead: "transformer."),
  ]

  private static let (hidden, inner, vocabulary, experts) = (8, 12, 16, 3)

  private static func attention(_ at: String) -> [(name: String, shape: [Int])] {
    [(at + "input_layernorm.weight", [hidden]), (at + "post_attention_layernorm.weight", [hidden])]
      + ["q", "k", "v", "o"].map { ("\(at)self_attn.\($0)_proj.weight", [hidden, hidden]) }
  }

  private static func mixture(
    _ layers: Int, _ block: String, _ roles: [(name: String, shape: [Int])],
    _ more: (String) -> [(name: String, shape: [Int])]
  ) -> [(name: String, shape: [Int])] {
    var tensors: [(name: String, shape: [Int])] = [
      ("model.embed_tokens.weight", [vocabulary, hidden]), ("model.norm.weight", [hidden]),
      ("lm_head.weight", [vocabulary, hidden]),
    ]
    for layer in 0..<layers {
      let at = "model.layers.\(layer)."
      tensors += attention(at) + more(at) + [("\(at)\(block).gate.weight", [experts, hidden])]
      for expert in 0..<experts {
        tensors += roles.map { ("\(at)\(block).experts.\(expert).\($0.name).weight", $0.shape) }
      }
    }
    return tensors.sorted { $0.0 < $1.0 }
  }

  private static func mixtral(layers: Int) -> [(name: String, shape: [Int])] {
    let roles: [(name: String, shape: [Int])] = [
      ("w1", [inner, hidden]), ("w2", [hidden, inner]), ("w3", [inner, hidden]),
    ]
    return mixture(layers, "block_sparse_moe", roles) { _ in [] }
  }

  private static func qwen3(layers: Int) -> [(name: String, shape: [Int])] {
    let roles: [(name: String, shape: [Int])] = [
      ("gate_proj", [inner, hidden]), ("down_proj", [hidden, inner]), ("up_proj", [inner, hidden]),
    ]
    return mixture(layers, "mlp", roles) {
      [("\($0)self_attn.q_norm.weight", [4]), ("\($0)self_attn.k_norm.weight", [4])]
    }
  }

  private static let gpt2: [(name: String, shape: [Int])] = {
    var tensors: [(name: String, shape: [Int])] = [
      ("wte.weight", [vocabulary, hidden]), ("wpe.weight", [4, hidden]), ("ln_f.weight", [hidden]),
      ("ln_f.bias", [hidden]),
    ]
    for layer in 0..<2 {
      let parts = [
        ("ln_1", [hidden]), ("ln_2", [hidden]), ("attn.c_attn", [hidden, 3 * hidden]),
        ("attn.c_proj", [hidden, hidden]),
        ("mlp.c_fc", [hidden, 4 * hidden]), ("mlp.c_proj", [4 * hidden, hidden]),
      ]
      for (name, shape) in parts {
        tensors += [("h.\(layer).\(name).weight", shape), ("h.\(layer).\(name).bias", [shape[shape.count - 1]])]
      }
      tensors.append(("h.\(layer).attn.bias", [1, 1, 4, 4]))
    }
    return tensors.sorted { $0.0 < $1.0 }
  }()
}

@Suite("mergekit's names and units") struct MergekitNamesTests {
  @Test("mixtures of experts and GPT-2 in two spellings come out as mergekit makes them", arguments: NameGolden.all)
  func golden(_ golden: NameGolden) throws {
    let recipe = try Recipe(
      yaml: """
        merge_method: \(golden.method)
        base_model: base
        models: [{model: tune1}, {model: tune2}]
        parameters: {weight: 0.5, density: 0.5}
        dtype: bfloat16
        """)
    var inputs: [String: ModelInput] = [:]
    var bytes: [String: [String: [UInt8]]] = [:]
    for (number, reference) in ["base", "tune1", "tune2"].enumerated() {
      let lead = number == 1 ? golden.lead : ""
      inputs[reference] = ModelInput(
        reference: reference,
        tensors: golden.tensors.map { TensorInput(name: lead + $0.name, dtype: .bf16, shape: Shape($0.shape)) },
        architecture: golden.architecture)
      let values = Family.bytes(model: number, of: golden.tensors)
      bytes[reference] = Dictionary(uniqueKeysWithValues: values.map { (lead + $0, $1) })
    }
    let plan = try Planner.plan(
      recipe: recipe, inputs: Array(inputs.values), arithmetic: Plan.mergekit015, seed: 7)
    let executor = Executor(plan: plan, source: ArraySource(tensors: plan.inputs.map { bytes[$0]! }))
    var hash = SHA256()
    for tensor in plan.tensors.indices { hash.update(data: try executor.bytes(of: tensor, block: 700)) }
    let digest = hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    #expect(digest == golden.sha256)
  }
}
