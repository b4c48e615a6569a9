import Tensors
import TestSupport
import Testing

@testable import Merging

/// A base, two adapters of one weight, and a mask of their entries, random; and the masked weight by plain loops.
private struct FactorTrial {
  let rows: Int
  let columns: Int
  let rank: Int
  let isTransposed: Bool
  let weightDType: DType
  let factorDType: DType
  let anchorDType: DType
  let scale = 1.75
  private(set) var bits: [String: [Bool]] = [:]
  private(set) var data: [String: [String: [UInt8]]] = [:]

  init(
    _ rows: Int, _ columns: Int, rank: Int, transposed: Bool = false, density: Double = 0.6,
    _ weightDType: DType = .bf16, _ factorDType: DType = .f32, anchor: DType = .bf16, seed: UInt64
  ) {
    (self.rows, self.columns, self.rank, isTransposed) = (rows, columns, rank, transposed)
    (self.weightDType, self.factorDType, anchorDType) = (weightDType, factorDType, anchor)
    var random = SplitMix(state: seed)
    func values(_ count: Int, _ dtype: DType) -> [UInt8] {
      (0..<count).flatMap { _ in Plain.bytes(Double.random(in: -1..<1, using: &random), dtype) }
    }
    data["base"] = ["w": values(rows * columns, weightDType)]
    for (name, count) in [("a", rank * inputs), ("b", outputs * rank)] {
      data["task", default: [:]][name] = values(count, factorDType)
      data["safe", default: [:]][name] = values(count, anchor)
      // At least one is kept.
      let drawn = (0..<count).map { $0 == count / 2 || Double.random(in: 0..<1, using: &random) < density }
      bits[name] = drawn
      data["mask", default: [:]][name] = stride(from: 0, to: count, by: 8).map { start in
        (start..<min(count, start + 8)).reduce(0) { $0 | (drawn[$1] ? 1 : 0) << UInt8($1 - start) }
      }
    }
  }

  /// One of any shape and dtypes.
  init(random seed: UInt64) {
    var random = SplitMix(state: seed)
    func dtype() -> DType { [.bf16, .f16, .f32, .f32, .f64].randomElement(using: &random) ?? .f32 }
    self.init(
      Int.random(in: 1...40, using: &random), Int.random(in: 1...60, using: &random),
      rank: Int.random(in: 1...9, using: &random), transposed: Bool.random(using: &random),
      density: Double.random(in: 0...1, using: &random), dtype(), dtype(), anchor: dtype(),
      seed: seed &+ 1000)
  }

  var outputs: Int { isTransposed ? columns : rows }
  var inputs: Int { isTransposed ? rows : columns }
  var shapes: [String: Shape] { ["a": Shape([rank, inputs]), "b": Shape([outputs, rank])] }

  var mask: MaskInput {
    MaskInput(
      reference: "mask",
      tensors: shapes.reduce(into: [:]) { $0[$1.key] = .init(shape: $1.value, ones: bits[$1.key]!.count { $0 }) },
      isOfFactors: true)
  }

  func adapted(
    _ name: String, magnitude: String? = nil, scale: Double? = nil, base: String = "base", own: Bool = false,
    more: [TensorInput] = []
  ) -> ModelInput {
    let dtype = name == "safe" ? anchorDType : factorDType
    let change = LowRank(
      weightDType: weightDType, adapter: 1, a: .init(name: "a", dtype: dtype), b: .init(name: "b", dtype: dtype),
      magnitude: magnitude.map { .init(name: $0, dtype: dtype) }, rank: rank, scale: scale ?? self.scale,
      isTransposed: isTransposed)
    let weight = TensorInput(
      name: "w", dtype: weightDType, shape: Shape([rows, columns]), part: own ? 1 : 0, change: change)
    let whole = more.filter { $0.part == 1 }.map { ($0.storedName, $0.shape) }
    return ModelInput(
      reference: "\(base)+\(name)", parts: [base, name], tensors: [weight] + more,
      adapterTensors: shapes.merging(whole) { first, _ in first })
  }

  var base: ModelInput {
    ModelInput(
      reference: "base", tensors: [TensorInput(name: "w", dtype: weightDType, shape: Shape([rows, columns]))])
  }

  func plan(_ yaml: String, _ models: [ModelInput], _ masks: [MaskInput]? = nil) throws -> Plan {
    try Planner.plan(recipe: Recipe(yaml: yaml), inputs: models, masks: masks ?? [mask])
  }

  /// The only tensor that comes out, in blocks of so many elements.
  func result(_ plan: Plan, block: Int, workers: Int = 1) throws -> [UInt8] {
    try Executor(plan: plan, source: ArraySource(tensors: plan.inputs.map { data[$0]! }))
      .bytes(of: 0, block: block, workers: workers)
  }

  func numbers<Wide: BinaryFloatingPoint>(_ model: String, _ name: String, _ dtype: DType) -> [Wide] {
    MethodTrial.numbers(data[model]![name]!, dtype).map { Wide($0) }
  }

  /// `F₀ + m (F - F₀) / mean(m)`.
  private func factor<Wide: BinaryFloatingPoint>(_ name: String, rescales: Bool, anchored: Bool) -> [Wide] {
    let own: [Wide] = numbers("task", name, factorDType)
    let start: [Wide] = anchored ? numbers("safe", name, anchorDType) : own.map { _ in 0 }
    let bits = bits[name]!
    let mean = Wide(Double(bits.count { $0 }) / Double(bits.count))
    return own.indices.map { index in
      let change = bits[index] ? (anchored ? own[index] - start[index] : own[index]) : 0
      let kept = rescales ? change / mean : change
      return anchored ? start[index] + kept : kept
    }
  }

  /// `W + s B A` of the masked factors.
  func plain<Wide: BinaryFloatingPoint>(rescales: Bool, anchored: Bool, as: Wide.Type) -> [Wide] {
    let a: [Wide] = factor("a", rescales: rescales, anchored: anchored)
    let b: [Wide] = factor("b", rescales: rescales, anchored: anchored)
    var out: [Wide] = numbers("base", "w", weightDType)
    for output in 0..<outputs {
      for input in 0..<inputs {
        var sum: Wide = 0
        for index in 0..<rank {
          let product = b[output * rank + index] * a[index * inputs + input]
          sum = sum + product
        }
        let change = Wide(scale) * sum
        let place = isTransposed ? input * columns + output : output * columns + input
        out[place] = out[place] + change
      }
    }
    return out
  }

  func plainBytes(rescales: Bool, anchored: Bool) -> [UInt8] {
    if [weightDType, factorDType].contains(.f64) || anchored && anchorDType == .f64 {
      return plain(rescales: rescales, anchored: anchored, as: Double.self).flatMap { Plain.bytes($0, .f64) }
    }
    return plain(rescales: rescales, anchored: anchored, as: Float.self).flatMap { Plain.bytes(Double($0), .f64) }
  }
}

@Suite("masks of factors in recipes")
struct FactorMaskTests {
  private static func stemma(_ rescales: Bool) -> String {
    "stemma: {mask: {name: mask, rescale: \(rescales ? "mean" : "none")}}\n"
  }

  @Test("factors are masked before their product, as plain loops do it, to the bit, whatever the block and dtype")
  func bits() throws {
    for seed in UInt64(1)...40 {
      let trial = FactorTrial(random: seed)
      for rescales in [true, false] {
        let free = try trial.plan(
          "merge_method: passthrough\nmodels: [{model: base+task}]\ndtype: float64\n" + Self.stemma(rescales),
          [trial.adapted("task")])
        // The base with its adapter counts nothing, but for what the factors are measured from.
        let anchored = try trial.plan(
          "merge_method: linear\nbase_model: base+safe\nmodels: [{model: base+task, parameters: {weight: 1}}, "
            + "{model: base+safe, parameters: {weight: 0}}]\ndtype: float64\n" + Self.stemma(rescales),
          [trial.adapted("task"), trial.adapted("safe")])
        #expect(free.inputs == ["base", "task", "mask"] && anchored.inputs == ["base", "task", "safe", "mask"])
        for block in [1, 7, 64, 100_000] {
          #expect(
            try trial.result(free, block: block) == trial.plainBytes(rescales: rescales, anchored: false),
            "seed \(seed), rescales \(rescales), block \(block)")
          let found = try trial.result(anchored, block: block, workers: 2)
          let wanted = trial.plainBytes(rescales: rescales, anchored: true)
          #expect(
            MethodTrial.numbers(found, .f64) == MethodTrial.numbers(wanted, .f64),
            "seed \(seed), rescales \(rescales), block \(block), from an adapter")
        }
      }
    }
  }

  @Test("somf adds what the masked factors change to the base; a mask of all ones is none; a model's own goes first")
  func methods() throws {
    let trial = FactorTrial(31, 45, rank: 4, seed: 3)
    func result(_ method: String, _ stemma: String, own: String = "") throws -> [UInt8] {
      let yaml =
        "merge_method: \(method)\nbase_model: base\nmodels: [{model: base+task, parameters: {weight: 1}\(own)}]\n"
        + "dtype: float32\nstemma: {\(stemma)}"
      return try trial.result(trial.plan(yaml, [trial.base, trial.adapted("task")]), block: 99)
    }
    let weights: [Float] = trial.numbers("base", "w", .bf16)
    let masked = trial.plain(rescales: true, anchored: false, as: Float.self)
    let wanted = zip(weights, masked).map { $0 + ($1 - $0) }
    #expect(MethodTrial.numbers(try result("somf", "mask: mask"), .f32) == wanted.map { Double($0) })
    let none = try result("task_arithmetic", "mask: {name: mask, rescale: none}")
    #expect(try result("task_arithmetic", "mask: mask", own: ", stemma: {mask: {name: mask, rescale: none}}") == none)
    #expect(try result("task_arithmetic", "mask: mask") != none)
    var whole = trial
    whole.fill()
    let all = try whole.result(
      whole.plan(
        "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: base+task, parameters: {weight: 1}}]\n"
          + "dtype: float32\nstemma: {mask: mask}", [whole.base, whole.adapted("task")]), block: 99)
    #expect(all == (try result("task_arithmetic", "mask: mask", own: ", stemma: {mask: false}")))
  }

  @Test("a tensor that the adapter holds whole is masked as a weight; one it does not touch stays as it is")
  func whole() throws {
    var trial = FactorTrial(6, 10, rank: 2, .f32, .f32, seed: 8)
    let (own, start) = ((0..<9).map { Double($0) }, (0..<9).map { Double(-$0) })
    trial.add("task", "h.saved", own)
    trial.add("base", "h", start)
    trial.add("base", "n", start)
    trial.addBits("h.saved", [0, 3, 8], of: 9)
    func tensor(_ name: String, _ stored: String, part: Int) -> TensorInput {
      TensorInput(name: name, dtype: .f32, shape: Shape([9]), part: part, storedName: stored)
    }
    let more = [tensor("n", "n", part: 0), tensor("h", "h.saved", part: 1)]
    let base = ModelInput(
      reference: "base", tensors: trial.base.tensors + [tensor("n", "n", part: 0), tensor("h", "h", part: 0)])
    let mask = MaskInput(
      reference: "mask", tensors: trial.mask.tensors.merging(["h.saved": .init(shape: Shape([9]), ones: 3)]) { $1 },
      isOfFactors: true)
    let yaml =
      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: base+task, parameters: {weight: 1}}]\n"
      + "stemma: {mask: {name: mask, rescale: none}}"
    let plan = try trial.plan(yaml, [base, trial.adapted("task", more: more)], [mask])
    #expect(plan.tensors.map(\.name) == ["h", "n", "w"])
    let executor = Executor(plan: plan, source: ArraySource(tensors: plan.inputs.map { trial.data[$0]! }))
    let kept = (0..<9).map { Double([0, 3, 8].contains($0) ? $0 : -$0) }
    #expect(MethodTrial.numbers(try executor.bytes(of: 0, block: 4), .f32) == kept)
    #expect(MethodTrial.numbers(try executor.bytes(of: 1, block: 4), .f32) == start)
    #expect(plan.description.contains("(factors 2)") && plan.description.contains("(mask 2)"))
    #expect(plan.tensors[2].bytesToRead == 2 * 240 + 4 * (20 + 12) + 3 + 2)
  }

  @Test("an entry that is not finite is not hidden by a mask, unless the recipe lets it through")
  func nonfinite() throws {
    var trial = FactorTrial(12, 20, rank: 3, density: 0.4, .f32, .f32, seed: 9)
    let hidden = trial.bits["a"]!.firstIndex(of: false)!
    trial.spoil(entry: hidden)
    for (method, element) in [("ties", hidden % 20), ("task_arithmetic", hidden % 20)] {
      let yaml =
        "merge_method: \(method)\nbase_model: base\nmodels: [{model: base+task, parameters: {weight: 1}}]\n"
        + "stemma: {mask: mask}"
      let plan = try trial.plan(yaml, [trial.base, trial.adapted("task")])
      let error = #expect(throws: MergeError.self) { try trial.result(plan, block: 240) }
      #expect(error?.description.contains("tensor 'w' of model 'base+task' has NaN at element \(element)") == true)
    }
    let allowed = try trial.plan(
      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: base+task, parameters: {weight: 1}}]\n"
        + "stemma: {mask: mask, allow_nonfinite: true}", [trial.base, trial.adapted("task")])
    let found = MethodTrial.numbers(try trial.result(allowed, block: 240), .f32)
    #expect(found.indices.allSatisfy { found[$0].isNaN == ($0 % 20 == hidden % 20) })
  }
}

extension FactorTrial {
  fileprivate mutating func fill() {
    for (name, all) in bits {
      bits[name] = all.map { _ in true }
      data["mask"]![name] = stride(from: 0, to: all.count, by: 8).map { UInt8((1 << min(8, all.count - $0)) - 1) }
    }
  }

  fileprivate mutating func add(_ model: String, _ tensor: String, _ values: [Double]) {
    data[model]![tensor] = values.flatMap { Plain.bytes($0, .f32) }
  }

  fileprivate mutating func addBits(_ tensor: String, _ ones: [Int], of count: Int) {
    var bytes = [UInt8](repeating: 0, count: (count + 7) / 8)
    for one in ones { bytes[one / 8] |= 1 << UInt8(one % 8) }
    data["mask"]![tensor] = bytes
  }

  fileprivate mutating func spoil(entry: Int) {
    data["task"]!["a"]!.replaceSubrange(4 * entry..<4 * entry + 4, with: Plain.bytes(.nan, .f32))
  }
}

@Suite("masks of factors that do not fit")
struct FactorMaskRefusalTests {
  private let trial = FactorTrial(6, 10, rank: 2, seed: 5)

  private func refusal(
    _ tensors: [String: MaskInput.Tensor]? = nil, _ base: ModelInput? = nil, _ task: ModelInput? = nil,
    rescale: String = "mean"
  ) throws -> String {
    let (base, task) = (base ?? trial.base, task ?? trial.adapted("task"))
    let yaml =
      "merge_method: somf\nbase_model: \(base.reference)\nmodels: [{model: \(task.reference)}]\n"
      + "stemma: {mask: {name: mask, rescale: \(rescale)}}"
    let mask = MaskInput(reference: "mask", tensors: tensors ?? trial.mask.tensors, isOfFactors: true)
    return try #require(throws: MergeError.self) { try trial.plan(yaml, [base, task], [mask]) }.description
  }

  @Test("tensors that are missing, too many or of other shapes are named in one line, and so is what keeps nothing")
  func tensors() throws {
    let own = trial.mask.tensors
    let place = "mask 'mask' of factors, for model 'base+task'"
    let wanted = ": expected bits for all tensors of the adapter, in their shapes, and no others, found "
    let advice = "; learn or make a mask of this adapter"
    #expect(try refusal(["a": own["a"]!]) == place + wanted + "'b' not in the mask" + advice)
    #expect(
      try refusal(own.merging(["c": own["a"]!, "w": own["a"]!]) { $1 }) == place + wanted
        + "'c' only in the mask, 'w' only in the mask" + advice)
    #expect(
      try refusal(own.merging(["a": .init(shape: Shape([10, 2]), ones: 4)]) { $1 }) == place + wanted
        + "'a' [2, 10] in the adapter and [10, 2] in the mask" + advice)
    let nothing = own.merging(["b": .init(shape: own["b"]!.shape, ones: 0)]) { $1 }
    #expect(
      try refusal(nothing) == place + ", tensor 'b': expected at least one entry kept, for rescale: mean, found none")
    #expect(throws: Never.self) {
      try trial.plan(
        "merge_method: passthrough\nmodels: [{model: base+task}]\nstemma: {mask: {name: mask, rescale: none}}",
        [trial.adapted("task")], [MaskInput(reference: "mask", tensors: nothing, isOfFactors: true)])
    }
  }

  @Test("a model that is no adapter, DoRA, a weight of the adapter's own and another base are refused")
  func models() throws {
    let place = "mask 'mask' of factors, for model "
    let other = ModelInput(reference: "other", tensors: trial.base.tensors)
    #expect(
      try refusal(nil, nil, other) == place + "'other': expected an adapter, as 'base+adapter', found a model; give it "
        + "a mask of weights, or none by stemma: {mask: false}")
    #expect(try refusal(nil, nil, trial.adapted("task", magnitude: "m")).contains("'m' in 'base+task', which were"))
    #expect(try refusal(nil, nil, trial.adapted("task", own: true)).contains("'b' beside 'w', a weight of the adapter"))
    #expect(
      try refusal(nil, other) == place + "'base+task': expected an adapter of the base_model, 'other', found one of "
        + "'base'")
  }

  @Test("an adapter under the base has the model's tensors, ranks and scales, and is among a slice's sources")
  func anchors() throws {
    #expect(throws: Never.self) {
      try trial.plan(
        "merge_method: somf\nbase_model: base+safe\nmodels: [{model: base+task}]\nstemma: {mask: mask}",
        [trial.adapted("safe"), trial.adapted("task")])
    }
    #expect(
      try refusal(nil, trial.adapted("safe", scale: 2)).contains(
        "expected 'b' of rank 2 and scale 2, as in 'base+safe', the base_model, found 'b' of rank 2 and scale 1.75"))
    #expect(try refusal(nil, trial.adapted("safe", magnitude: "m")).contains("'m' in 'base+safe'"))
    let more = [TensorInput(name: "h", dtype: .f32, shape: Shape([9]), part: 1, storedName: "h.saved")]
    #expect(try refusal(nil, trial.adapted("safe", more: more)).contains("'h.saved' only in 'base+safe'"))
    let sliced =
      "merge_method: passthrough\nbase_model: base+safe\nslices: [{sources: [{model: base+task, layer_range: [0, 1]}]}]"
      + "\nstemma: {mask: mask}"
    let error = #expect(throws: MergeError.self) {
      try trial.plan(sliced, [trial.adapted("task"), trial.adapted("safe")])
    }
    #expect(
      error?.description.contains("'base+safe' among the sources of its slice") == true, "\(String(describing: error))")
    let weights = MaskInput(
      reference: "mask", tensors: ["w": .init(shape: Shape([6, 10]), ones: 6)], isOfFactors: false)
    let weighed = #expect(throws: MergeError.self) {
      try trial.plan(
        "merge_method: somf\nbase_model: base+safe\nmodels: [{model: base+task}]\nstemma: {mask: mask}",
        [trial.adapted("safe"), trial.adapted("task")], [weights])
    }
    #expect(weighed?.description.contains("a base model with an adapter beside masks of weights") == true)
  }
}
