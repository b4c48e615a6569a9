import Merging
import Tensors
import Testing

private func pair(_ first: [String], _ second: [String], method: String = "linear", tail: String = "") throws -> Plan {
  let recipe = try Recipe(
    yaml: """
      merge_method: \(method)
      models: [{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 2}}]
      \(tail)
      """)
  return try Planner.plan(
    recipe: recipe, inputs: [model("a", first.map { ($0, [4, 2]) }), model("b", second.map { ($0, [4, 2]) })])
}

private func sources(_ plan: Plan, _ name: String) -> [String] {
  plan.tensors.first { $0.name == name }?.inputs.map(\.tensor) ?? []
}

@Suite("heads that some models tie to their embedding") struct TiedHeadTests {
  @Test(
    "where one model has a head of its own, the embedding of the other is its head, by mergekit's tables",
    arguments: [
      ("lm_head.weight", "model.embed_tokens.weight"), ("lm_head.weight", "transformer.wte.weight"),
      ("lm_head.weight", "wte.weight"), ("lm_head.weight", "shared.weight"),
      ("lm_head.weight", "backbone.embeddings.weight"), ("output.weight", "model.tok_embeddings.weight"),
      ("lm_head.weight", "model.language_model.embed_tokens.weight"),
      ("language_model.lm_head.weight", "language_model.model.embed_tokens.weight"),
      ("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
      ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
      ("vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"),
    ])
  func tied(_ head: String, _ embedding: String) throws {
    for (first, second) in [([embedding, head], [embedding]), ([embedding], [embedding, head])] {
      let plan = try pair(first, second)
      #expect(plan.tensors.count == 2)
      #expect(sources(plan, embedding) == [embedding, embedding])
      #expect(sources(plan, head) == (first.count == 2 ? [head, embedding] : [embedding, head]))
    }
  }

  @Test("where no model has a head of its own, neither has the result")
  func allTied() throws {
    let names = ["model.embed_tokens.weight", "model.norm.weight"]
    #expect(try pair(names, names).tensors.map(\.name) == names)
  }

  @Test("slices take a tied head too, from the last slice's models")
  func slices() throws {
    let recipe = try Recipe(
      yaml: """
        merge_method: linear
        parameters: {weight: 1}
        slices:
        - sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]
        - sources: [{model: b, layer_range: [0, 1]}, {model: a, layer_range: [0, 1]}]
        """)
    let names = ["model.embed_tokens.weight", "model.layers.0.w"]
    let inputs = [model("a", names.map { ($0, [4]) }), model("b", (names + ["lm_head.weight"]).map { ($0, [4]) })]
    let plan = try Planner.plan(recipe: recipe, inputs: inputs)
    #expect(sources(plan, "lm_head.weight") == ["lm_head.weight", "model.embed_tokens.weight"])
  }

  @Test("a head without a known embedding is refused, not guessed at; so is any other tensor that one model lacks")
  func refused() throws {
    for (head, other) in [("lm_head.weight", "my.embedding.weight"), ("output.weight", "model.embed_tokens.weight")] {
      let expected = MergeError.missingTensor(head, lacking: "b", having: "a")
      #expect(throws: expected) { try pair([head, other], [other]) }
      #expect(
        expected.description == "tensor '\(head)' is in model 'a' but not in model 'b', nor an embedding there that is "
          + "known to serve as it")
    }
    #expect(throws: MergeError.missingTensor("model.layers.0.q.bias", lacking: "b", having: "a")) {
      try pair(["model.layers.0.q.bias", "w"], ["w"])
    }
    #expect(
      MergeError.missingTensor("x", lacking: "b", having: "a").description
        == "tensor 'x' is in model 'a' but not in model 'b'")
  }

  @Test("a head of another vocabulary than the embedding beside it is refused by its shape")
  func shapes() throws {
    let recipe = try Recipe(
      yaml: "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a}, {model: b}]")
    let inputs = [
      model("a", [("lm_head.weight", [5, 2]), ("model.embed_tokens.weight", [4, 2])]),
      model("b", [("model.embed_tokens.weight", [4, 2])]),
    ]
    #expect(throws: MergeError.self) { try Planner.plan(recipe: recipe, inputs: inputs) }
  }
}
