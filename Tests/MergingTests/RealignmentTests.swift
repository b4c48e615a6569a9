import Tensors
import TestSupport
import Testing

@testable import Merging

/// An aligned model, two tunes, a mask and a subspace, random; one matrix `w` and one vector `v`.
private struct Realigned {
  static let (rows, columns, rank) = (37, 53, 4)
  static let names = ["aligned", "one", "two", "mask", "space"]
  let dtype: DType
  let bits: [Bool]
  let vectorBits: [Bool]
  let basis: [Double]
  private(set) var numbers: [String: [String: [Double]]] = [:]
  private(set) var data: [String: [String: [UInt8]]] = [:]

  init(_ dtype: DType, seed: UInt64) {
    var random = SplitMix(state: seed)
    self.dtype = dtype
    bits = (0..<Self.rows * Self.columns).map { _ in Double.random(in: 0..<1, using: &random) < 0.7 }
    vectorBits = (0..<Self.columns).map { _ in Bool.random(using: &random) }
    basis = Self.orthonormal(&random)
    for name in ["aligned", "one", "two"] {
      for (tensor, count) in [("w", Self.rows * Self.columns), ("v", Self.columns)] {
        let bytes = (0..<count).flatMap { _ in Plain.bytes(Double.random(in: -1..<1, using: &random), dtype) }
        data[name, default: [:]][tensor] = bytes
        numbers[name, default: [:]][tensor] = MethodTrial.numbers(bytes, dtype)
      }
    }
    data["mask"] = ["w": Self.packed(bits), "v": Self.packed(vectorBits)]
    data["space"] = ["w": basis.flatMap { Plain.bytes($0, .f32) }]
  }

  private static func packed(_ bits: [Bool]) -> [UInt8] {
    stride(from: 0, to: bits.count, by: 8).map { start in
      (start..<min(bits.count, start + 8)).reduce(0) { $0 | (bits[$1] ? 1 : 0) << UInt8($1 - start) }
    }
  }

  /// rows × rank numbers that f32 holds, with columns that are orthonormal as far as it can.
  private static func orthonormal(_ random: inout SplitMix) -> [Double] {
    var columns: [[Double]] = []
    while columns.count < rank {
      var column = (0..<rows).map { _ in Double.random(in: -1..<1, using: &random) }
      for other in columns {
        let dot = zip(column, other).reduce(0) { $0 + $1.0 * $1.1 }
        column = zip(column, other).map { $0 - dot * $1 }
      }
      let norm = column.reduce(0) { $0 + $1 * $1 }.squareRoot()
      columns.append(column.map { $0 / norm })
    }
    return (0..<rows).flatMap { row in columns.map { Double(Float($0[row])) } }
  }

  var masks: [MaskInput] {
    [
      MaskInput(
        reference: "mask",
        tensors: [
          "w": .init(shape: Shape([Self.rows, Self.columns]), ones: bits.count { $0 }),
          "v": .init(shape: Shape([Self.columns]), ones: vectorBits.count { $0 }),
        ])
    ]
  }
  var spaces: [SubspaceInput] {
    [
      SubspaceInput(
        reference: "space", tensors: ["w": .init(shape: Shape([Self.rows, Self.columns]), rank: Self.rank)])
    ]
  }

  func plan(_ yaml: String) throws -> Plan {
    let recipe = try Recipe(yaml: yaml)
    let inputs = recipe.modelReferences.map {
      model($0, [("w", [Self.rows, Self.columns]), ("v", [Self.columns])], dtype)
    }
    return try Planner.plan(recipe: recipe, inputs: inputs, masks: masks, subspaces: spaces)
  }

  /// All tensors of the result, in blocks of so many elements.
  func result(_ yaml: String, block: Int = 100_000) throws -> [String: [Double]] {
    let plan = try plan(yaml)
    let executor = Executor(plan: plan, source: ArraySource(tensors: plan.inputs.map { data[$0]! }))
    let (pool, shelf) = (WorkerPool(width: 2), Shelf { MergeScratch() })
    let found = try plan.tensors.indices.map { try executor.measure(tensor: $0, pool: pool, shelf: shelf) }
    let measurements = plan.settled(found)
    var results: [String: [Double]] = [:]
    for (index, planned) in plan.tensors.enumerated() {
      var out = [UInt8](repeating: 0xAA, count: planned.bytesToWrite)
      try out.withUnsafeMutableBytes { out in
        for start in stride(from: 0, to: planned.unitCount, by: block) {
          let end = min(start + block, planned.unitCount)
          let target = out[start * planned.unitBytes..<end * planned.unitBytes]
          try executor.produce(
            tensor: index, elements: start..<end, measurements: measurements[index],
            into: UnsafeMutableRawBufferPointer(rebasing: target), scratch: MergeScratch())
        }
      }
      results[planned.name] = MethodTrial.numbers(out, planned.dtype)
    }
    return results
  }

  /// `b + m (x - b) / mean(m)`, each operation rounded.
  func masked<Wide: BinaryFloatingPoint>(_ model: String, _ tensor: String, rescales: Bool, as: Wide.Type) -> [Wide] {
    let (b, x) = (numbers["aligned"]![tensor]!, numbers[model]![tensor]!)
    let bits = tensor == "w" ? bits : vectorBits
    let mean = Wide(Double(bits.count { $0 }) / Double(bits.count))
    return b.indices.map { index in
      let change = bits[index] ? Wide(x[index]) - Wide(b[index]) : 0
      return Wide(b[index]) + (rescales ? change / mean : change)
    }
  }

  /// `U Uᵀ (x - b)` in f64.
  func projection(_ model: String) -> [Double] {
    let (b, x) = (numbers["aligned"]!["w"]!, numbers[model]!["w"]!)
    let d = zip(x, b).map { $0 - $1 }
    var out = [Double](repeating: 0, count: d.count)
    for k in 0..<Self.rank {
      for column in 0..<Self.columns {
        let dot = (0..<Self.rows).reduce(0) { $0 + basis[$1 * Self.rank + k] * d[$1 * Self.columns + column] }
        for row in 0..<Self.rows { out[row * Self.columns + column] += basis[row * Self.rank + k] * dot }
      }
    }
    return out
  }
}

private func near(_ a: [Double]?, _ b: [Double], _ scale: Double = 2e-6) -> Bool {
  guard let a, a.count == b.count else { return false }
  return zip(a, b).allSatisfy { abs($0 - $1) <= scale * max(1, abs($1)) }
}

@Suite("masks and subspaces in recipes")
struct RealignmentTests {
  private static let head = "base_model: aligned\ndtype: float32\n"

  @Test("masked task vectors are those of plain loops, to the bit, whatever the block", arguments: [true, false])
  func masks(rescales: Bool) throws {
    let rescale = rescales ? "mean" : "none"
    for (dtype, seed) in [(DType.bf16, 1 as UInt64), (.f16, 2), (.f32, 3)] {
      let family = Realigned(dtype, seed: seed)
      let yaml =
        "merge_method: task_arithmetic\n\(Self.head)models: [{model: one, parameters: {weight: 1}}]\n"
        + "stemma: {mask: {name: mask, rescale: \(rescale)}}"
      for tensor in ["w", "v"] {
        let b = family.numbers["aligned"]![tensor]!.map { Float($0) }
        let x = family.masked("one", tensor, rescales: rescales, as: Float.self)
        let expected = zip(b, x).map { Double($0 + (0 + ($1 - $0))) }
        for block in [1, 13, 64, 100_000] {
          #expect(try family.result(yaml, block: block)[tensor] == expected, "\(dtype), block \(block)")
        }
      }
    }
    let family = Realigned(.f64, seed: 4)
    let found = try family.result(
      "merge_method: linear\nbase_model: aligned\nmodels: [{model: one, parameters: {weight: 1}}, {model: aligned, "
        + "parameters: {weight: 0}}]\nstemma: {mask: {name: mask, rescale: \(rescale)}}")
    #expect(found["w"] == family.masked("one", "w", rescales: rescales, as: Double.self))
  }

  @Test("a model's own setting goes before the recipe's, and false turns it off")
  func choices() throws {
    let family = Realigned(.bf16, seed: 5)
    func plan(_ one: String, _ shared: String) throws -> [Realignment?] {
      let yaml =
        "merge_method: ties\n\(Self.head)parameters: {weight: 1}\nmodels: [{model: one\(one)}, {model: two}]\n\(shared)"
      return try family.plan(yaml).tensors.first { $0.name == "w" }!.inputs.map(\.realignment)
    }
    let all = try plan("", "stemma: {mask: mask, project: {out: space}}")
    #expect(all[0]?.mask?.rescales == true && all[0]?.projection?.isOnto == false)
    #expect(all[0] == all[1] && all[2] == nil)
    let own = try plan(", stemma: {mask: {name: mask, rescale: none}}", "stemma: {mask: mask}")
    #expect(own[0]?.mask?.rescales == false && own[1]?.mask?.rescales == true)
    let off = try plan(", stemma: {mask: false}", "stemma: {mask: mask}")
    #expect(off[0] == nil && off[1] != nil)
    #expect(try plan(", stemma: {project: {onto: space}}", "")[0]?.projection?.isOnto == true)
  }

  @Test("projections are those of plain loops, the same for any block, and leave vectors alone")
  func projections() throws {
    for (dtype, seed) in [(DType.bf16, 6 as UInt64), (.f64, 7)] {
      let family = Realigned(dtype, seed: seed)
      let (b, x) = (family.numbers["aligned"]!["w"]!, family.numbers["one"]!["w"]!)
      let inside = family.projection("one")
      for (key, expected) in [
        ("onto", zip(b, inside).map { $0 + $1 }), ("out", x.indices.map { x[$0] - inside[$0] }),
      ] {
        let yaml =
          "merge_method: task_arithmetic\n\(Self.head)models: [{model: one, parameters: {weight: 1}}]\n"
          + "stemma: {project: {\(key): space}}"
        let found = try family.result(yaml)
        #expect(near(found["w"], expected), "\(dtype), \(key)")
        #expect(near(found["v"], family.numbers["one"]!["v"]!))
        for block in [1, 50, 53, 700] { #expect(try family.result(yaml, block: block) == found, "block \(block)") }
      }
    }
  }

  @Test("somf is the method that its variant names, with the authors' numbers")
  func somf() throws {
    let family = Realigned(.bf16, seed: 8)
    func check(_ variant: String?, _ method: String, _ parameters: String, rescale: String = "", models: String) throws
    {
      let list = "models: [\(models)]\n"
      let own = try family.plan(
        "merge_method: somf\n\(Self.head)\(list)stemma: {mask: mask\(variant.map { ", variant: \($0)" } ?? "")}")
      let plain = try family.plan(
        "merge_method: \(method)\n\(Self.head)\(list)parameters: {\(parameters)}\nstemma: {mask: mask\(rescale)}")
      #expect(own.tensors.map(\.inputs) == plain.tensors.map(\.inputs))
      for (one, other) in zip(own.tensors, plain.tensors) {
        #expect(one.method.name == other.method.name)
        #expect(one.method.perInput["weight"] == other.method.perInput["weight"])
        #expect((one.method.perInput["density"] ?? [1]).allSatisfy { other.method.perInput["density"]!.contains($0) })
        for setting in ["normalize", "lambda", "rescale", "rescale_paper"] {
          #expect((one.method.settings[setting] ?? 0) == (other.method.settings[setting] ?? 0), "\(setting)")
        }
      }
    }
    let two = "{model: one}, {model: two}"
    try check(nil, "task_arithmetic", "weight: 1", models: "{model: one}")
    try check(nil, "task_arithmetic", "weight: 0.3", models: two)
    try check("average", "task_arithmetic", "weight: 0.5", models: two)
    try check("ties", "ties", "weight: 1, density: 0.2, normalize: false, lambda: 0.4", models: two)
    try check("dare", "dare_linear", "weight: 0.3, density: 0.8", rescale: ", rescale: paper", models: two)
  }

  @Test("resta, pre_post and merge_align are their formulas")
  func formulas() throws {
    let family = Realigned(.f32, seed: 9)
    let (b, x, y) = (
      family.numbers["aligned"]!["w"]!, family.numbers["one"]!["w"]!, family.numbers["two"]!["w"]!
    )
    let both = "models: [{model: one}, {model: two}]\n"
    let resta = try family.result("merge_method: resta\n\(Self.head)\(both)parameters: {gamma: 0.4}")["w"]
    #expect(near(resta, b.indices.map { x[$0] + 0.4 * (y[$0] - b[$0]) }))
    let kept = try family.result("merge_method: resta\n\(Self.head)\(both)parameters: {gamma: 1, density: 0.6}")["w"]!
    let changed = b.indices.filter { abs(kept[$0] - x[$0]) > 1e-6 }
    #expect(abs(Double(changed.count) / Double(b.count) - 0.6) < 0.05)
    #expect(changed.allSatisfy { abs(kept[$0] - x[$0] - (y[$0] - b[$0]) / 0.6) < 1e-5 })
    let half = try family.result(
      "merge_method: pre_post\n\(Self.head)models: [{model: one}]\nparameters: {lambda: 0.25}")
    #expect(near(half["w"], b.indices.map { 0.75 * b[$0] + 0.25 * x[$0] }))
    let aligned = try family.result("merge_method: merge_align\n\(Self.head)\(both)parameters: {alpha: 0.7}")["w"]
    #expect(near(aligned, b.indices.map { b[$0] + 0.7 * (x[$0] - b[$0]) + 0.3 * (y[$0] - b[$0]) }))
  }

  @Test("safe_lora projects where the cosine is low, safemerge merges there; other tensors are the fine-tune's")
  func choosing() throws {
    let family = Realigned(.f32, seed: 10)
    let (b, x, y) = (
      family.numbers["aligned"]!["w"]!, family.numbers["one"]!["w"]!, family.numbers["two"]!["w"]!
    )
    let inside = family.projection("one")
    let lengths = (
      inside.reduce(0) { $0 + $1 * $1 }, zip(x, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    )
    let cosine = (lengths.0 / lengths.1).squareRoot()
    let recipe = "\(Self.head)models: [{model: one}]\nstemma: {subspace: space}\n"
    for (parameter, isProjected) in [
      ("threshold: \(cosine + 0.01)", true), ("threshold: \(cosine - 0.01)", false), ("count: 1", true),
      ("count: 0", false),
    ] {
      let found = try family.result("merge_method: safe_lora\n\(recipe)parameters: {\(parameter)}")
      #expect(near(found["w"], isProjected ? zip(b, inside).map { $0 + $1 } : x), "\(parameter)")
      #expect(found["v"] == family.numbers["one"]!["v"])
      let safe = try? family.result(
        "merge_method: safemerge\n\(Self.head)models: [{model: one}, {model: two}]\nstemma: {subspace: space}\n"
          + "parameters: {\(parameter), weight: 0.3}")
      if parameter.hasPrefix("count") { continue }
      #expect(near(safe?["w"], isProjected ? x.indices.map { 0.7 * x[$0] + 0.3 * y[$0] } : x), "\(parameter)")
    }
  }

  @Test("what a mask would hide is refused, by tensor, model and element")
  func nonfinite() throws {
    var family = Realigned(.f32, seed: 11)
    let hidden = family.bits.firstIndex(of: false)!
    family.spoil("one", element: hidden)
    let yaml = "merge_method: task_arithmetic\n\(Self.head)models: [{model: one, parameters: {weight: 1}}]\nstemma: "
    #expect(throws: MergeError.notFinite(tensor: "w", model: "one", element: hidden, value: "NaN", measuredBy: nil)) {
      try family.result(yaml + "{mask: mask}", block: 100)
    }
  }

  @Test(
    "what does not fit is refused before anything is read",
    arguments: [
      ("merge_method: somf\nbase_model: aligned\nmodels: [{model: one}]", "needs the key 'mask'"),
      (
        "merge_method: somf\nbase_model: aligned\nmodels: [{model: one, stemma: {mask: false}}]\nstemma: {mask: mask}",
        "for model 'one', needs the key 'mask'"
      ),
      ("merge_method: linear\nmodels: [{model: one, parameters: {weight: 1}}]\nstemma: {mask: mask}", "'base_model'"),
      ("merge_method: safe_lora\nbase_model: aligned\nmodels: [{model: one}]", "needs the key 'subspace'"),
      (
        "merge_method: resta\nbase_model: aligned\nmodels: [{model: one}, {model: two}]\nstemma: {subspace: space}",
        "expected method safe_lora or safemerge"
      ),
      (
        "merge_method: safe_lora\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {subspace: space}\n"
          + "parameters: {count: 1, threshold: 0.5}", "found both"
      ),
      (
        "merge_method: safe_lora\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {subspace: space}\n"
          + "parameters: {count: 1.5}", "a whole number"
      ),
      ("merge_method: ties\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {maskk: m}", "did you mean 'mask'?"),
      (
        "merge_method: somf\nbase_model: aligned\nmodels: [{model: one}, {model: two}]\n"
          + "stemma: {mask: mask, variant: single}", "expected 1 model"
      ),
      (
        "merge_method: somf\nbase_model: aligned\nmodels: [{model: one, parameters: {weight: 1}}, {model: two}]\n"
          + "stemma: {mask: mask}", "found 1 of 2"
      ),
      (
        "merge_method: ties\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {variant: dare}",
        "expected method somf"
      ),
      (
        "merge_method: ties\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {project: {in: space}}",
        "unknown key 'in'"
      ),
      (
        "merge_method: ties\nbase_model: aligned\nmodels: [{model: one}]\nstemma: {project: space}",
        "{out: subspace} or {onto: subspace}"
      ),
    ])
  func refusals(yaml: String, part: String) throws {
    let family = Realigned(.bf16, seed: 12)
    let error = try #require(throws: MergeError.self) { try family.plan(yaml) }
    #expect(error.description.contains(part), "\(error)")
  }

  @Test("a mask of other tensors or shapes, or of nothing kept, is refused by name; so is mergekit's arithmetic")
  func mismatches() throws {
    let recipe = try Recipe(
      yaml: "merge_method: task_arithmetic\nbase_model: b\nmodels: [{model: x}]\nparameters: {weight: 1}\n"
        + "stemma: {mask: m}")
    func plan(_ tensors: [String: MaskInput.Tensor], _ arithmetic: String = Plan.exact1) throws -> Plan {
      try Planner.plan(
        recipe: recipe, inputs: [model("b", [("w", [2, 3])]), model("x", [("w", [2, 3])])],
        masks: [MaskInput(reference: "m", tensors: tensors)], arithmetic: arithmetic)
    }
    #expect(throws: MergeError.missingTensor("w", lacking: "m", having: "x")) {
      try plan(["other": .init(shape: Shape([2, 3]), ones: 1)])
    }
    #expect(
      throws: MergeError.shapeMismatch(
        tensor: "w", first: "x", firstShape: Shape([2, 3]), second: "m", secondShape: Shape([3, 2]))
    ) { try plan(["w": .init(shape: Shape([3, 2]), ones: 1)]) }
    let none = try #require(throws: MergeError.self) { try plan(["w": .init(shape: Shape([2, 3]), ones: 0)]) }
    #expect(none.description.contains("mask 'm', tensor 'w'"))
    let stepwise = try #require(throws: MergeError.self) {
      try plan(["w": .init(shape: Shape([2, 3]), ones: 1)], Plan.mergekit015)
    }
    #expect(stepwise.description.contains("mergekit's arithmetic"))
    let whole = try plan(["w": .init(shape: Shape([2, 3]), ones: 6)])
    #expect(whole.inputs == ["x", "b", "m"])
    #expect(whole.description.contains("(mask 2/mean)"))
  }
}

extension Realigned {
  fileprivate mutating func spoil(_ model: String, element: Int) {
    data[model]!["w"]!.replaceSubrange(4 * element..<4 * element + 4, with: Plain.bytes(.nan, .f32))
  }
}
