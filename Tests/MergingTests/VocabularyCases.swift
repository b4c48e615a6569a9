import Merging
import Synchronization
import TestSupport
import Tensors
import Testing

/// A recipe in exact arithmetic, of the models of `VocabularyFamily`.
struct ExactCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let yaml: String

  private init(_ method: String, base: Bool, _ parameters: String, _ tokenizer: String) {
    testDescription = "\(method), \(tokenizer)"
    let models =
      base
      ? "base_model: base\nmodels: [{model: tune1}, {model: tune2}]"
      : "models: [{model: tune2}, {model: tune1}, {model: base}]"
    yaml = "merge_method: \(method)\n\(models)\nparameters: {\(parameters)}\nout_dtype: bfloat16\n\(tokenizer)"
  }

  static let all = [
    ExactCase("linear", base: false, "weight: [0.3]", "tokenizer_source: union"),
    ExactCase("linear", base: true, "weight: 0.7", "tokenizer_source: base"),
    ExactCase("task_arithmetic", base: true, "weight: 0.4", "tokenizer: {pad_to_multiple_of: 50}"),
    ExactCase("ties", base: true, "weight: 0.4, density: 0.3", "tokenizer_source: tune2"),
    ExactCase("dare_ties", base: true, "weight: 0.4, density: 0.3", "tokenizer: {pad_to_multiple_of: 7}"),
    ExactCase("model_stock", base: true, "filter_wise: true", "tokenizer: {pad_to_multiple_of: 64, source: tune1}"),
    ExactCase("karcher", base: false, "max_iter: 3", "tokenizer_source: union"),
    ExactCase(
      "linear", base: false, "weight: 1",
      "tokenizer: {source: base, pad_to_multiple_of: 3, tokens: {"
        + "'</s>': {source: {kind: model_token, model: tune1, token_id: 9}, force: true}, "
        + "'<|one|>': {source: tune1}, '<0>': {source: {kind: zero}}}}"),
  ]
}

/// A recipe that is refused, and a part of what the refusal says.
struct Refusal: Sendable, CustomTestStringConvertible {
  let yaml: String
  let says: String
  var testDescription: String { yaml }

  private init(_ yaml: String, _ says: String) { (self.yaml, self.says) = (yaml, says) }

  static let all = [
    Refusal("tokenizer_source: base\ntokenizer: {source: union}", "(line 5): expected one of 'tokenizer_source'"),
    Refusal("tokenizer: {sorce: union}", "unknown key 'sorce' in tokenizer (line 4), did you mean 'source'?"),
    Refusal("tokenizer: {tokens: {x: {sauce: base}}}", "unknown key 'sauce' in token 'x' (line 4)"),
    Refusal("tokenizer: {tokens: {x: {source: bose}}}", "(did you mean 'base'?), found 'bose'"),
    Refusal("tokenizer: {tokens: {x: {source: twin}}}", "among the models merged, found 'twin'"),
    Refusal("tokenizer: {tokens: {'<|one|>': {source: base}}}", "in the vocabulary of its source 'base', found none"),
    Refusal("tokenizer: {tokens: {zz: {force: false}}}", "'zz': expected a source, because not every model has it"),
    Refusal("tokenizer: {tokens: {he: {force: true}}}", "'he': expected a source, because it is forced"),
    Refusal("tokenizer: {tokens: {x: {source: {kind: one}}}}", "'kind' (line 4) must be zero or model_token"),
    Refusal("tokenizer: {tokens: {x: {source: {kind: zero, model: base}}}}", "expected nothing but 'kind: zero'"),
    Refusal("tokenizer: {tokens: {x: {source: {kind: model_token, model: base}}}}", "one of 'token' and 'token_id'"),
    Refusal(
      "tokenizer: {tokens: {x: {source: {kind: model_token, model: base, token_id: 263}}}}",
      "expected a token_id below the 263 rows of 'base', found 263"),
    Refusal(
      "tokenizer: {tokens: {x: {source: {kind: model_token, model: base, token: ing}}}}",
      "expected a token of model 'base', found 'ing', which it has not"),
    Refusal("tokenizer: {pad_to_multiple_of: 0}", "'pad_to_multiple_of' (line 4) must be a whole number from 1"),
    Refusal("tokenizer_source: {model: a+b+c}", "a model, or a model and an adapter as 'model+adapter'"),
  ]
}

/// Embedding and head brought into one vocabulary token by token, in f32, written without the package's row maps.
struct PlainAlignment {
  private let recipe: Recipe
  private let names: [String]
  private let vocabulary: OutputVocabulary
  private let members: [VocabularyFamily.Member]

  init(_ recipe: Recipe, _ inputs: [String]) throws {
    self.recipe = recipe
    names = recipe.mergedReferences
    vocabulary = try #require(try VocabularyFamily.output(recipe))
    members = names.compactMap { name in VocabularyFamily.members.first { $0.name == name } }
  }

  /// By model and tensor, f32 bytes.
  func models() throws -> [String: [String: [UInt8]]] {
    var found: [String: [String: [UInt8]]] = [:]
    for tensor in ["model.embed_tokens.weight", "lm_head.weight"] {
      for (name, rows) in zip(names, aligned(tensor)) {
        found[name, default: [:]][tensor] = rows.joined().flatMap { value in
          (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) }
        }
      }
    }
    return found
  }

  private func row(_ member: Int, _ tensor: String, _ id: Int) -> [Float] {
    let bytes = members[member].tensors[tensor] ?? []
    return (id * 32..<id * 32 + 32).map {
      Float(bitPattern: UInt32(bytes[2 * $0]) << 16 | UInt32(bytes[2 * $0 + 1]) << 24)
    }
  }

  private func aligned(_ tensor: String) -> [[[Float]]] {
    let tokens = vocabulary.ids.sorted { $0.value < $1.value }.map(\.key)
    var out = members.map { _ in [[Float]]() }
    for token in tokens {
      let own = members.indices.map { member in
        members[member].vocabulary.ids[token].map { row(member, tensor, $0) }
      }
      let setting = recipe.tokenizer?.tokens.first { $0.text == token.text }
      for member in members.indices {
        if setting?.isForced != true, let mine = own[member] {
          out[member].append(mine)
        } else {
          out[member].append(common(setting, own, tensor, token))
        }
      }
    }
    for member in members.indices {
      let sums = (0..<32).map { column in out[member].reduce(0.0) { $0 + Double($1[column]) } }
      let padding = sums.map { Float($0 / Double(tokens.count)) }
      while out[member].count < vocabulary.rows { out[member].append(padding) }
    }
    return out
  }

  private func common(
    _ setting: Recipe.Tokenizer.Setting?, _ own: [[Float]?], _ tensor: String, _ token: Token
  ) -> [Float] {
    func place(_ name: String) -> Int { names.firstIndex(of: name) ?? 0 }
    switch setting?.source {
    case .zero: return [Float](repeating: 0, count: 32)
    case .model(let name): return own[place(name)] ?? []
    case .id(let name, let id): return row(place(name), tensor, id)
    case .token(let name, let text):
      return row(place(name), tensor, members[place(name)].vocabulary.ids[Token(text)] ?? 0)
    case nil: break
    }
    let owners = own.compactMap(\.self)
    if owners.count == 1 { return owners[0] }
    if let base = recipe.base, let row = own[place(base)] { return row }
    if owners.isEmpty { return [Float](repeating: 0, count: 32) }
    return (0..<32).map { column in owners.reduce(Float(0)) { $0 + $1[column] } / Float(owners.count) }
  }
}

/// Counts the bytes that are read of another source.
final class CountingSource: TensorSource {
  private let source: ArraySource
  private let read = Mutex(0)

  init(_ source: ArraySource) { self.source = source }

  var bytes: Int { read.withLock { $0 } }

  func read(input: Int, tensor: String, bytes: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    read.withLock { $0 += bytes.count }
    try source.read(input: input, tensor: tensor, bytes: bytes, into: target)
  }
}
