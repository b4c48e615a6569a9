import Merging
import TestSupport
import Tensors
import Testing

/// A merge by mergekit of the models below.
struct VocabularyGolden: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let yaml: String
  let sha256: String
}

/// Small Llamas with byte-level vocabularies of their own, by a rule that Python can follow too: base, tune1 (another
/// order, a token more, padding rows), tune2 (a token less, one of the base's as an added token), twin (as the base).
enum VocabularyFamily {
  struct Member: Sendable {
    let name: String
    let vocabulary: Vocabulary
    let tensors: [String: [UInt8]]
    let shapes: [(name: String, shape: [Int])]
  }

  /// The 256 characters that stand for bytes.
  static let alphabet: [String] = {
    let kept = Array(33...126) + Array(161...172) + Array(174...255)
    let moved = (0..<256).filter { !kept.contains($0) }.indices.map { 256 + $0 }
    return (kept + moved).sorted().compactMap { Unicode.Scalar($0).map { String($0) } }
  }()

  static func added(_ text: String, special: Bool = true) -> AddedToken {
    AddedToken(Token(text), isSpecial: special)
  }

  static func vocabulary(_ tokens: [String], _ added: [AddedToken], multiple: Int = 1) -> Vocabulary {
    var ids: [Token: Int] = [:]
    for (id, token) in (tokens + added.map(\.token.text)).enumerated() where ids[Token(token)] == nil {
      ids[Token(token)] = id
    }
    return Vocabulary(ids: ids, added: added, rows: (ids.count + multiple - 1) / multiple * multiple)
  }

  static let members: [Member] = {
    let ends = [added("<s>"), added("</s>")]
    let base = vocabulary(alphabet + ["he", "ll", "hell", "in"], ends + [added("<base>", special: false)])
    let first = vocabulary(
      ["in", "ing"] + alphabet.reversed() + ["ll", "he", "hell"],
      ends.reversed() + [added("<|one|>"), added("<|both|>", special: false)], multiple: 16)
    var both = added("<|both|>")
    both.stripsLeft = true
    let second = vocabulary(
      alphabet + ["he", "ll", "in"], ends + [both, added("<|two|>"), added("he", special: false)])
    return [("base", base), ("tune1", first), ("tune2", second), ("twin", base)].enumerated().map { number, member in
      let shapes = shapes(rows: member.1.rows)
      let bytes = shapes.map { ($0.name, fill(number, $0.name, $0.shape.reduce(1, *))) }
      return Member(
        name: member.0, vocabulary: member.1, tensors: Dictionary(uniqueKeysWithValues: bytes), shapes: shapes)
    }
  }()

  private static func shapes(rows: Int) -> [(name: String, shape: [Int])] {
    let (hidden, inner, at) = (32, 48, "model.layers.0.")
    var shapes = [
      ("model.embed_tokens.weight", [rows, hidden]), ("lm_head.weight", [rows, hidden]),
      ("model.norm.weight", [hidden]),
      (at + "input_layernorm.weight", [hidden]), (at + "post_attention_layernorm.weight", [hidden]),
      (at + "mlp.down_proj.weight", [hidden, inner]),
    ]
    shapes += ["q", "k", "v", "o"].map { ("\(at)self_attn.\($0)_proj.weight", [hidden, hidden]) }
    shapes += ["gate", "up"].map { ("\(at)mlp.\($0)_proj.weight", [inner, hidden]) }
    return shapes
  }

  /// bf16 near 0.02; model 0 is the base, the others move two thirds of the elements by a few steps.
  private static func fill(_ model: Int, _ name: String, _ count: Int) -> [UInt8] {
    let seed = name.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    var base = SplitMix(state: seed)
    var own = SplitMix(state: seed &+ 1000 &* UInt64(model))
    return (0..<count).flatMap { _ -> [UInt8] in
      let word = base.next()
      var bits = Int(word & 1) << 15 | (117 + Int((word >> 8) % 6)) << 7 | Int(word >> 16) & 0x7F
      if model > 0 {
        let change = own.next()
        if change % 3 != 0 { bits = (bits + Int((change >> 8) % 9) - 4) & 0xFFFF }
      }
      return [UInt8(bits & 0xFF), UInt8(bits >> 8)]
    }
  }

  static func output(_ recipe: Recipe) throws -> OutputVocabulary? {
    let vocabularies = Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.vocabulary) })
    return try recipe.tokenizer.map {
      try OutputVocabulary($0, models: recipe.mergedReferences, base: recipe.base, vocabularies: vocabularies)
    }
  }

  /// - Parameter tied: the model whose head is its embedding.
  static func plan(_ yaml: String, arithmetic: String = Plan.exact1, tied: String? = nil) throws -> Plan {
    let recipe = try Recipe(yaml: yaml)
    let inputs = members.map { member in
      model(member.name, member.shapes.filter { member.name != tied || $0.name != "lm_head.weight" })
    }
    return try Planner.plan(
      recipe: recipe, inputs: inputs, arithmetic: arithmetic, seed: 7, vocabulary: try output(recipe))
  }

  static func source(_ plan: Plan) -> ArraySource {
    ArraySource(tensors: plan.inputs.map { name in members.first { $0.name == name }?.tensors ?? [:] })
  }
}
