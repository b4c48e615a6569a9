import TestSupport
import Tensors
import Testing

@testable import Merging

@Suite("what a plan says that a merge costs") struct PlanCostTests {
  @Test(
    "as many bytes are read as planned, measuring passes included",
    arguments: MergeMethod.inRecipes.filter { ![.somf, .safeLora, .safeMerge].contains($0) })
  func bytes(_ method: MergeMethod) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let values = ["weight": "0.5", "t": "0.4", "density": "0.5", "epsilon": "0.1", "select_topk": "0.5", "scale": "2"]
    let parameters = method.parameters.compactMap { rule in values[rule.name].map { "\(rule.name): \($0)" } }
    let several = method.inputCount.contains(2) && method != .passthrough
    let recipe = try Recipe(
      yaml: """
        merge_method: \(method.rawValue)
        \(method.needsBase ? "base_model: base" : "")
        models: [{model: a}\(several ? ", {model: b}" : "")]
        parameters: {\(parameters.joined(separator: ", "))}
        """)
    // Small enough to be counted, large enough to be sampled.
    for shape in [[200, 300], [300, 1000]] {
      let models = recipe.modelReferences
      let count = shape.reduce(1, *)
      let plan = try Planner.plan(recipe: recipe, inputs: models.map { model($0, [("x", shape)], .f32) })
      var shares: [Double] = []
      // Of random numbers a sample misleads now and then, and more is read; not three times in a row.
      while shares.count < 3 && (shares.min() ?? 2) >= 1.4 {
        let source = CountingSource(
          ArraySource(
            tensors: models.map { _ in
              ["x": (0..<count).flatMap { _ in Plain.bytes(Double.random(in: -1..<1, using: &random), .f32) }]
            }))
        _ = try Executor(plan: plan, source: source).bytes(of: 0, block: 1 << 18)
        shares.append(Double(source.bytes) / Double(plan.bytesToRead))
      }
      // A sample is read beside, and of random numbers a few may be equal at a cut.
      let share = try #require(shares.min())
      #expect(share >= 1 && share < 1.4, "\(method), \(shape), seed \(seed): \(shares)")
    }
  }

  @Test("lines of ways are wrapped at 80 columns")
  func wrapping() throws {
    let recipe = try Recipe(
      yaml: """
        merge_method: della
        base_model: base
        models:
        - {model: a, parameters: {weight: [0.1, 0.7], density: [0.3, 0.4]}}
        - {model: b, parameters: {weight: 0.123456789, density: 0.5}}
        stemma: {seed: 7, rescale: paper}
        """)
    let names = (0..<4).map { ("model.layers.\($0).w", [2]) }
    let plan = try Planner.plan(recipe: recipe, inputs: ["a", "b", "base"].map { model($0, names) })
    let lines = plan.description.split(separator: "\n")
    #expect(lines.allSatisfy { $0.count <= 80 && !$0.hasSuffix(" ") }, "\(plan)")
    #expect(lines.count { $0.hasPrefix("way ") } == 5 && lines.contains { $0.hasPrefix("       ") })
  }
}
