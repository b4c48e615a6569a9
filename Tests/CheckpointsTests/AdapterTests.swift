import Checkpoints
import Tensors
import Testing

@Suite("adapters")
struct AdapterTests {
  private func config(_ members: String = "") throws -> AdapterConfig {
    let text = #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4\#(members)}"#
    return try AdapterConfig(parsing: Array(text.utf8), path: "a")
  }

  private func tensor(_ name: String, _ shape: [Int], _ dtype: DType = .f32) -> TensorOutline {
    TensorOutline(name: name, dtype: dtype, shape: Shape(shape))
  }

  /// The factors of a module, 3 inputs and 5 outputs.
  private func factors(_ module: String, rank: Int = 2) -> [TensorOutline] {
    let prefix = "base_model.model.\(module)"
    return [tensor("\(prefix).lora_A.weight", [rank, 3]), tensor("\(prefix).lora_B.weight", [5, rank])]
  }

  private func fault(_ body: () throws -> Void) -> AdapterFault? {
    do {
      try body()
    } catch CheckpointError.adapter(_, let fault) {
      return fault
    } catch {}
    return nil
  }

  @Test("a pattern fits the end of a module's name from a dot on, the first that fits decides, and scales follow")
  func patterns() throws {
    let config = try config(
      #"""
      , "rank_pattern": {"q_proj": 8, "layers.1.q_proj": 3, "model\\.(k|v)_proj": 16}, "alpha_pattern": {"q_proj": 2}
      """#)
    #expect(config.rank(of: "model.layers.1.q_proj") == 8)
    #expect(config.rank(of: "q_proj") == 8 && config.rank(of: "model.v_proj") == 16)
    #expect(config.rank(of: "model.xq_proj") == 2 && config.rank(of: "model.v_proj.x") == 2)
    #expect(config.scale(of: "a.q_proj") == 0.25 && config.scale(of: "a.o_proj") == 2)
    let root = try self.config(#", "use_rslora": true, "lora_alpha_": null"#)
    #expect(root.scale(of: "q_proj") == 4 / 2.0.squareRoot())
  }

  @Test("kinds and settings that would change the meaning are refused by name, and no others")
  func settings() throws {
    #expect(
      fault { _ = try AdapterConfig(parsing: Array(#"{"peft_type": "LOHA"}"#.utf8), path: "a") }
        == .unsupportedKind("LOHA"))
    for (text, key) in [
      (#""init_lora_weights": "pissa_niter_4""#, "init_lora_weights"),
      (#""target_parameters": ["experts.up"]"#, "target_parameters"),
      (#""layer_replication": [[0, 2]]"#, "layer_replication"),
      (#""trainable_token_indices": [1]"#, "trainable_token_indices"), (#""use_qalora": true"#, "use_qalora"),
    ] {
      guard case .unsupportedSetting(let found, _)? = fault({ _ = try config(", " + text) }) else {
        Issue.record("\(key) was taken")
        continue
      }
      #expect(found == key)
    }
    _ = try config(#", "layer_replication": null, "use_qalora": false, "init_lora_weights": "gaussian", "x": []"#)
    #expect(fault { _ = try config(#", "rank_pattern": {"(": 3}"#) } == .badPattern("("))
    #expect(
      fault { _ = try config(#", "rank_pattern": {"q": 0}"#) }
        == .badSetting("rank_pattern q", expected: "a number above 0", found: "0"))
  }

  @Test("names with and without PEFT's wrappers mean the same tensors")
  func names() throws {
    let prefix = "base_model.model.m"
    for names in [
      ["lm.weight", "up.bias"], ["lm.modules_to_save.weight", "up.base_layer.bias"],
      ["lm.modules_to_save.default.weight", "up.bias"],
    ] {
      let adapter = try Adapter(
        config: config(),
        tensors: [
          tensor("\(prefix).up.lora_A.default.weight", [2, 3]), tensor("\(prefix).up.lora_B.weight", [5, 2]),
          tensor("\(prefix).\(names[0])", [7, 3]), tensor("\(prefix).\(names[1])", [5]),
        ], path: "a")
      #expect(adapter.factors.map(\.module) == ["m.up"] && adapter.summary == "LoRA, rank 2")
      #expect(Set(adapter.replacements.keys) == ["m.lm.weight", "m.up.bias"])
    }
  }

  @Test("what does not belong together is refused with the tensor and its shape")
  func refusals() throws {
    func refusal(_ tensors: [TensorOutline], _ members: String = "") -> AdapterFault? {
      fault { _ = try Adapter(config: config(members), tensors: tensors, path: "a") }
    }
    let pair = factors("m.up")
    let a = pair[0].name
    #expect(refusal([pair[0]]) == .missingHalf(a, expected: "m.up.lora_B.weight"))
    #expect(refusal([pair[1]]) == .missingHalf(pair[1].name, expected: "m.up.lora_A.weight"))
    #expect(
      refusal(factors("m.up", rank: 3)) == .factorShape(a, expected: "[2, inputs]", found: Shape([3, 3])))
    #expect(refusal(pair + [tensor("m.up.weight", [5, 3])]) == .unknownTensor("m.up.weight"))
    let odd = "base_model.model.m.up.lora_C.weight"
    #expect(refusal(pair + [tensor(odd, [5, 3])]) == .unknownTensor(odd))
    let magnitude = tensor("base_model.model.m.up.lora_magnitude_vector", [5])
    #expect(refusal(pair + [magnitude]) == .unknownTensor(magnitude.name))
    let dora = #", "use_dora": true"#
    #expect(refusal(pair, dora) == .missingHalf(a, expected: "m.up.lora_magnitude_vector"))
    #expect(refusal(pair + [magnitude], dora) == nil)
    #expect(
      refusal(pair + [tensor(magnitude.name, [3])], dora)
        == .factorShape(magnitude.name, expected: "[5]", found: Shape([3])))
    #expect(
      refusal([tensor(a, [2, 3], .i8), pair[1]]) == .unsupportedDType(a, dtype: .i8))
    let double = tensor("base_model.model.m.up.lora_A.default.weight", [2, 3])
    #expect(refusal(pair + [double]) == .repeatedTensor(double.name, other: a))
  }

  @Test("the base tells how weights lie, and which names they have in its file")
  func base() throws {
    let pair = factors("model.up")
    let adapter = try Adapter(config: config(), tensors: pair, path: "a")
    func applied(_ name: String, _ shape: [Int]) throws -> [String: AdaptedTensor] {
      try adapter.applied(to: [tensor(name, shape)], path: "a")
    }
    for name in ["model.up.weight", "up.weight", "top.model.up.weight"] {
      guard case .factors(_, let isTransposed, let weight, false)? = try applied(name, [5, 3])[name] else {
        Issue.record("\(name) was not found")
        continue
      }
      #expect(!isTransposed && weight.name == name)
    }
    guard case .factors(_, true, _, _)? = try applied("model.up.weight", [3, 5])["model.up.weight"] else {
      Issue.record("a weight of inputs × outputs was not told")
      return
    }
    #expect(
      fault { _ = try applied("model.up.weight", [5, 4]) }
        == .shapeMismatch(pair[0].name, shape: Shape([2, 3]), base: "model.up.weight", baseShape: Shape([5, 4])))
    #expect(
      fault { _ = try applied("model.down.weight", [5, 3]) } == .baseLacks(pair[1].name, needed: "model.up.weight"))
  }

  @Test("a square weight lies like the others of its name, else as the configuration says")
  func square() throws {
    func isTransposed(_ others: [TensorOutline], _ weights: [TensorOutline], _ members: String) throws -> Bool? {
      let square = [
        tensor("base_model.model.h.0.c_proj.lora_A.weight", [2, 4]),
        tensor("base_model.model.h.0.c_proj.lora_B.weight", [4, 2]),
      ]
      let adapter = try Adapter(config: config(members), tensors: square + others, path: "a")
      let found = try adapter.applied(to: [tensor("h.0.c_proj.weight", [4, 4])] + weights, path: "a")
      guard case .factors(_, let isTransposed, _, _)? = found["h.0.c_proj.weight"] else { return nil }
      return isTransposed
    }
    let flag = #", "fan_in_fan_out": true"#
    #expect(try isTransposed([], [], "") == false)
    #expect(try isTransposed([], [], flag) == true)
    let long = factors("h.0.mlp.c_proj")
    #expect(try isTransposed(long, [tensor("h.0.mlp.c_proj.weight", [3, 5])], "") == true)
    #expect(try isTransposed(long, [tensor("h.0.mlp.c_proj.weight", [5, 3])], flag) == false)
  }

  @Test("a whole tensor replaces the base's, is added where modules_to_save names it, and is refused else")
  func whole() throws {
    let score = tensor("base_model.model.score.weight", [2, 3])
    let norm = tensor("base_model.model.norm.weight", [3])
    let base = [tensor("norm.weight", [3], .bf16), tensor("model.up.weight", [5, 3])]
    let saved = try Adapter(
      config: config(#", "modules_to_save": ["score"]"#), tensors: factors("model.up") + [score, norm], path: "a")
    let found = try saved.applied(to: base, path: "a")
    #expect(found["score.weight"] == .replaced(score) && found["norm.weight"] == .replaced(norm))
    let plain = try Adapter(config: config(), tensors: factors("model.up") + [score], path: "a")
    #expect(
      fault { _ = try plain.applied(to: base, path: "a") } == .baseLacks(score.name, needed: "score.weight"))
  }

  @Test("an adapter's folder is told from a model's, and a pickle is refused with the way to convert it")
  func folders() throws {
    let folder = try TemporaryFolder()
    try folder.write("adapter_config.json", text: #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4}"#)
    try folder.write("adapter_model.bin", text: "pickle")
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder.scan(folder.path) }
    #expect(error == .adapter(path: folder.path, .onlyPickle(file: "adapter_model.bin")))
    #expect(error?.hint?.contains("save_file") == true)
    let header = try SafetensorsHeader.canonicalBytes(tensors: factors("m.up"))
    try folder.write(
      "adapter_model.safetensors", SafetensorsHeader.fileStart(header) + [UInt8](repeating: 0, count: 4 * 16))
    #expect(try CheckpointFolder.scan(folder.path).adapter()?.factors.count == 1)
    try folder.writeTensors("model.safetensors", ["w"])
    #expect(try CheckpointFolder.scan(folder.path).adapter() == nil)
  }
}
