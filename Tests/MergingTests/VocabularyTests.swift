import Crypto
import Merging
import TestSupport
import Tensors
import Testing

@Suite("vocabularies of their own")
struct VocabularyTests {
  private typealias Family = VocabularyFamily

  private let pair = "merge_method: linear\nmodels: [{model: base}, {model: tune1}]\nparameters: {weight: 0.5}\n"

  @Test("merges come out as mergekit makes them, bit for bit", arguments: VocabularyGolden.all)
  func golden(_ golden: VocabularyGolden) throws {
    #expect(try digest(of: Family.plan(golden.yaml, arithmetic: Plan.mergekit015)) == golden.sha256)
  }

  @Test("so do those where one model's head is its embedding")
  func tied() throws {
    let union = try #require(VocabularyGolden.all.first { $0.testDescription == "a union without a base" })
    #expect(
      try digest(of: Family.plan(union.yaml, arithmetic: Plan.mergekit015, tied: "tune1"))
        == "003c096ca9f294a005585229d4f5338dba6599e6d405c7e1dfef934ecbaf225c")
  }

  private func digest(of plan: Plan) throws -> String {
    let executor = Executor(plan: plan, source: Family.source(plan))
    var hash = SHA256()
    for tensor in plan.tensors.indices { hash.update(data: try executor.bytes(of: tensor, block: 700)) }
    return hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  @Test("equal vocabularies leave the plan as it is without a tokenizer", arguments: ["union", "base", "twin"])
  func equal(source: String) throws {
    let plain = "merge_method: linear\nmodels: [{model: base}, {model: twin}]\nparameters: {weight: 0.5}\n"
    #expect(try Family.plan(plain) == Family.plan(plain + "tokenizer_source: \(source)"))
  }

  @Test("a union keeps the base's ids; then come ordinary tokens, then added ones, model by model")
  func union() throws {
    let recipe = try Recipe(
      yaml: "merge_method: linear\nbase_model: base\nmodels: [{model: tune1}, {model: tune2}]\n"
        + "tokenizer: {tokens: {'<z>': {source: {kind: zero}}}}")
    let output = try #require(try Family.output(recipe))
    #expect(output.donor == "base" && output.ids.count == 268 && output.rows == 268)
    let base = Family.members[0].vocabulary.ids
    #expect(base.allSatisfy { output.ids[$0.key] == $0.value })
    let new = output.additions.filter { base[$0.added.token] == nil }.sorted { $0.id < $1.id }
    #expect(new.map(\.added.token.text) == ["ing", "<|one|>", "<|both|>", "<|two|>", "<z>"])
    #expect(new.map(\.id) == [263, 264, 265, 266, 267])
    // The first of two settings of one token holds, and an ordinary token of the base becomes an added one in place.
    #expect(new[2].added == Family.added("<|both|>", special: false))
    let promoted = output.additions.filter { base[$0.added.token] != nil }
    #expect(promoted.map(\.added.token.text) == ["he"] && promoted[0].id == base[Token("he")])
  }

  @Test("texts that Unicode takes for equal are tokens of their own")
  func canonical() throws {
    let (angstrom, ring) = (Token("\u{212B}"), Token("\u{C5}"))
    #expect(angstrom.text == ring.text && angstrom != ring)
    #expect(Family.vocabulary(["\u{212B}", "\u{C5}"], []).ids.count == 2)
  }

  @Test("the plan says how many rows are kept, averaged and new")
  func text() throws {
    let plan = try Family.plan(
      "merge_method: linear\nmodels: [{model: tune1}, {model: tune2}, {model: base}]\nparameters: {weight: 1}\n"
        + "tokenizer: {pad_to_multiple_of: 16}")
    // Averaged: hell, <|both|> and nothing else. New: ing, <|one|>, <|two|>, <base>, and five rows of padding.
    #expect(
      plan.description.contains(
        "rows remapped: 261 kept, 2 averaged, 9 new in lm_head.weight,\nmodel.embed_tokens.weight"))
    #expect(plan.tensors[0].shape == Shape([272, 32]))
    #expect(plan.tensors[0].bytesToRead == (272 + 263 + 263) * 64)
  }

  @Test("rows come out of any pieces as out of the whole, on any number of workers")
  func ranges() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    for method in ["linear", "ties", "task_arithmetic", "model_stock", "nuslerp"] {
      let plan = try Family.plan(
        "merge_method: \(method)\nbase_model: base\nmodels: [{model: tune1}, {model: tune2}]\n"
          + (method == "model_stock" ? "" : "parameters: {weight: 0.5}\n")
          + "tokenizer: {pad_to_multiple_of: 64, tokens: {'<|one|>': {source: tune1, force: true}}}")
      let executor = Executor(plan: plan, source: Family.source(plan))
      let index = try #require(plan.tensors.firstIndex { $0.name == "model.embed_tokens.weight" })
      let whole = try executor.bytes(of: index, block: 1 << 20)
      let block = Int.random(in: 1...900, using: &dice)
      let pieces = try executor.bytes(of: index, block: block, workers: Int.random(in: 1...3, using: &dice))
      #expect(pieces == whole, "\(method), blocks of \(block), seed \(seed)")
    }
  }

  @Test("a few rows are made of those rows alone")
  func economy() throws {
    let plan = try Family.plan(pair + "tokenizer_source: tune1")
    let index = try #require(plan.tensors.firstIndex { $0.name == "lm_head.weight" })
    let source = CountingSource(Family.source(plan))
    let executor = Executor(plan: plan, source: source)
    var out = [UInt8](repeating: 0, count: 3 * 64)
    try out.withUnsafeMutableBytes {
      try executor.produce(
        tensor: index, elements: 100 * 32..<103 * 32, measurements: [], into: $0, scratch: MergeScratch())
    }
    #expect(source.bytes == 2 * out.count)
  }

  @Test("exact arithmetic merges what a plain alignment in f32 gives", arguments: ExactCase.all)
  func exact(_ test: ExactCase) throws {
    let plan = try Family.plan(test.yaml)
    let executor = Executor(plan: plan, source: Family.source(plan))
    let recipe = try Recipe(yaml: test.yaml)
    let aligned = try PlainAlignment(recipe, plan.inputs).models()
    let plain = test.yaml.split(separator: "\n").filter { !$0.hasPrefix("tokenizer") }.joined(separator: "\n")
    let other = try Planner.plan(
      recipe: try Recipe(yaml: plain),
      inputs: aligned.map { name, tensors in
        model(name, tensors.map { ($0.key, [$0.value.count / 128, 32]) }, .f32)
      })
    let expected = Executor(plan: other, source: ArraySource(tensors: other.inputs.map { aligned[$0] ?? [:] }))
    for (index, tensor) in other.tensors.enumerated() {
      let mapped = try #require(plan.tensors.firstIndex { $0.name == tensor.name })
      #expect(plan.tensors[mapped].rows != nil)
      #expect(try executor.bytes(of: mapped, block: 999) == expected.bytes(of: index, block: 4096), "\(tensor.name)")
    }
  }

  @Test("what does not fit is refused with what and where", arguments: Refusal.all)
  func refused(_ refusal: Refusal) {
    let error = #expect(throws: MergeError.self) { try Family.plan(pair + refusal.yaml) }
    #expect(error?.description.contains(refusal.says) == true, "\(String(describing: error))")
  }

  @Test("ids with gaps, and embeddings of other sizes than the vocabulary, are refused")
  func sizes() throws {
    let recipe = try Recipe(yaml: "{merge_method: linear, models: [{model: a}], tokenizer_source: base}")
    let gap = Vocabulary(ids: [Token("a"): 0, Token("b"): 2], added: [], rows: 3)
    #expect(throws: MergeError.self) {
      try OutputVocabulary(try #require(recipe.tokenizer), models: ["a"], base: nil, vocabularies: ["a": gap])
    }
    let whole = Family.vocabulary(["a", "b", "c"], [])
    let output = try OutputVocabulary(
      try #require(recipe.tokenizer), models: ["a"], base: nil, vocabularies: ["a": whole])
    let names = ["wte.weight", "lm_head.weight"]
    let error = #expect(throws: MergeError.self) {
      try Planner.plan(
        recipe: recipe, inputs: [model("a", [(names[0], [3, 2]), (names[1], [4, 2])])], vocabulary: output)
    }
    #expect(error?.description.contains("'lm_head.weight' of model 'a': expected 3 rows") == true)
    #expect(throws: MergeError.self) {
      try Planner.plan(
        recipe: recipe, inputs: [model("a", [("model.layers.0.wte.weight", [3, 2])])], vocabulary: output)
    }
  }

  @Test("maps that leave rows out, or point outside an input, are none")
  func maps() {
    func map(_ runs: [RowMap.Run]...) -> RowMap? { RowMap(rows: 3, inputRows: runs.map { _ in 2 }, inputs: runs) }
    let own = RowMap.Run(start: 0, count: 2, source: .row(input: 0, first: 0))
    #expect(map([own, .init(start: 2, count: 1, source: .zero)]) != nil)
    #expect(map([own, .init(start: 2, count: 1, source: .padding)])?.tokens == 2)
    #expect(map([own]) == nil)
    #expect(map([own, .init(start: 2, count: 2, source: .zero)]) == nil)
    #expect(map([own, .init(start: 2, count: 1, source: .mean)]) == nil)
    #expect(map([own, .init(start: 2, count: 1, source: .row(input: 0, first: 2))]) == nil)
    #expect(map([own, .init(start: 2, count: 1, source: .row(input: 1, first: 0))]) == nil)
    #expect(map([.init(start: 0, count: 1, source: .padding), .init(start: 1, count: 2, source: .zero)]) == nil)
    #expect(map([.init(start: 0, count: 3, source: .padding)]) == nil)
  }
}
