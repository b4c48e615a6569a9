import Crypto
import Merging
import TestSupport
import Tensors
import Testing

/// A merge that mergekit 0.1.5 (torch 2.13.0, CPU, one thread, `--random-seed 7`) made of the models below: the SHA-256
/// of its tensors' bytes in the order of names. The recipes are those of tools/reference-merges.
struct Golden: Sendable, CustomTestStringConvertible {
  let name: String
  let method: String
  let hasBase: Bool
  let models: [String]
  let parameters: String
  let sha256: String

  init(_ name: String, _ method: String, base: Bool, _ models: [String], _ parameters: String, _ sha256: String) {
    self.name = name
    self.method = method
    hasBase = base
    self.models = models
    self.parameters = parameters
    self.sha256 = sha256
  }

  var testDescription: String { name }

  var yaml: String {
    let list = models.enumerated().map { "  - {model: tune\($0 + 1), parameters: {\($1)}}" }
    let base = hasBase ? "base_model: base\n" : ""
    return "merge_method: \(method)\n\(base)models:\n\(list.joined(separator: "\n"))\n"
      + "parameters: {\(parameters)}\ndtype: bfloat16\n"
  }
}

/// A Llama of two layers and three fine-tunes of it, by a rule that Python can follow too.
enum Family {
  static let tensors: [(name: String, shape: [Int])] = {
    let (hidden, inner, vocabulary) = (32, 48, 64)
    var tensors = [
      ("model.embed_tokens.weight", [vocabulary, hidden]), ("model.norm.weight", [hidden]),
      ("lm_head.weight", [vocabulary, hidden]),
    ]
    for layer in 0..<2 {
      let at = "model.layers.\(layer)."
      tensors += [(at + "input_layernorm.weight", [hidden]), (at + "post_attention_layernorm.weight", [hidden])]
      tensors += ["q", "k", "v", "o"].map { ("\(at)self_attn.\($0)_proj.weight", [hidden, hidden]) }
      tensors += ["gate", "up"].map { ("\(at)mlp.\($0)_proj.weight", [inner, hidden]) }
      tensors += [(at + "mlp.down_proj.weight", [hidden, inner])]
    }
    return tensors.sorted { $0.0 < $1.0 }
  }()

  /// Model 0 is the base, 1 to 3 are the fine-tunes.
  static func bytes(
    model: Int, of tensors: [(name: String, shape: [Int])] = Family.tensors
  ) -> [String: [UInt8]] {
    var found: [String: [UInt8]] = [:]
    for (index, tensor) in tensors.enumerated() {
      var base = SplitMix(state: UInt64(index))
      var own = SplitMix(state: UInt64(1000 * model + index))
      found[tensor.name] = (0..<tensor.shape.reduce(1, *)).flatMap { _ -> [UInt8] in
        let word = base.next()
        var bits = Int(word & 1) << 15 | (117 + Int((word >> 8) % 6)) << 7 | Int(word >> 16) & 0x7F
        if model > 0 {
          let change = own.next()
          if change % 3 != 0 { bits = (bits + Int((change >> 8) % 9) - 4) & 0xFFFF }
        }
        return [UInt8(bits & 0xFF), UInt8(bits >> 8)]
      }
    }
    return found
  }

  static let all = (0...3).map { bytes(model: $0) }
  static let inputs = ["base", "tune1", "tune2", "tune3"].map {
    Merging.ModelInput(
      reference: $0, tensors: tensors.map { TensorInput(name: $0.name, dtype: .bf16, shape: Shape($0.shape)) })
  }
}

@Suite("mergekit's arithmetic")
struct MergekitTests {
  @Test("merges come out as mergekit makes them, bit for bit", arguments: Golden.recipes)
  func golden(_ golden: Golden) throws {
    #expect(try Self.digest(of: golden.yaml) == golden.sha256)
  }

  @Test("so do recipes of other types and of slices", arguments: GoldenRecipe.all)
  func recipe(_ golden: GoldenRecipe) throws {
    #expect(try Self.digest(of: golden.yaml) == golden.sha256)
  }

  @Test("a negative density keeps nothing")
  func negative() throws {
    let recipe = "merge_method: breadcrumbs, base_model: base, models: [{model: tune1}], dtype: bfloat16"
    #expect(
      try Self.digest(of: "{\(recipe), parameters: {weight: 1, density: -0.5}}")
        == Self.digest(of: "{\(recipe), parameters: {weight: 1, density: 0}}"))
  }

  /// The SHA-256 of the bytes of all tensors in the order of names.
  private static func digest(of yaml: String) throws -> String {
    let recipe = try Recipe(yaml: yaml)
    let plan = try Planner.plan(
      recipe: recipe, inputs: Family.inputs, arithmetic: Plan.mergekit015, seed: 7)
    let order = plan.inputs.map { reference in Family.inputs.firstIndex { $0.reference == reference }! }
    let executor = Executor(plan: plan, source: ArraySource(tensors: order.map { Family.all[$0] }))
    var hash = SHA256()
    for tensor in plan.tensors.indices { hash.update(data: try executor.bytes(of: tensor, block: 700)) }
    return hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  }

  @Test("tensors asked for in any order and in any pieces are the same, random ones too")
  func order() throws {
    let recipe = try Recipe(
      yaml: """
        merge_method: dare_ties
        base_model: base
        models:
          - {model: tune1, parameters: {weight: 0.5, density: 0.4}}
          - {model: tune2, parameters: {weight: 0.5, density: 1}}
        dtype: bfloat16
        """)
    let plan = try Planner.plan(recipe: recipe, inputs: Family.inputs, arithmetic: Plan.mergekit015, seed: 7)
    let order = plan.inputs.map { reference in Family.inputs.firstIndex { $0.reference == reference }! }
    let source = ArraySource(tensors: order.map { Family.all[$0] })
    let forwards = Executor(plan: plan, source: source)
    let first = try plan.tensors.indices.map { try forwards.bytes(of: $0, block: 1 << 20) }
    let backwards = Executor(plan: plan, source: source)
    let last = try plan.tensors.indices.reversed().map { try backwards.bytes(of: $0, block: 100) }
    #expect(first == last.reversed())
    let other = try Planner.plan(recipe: recipe, inputs: Family.inputs, arithmetic: Plan.mergekit015, seed: 8)
    let changed = Executor(plan: other, source: source)
    #expect(try plan.tensors.indices.map { try changed.bytes(of: $0, block: 1 << 20) } != first)
  }
}
