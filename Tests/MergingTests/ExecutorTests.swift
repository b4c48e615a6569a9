import Merging
import Tensors
import TestSupport
import Testing

/// One stored number, decoded and encoded without any of the code under test.
enum Plain {
  static func number(_ bytes: ArraySlice<UInt8>, _ dtype: DType) -> Double {
    let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return switch dtype {
    case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
    case .f16: Double(Float16(bitPattern: UInt16(bits)))
    case .f32: Double(Float(bitPattern: UInt32(bits)))
    default: Double(bitPattern: bits)
    }
  }

  static func bytes(_ value: Double, _ dtype: DType) -> [UInt8] {
    let bits: UInt64 =
      switch dtype {
      case .bf16: value.isNaN ? 0x7FC0 : brain(value)
      case .f16: value.isNaN ? 0x7E00 : UInt64(Float16(value).bitPattern)
      case .f32: value.isNaN ? 0x7FC0_0000 : UInt64(Float(value).bitPattern)
      default: value.isNaN ? 0x7FF8_0000_0000_0000 : value.bitPattern
      }
    return (0..<dtype.bits / 8).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
  }

  /// Rounds a double to 8 significant bits, or to multiples of the least subnormal of BF16, by exact scaling.
  private static func brain(_ value: Double) -> UInt64 {
    let sign: UInt64 = value.sign == .minus ? 0x8000 : 0
    guard value.isFinite, value != 0 else { return sign | (value == 0 ? 0 : 0x7F80) }
    let exponent = max(Int(value.exponent), -126) - 7
    let unit = Double(sign: .plus, exponent: exponent, significand: 1)
    let rounded = (value.magnitude / unit).rounded(.toNearestOrEven) * unit
    return sign | (rounded >= 0x1p128 ? 0x7F80 : UInt64(Float(rounded).bitPattern >> 16))
  }
}

/// The formulas over scalars; `Wide` is the type of arithmetic.
private func linear<Wide: BinaryFloatingPoint>(_ x: [Double], _ weights: [Double], _ normalize: Bool, _: Wide.Type)
  -> Double
{
  var (sum, total): (Wide, Wide) = (0, 0)
  for (value, weight) in zip(x, weights) {
    let product = Wide(value) * Wide(weight)
    sum = sum + product
    total = total + Wide(weight)
  }
  return Double(normalize ? sum / total : sum)
}

private func taskArithmetic<Wide: BinaryFloatingPoint>(
  _ x: [Double], _ base: Double, _ weights: [Double], _ normalize: Bool, _ lambda: Double, _: Wide.Type
) -> Double {
  var (sum, total): (Wide, Wide) = (0, 0)
  for (value, weight) in zip(x, weights) {
    let change = Wide(value) - Wide(base)
    let product = change * Wide(weight)
    sum = sum + product
    total = total + Wide(weight)
  }
  if normalize { sum = sum / (abs(total) < 1e-8 ? 1 : total) }
  if lambda != 1 { sum = sum * Wide(lambda) }
  return Double(Wide(base) + sum)
}

/// Three models of one tensor, random bytes of mixed dtypes with a few special patterns among them.
private struct Trial {
  static let count = 1203
  let dtypes: [DType]
  let data: [[UInt8]]

  init(dtypes: [DType], _ random: inout SplitMix) {
    self.dtypes = dtypes
    data = dtypes.map { dtype in
      (0..<Self.count).flatMap { index -> [UInt8] in
        if index % 16 == 0 { return (0..<dtype.bits / 8).map { _ in UInt8.random(in: 0...255, using: &random) } }
        return Plain.bytes(Double.random(in: -2..<2, using: &random), dtype)
      }
    }
  }

  var inputs: [ModelInput] { zip(["a", "b", "c"], dtypes).map { model($0, [("x", [Self.count])], $1) } }
  var source: ArraySource { ArraySource(tensors: data.map { ["x": $0] }) }

  func numbers(_ index: Int) -> [Double] {
    zip(data, dtypes).map { bytes, dtype in
      let width = dtype.bits / 8
      return Plain.number(bytes[index * width..<(index + 1) * width], dtype)
    }
  }
}

private let mixes: [[DType]] = [
  [.bf16, .bf16, .bf16], [.f16, .f16, .f16], [.f32, .f32, .f32], [.f64, .f64, .f64], [.bf16, .f16, .f32],
  [.f32, .f16, .bf16], [.bf16, .f64, .f16], [.f32, .bf16, .f64],
]
private let outputs = [("bfloat16", DType.bf16), ("float16", .f16), ("float32", .f32), ("float64", .f64)]

@Suite struct ExecutorTests {
  private func check(
    _ trial: Trial, _ recipe: String, _ out: DType, block: Int, _ seed: UInt64, _ reference: (Int) -> Double
  ) throws {
    let plan = try Planner.plan(recipe: Recipe(yaml: recipe), inputs: trial.inputs)
    let bytes = try Executor(plan: plan, source: trial.source).bytes(of: 0, block: block)
    let expected = (0..<Trial.count).flatMap { Plain.bytes(reference($0), out) }
    #expect(bytes == expected, "seed \(seed), \(trial.dtypes) to \(out), blocks of \(block):\n\(recipe)")
  }

  @Test("linear gives the bytes of the plain formula", arguments: mixes)
  func linearBytes(_ dtypes: [DType]) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let trial = Trial(dtypes: dtypes, &random)
    let wide = dtypes.contains(.f64)
    for (name, out) in outputs {
      let weights = (0..<3).map { _ in Double.random(in: 0.05..<1, using: &random) }
      let normalize = Bool.random(using: &random)
      let entries = zip(["a", "b", "c"], weights).map { "  - {model: \($0), parameters: {weight: \($1)}}" }
      let recipe = """
        merge_method: linear
        models:
        \(entries.joined(separator: "\n"))
        parameters: {normalize: \(normalize)}
        out_dtype: \(name)
        stemma: {allow_nonfinite: true}
        """
      try check(trial, recipe, out, block: 1000, seed) { index in
        let x = trial.numbers(index)
        return wide ? linear(x, weights, normalize, Double.self) : linear(x, weights, normalize, Float.self)
      }
    }
  }

  @Test("task arithmetic gives the bytes of the plain formula, wherever the base is listed", arguments: mixes)
  func taskArithmeticBytes(_ dtypes: [DType]) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let trial = Trial(dtypes: dtypes, &random)
    let wide = dtypes.contains(.f64)
    for (step, (name, out)) in outputs.enumerated() {
      let (w, v) = (Double.random(in: -1..<1, using: &random), Double.random(in: -1..<1, using: &random))
      let weights = step == 0 ? [w, -w] : [w, v]
      let (normalize, lambda) = (step % 2 == 0, step < 2 ? 1 : Double.random(in: 0..<2, using: &random))
      let listed = Bool.random(using: &random)
      let recipe = """
        merge_method: task_arithmetic
        base_model: \(listed ? "b" : "c")
        models:
          - {model: a, parameters: {weight: \(weights[0])}}
          - {model: b, parameters: {weight: \(weights[1])}}
        \(listed ? "  - {model: c, parameters: {weight: \(weights[1])}}" : "")
        parameters: {normalize: \(normalize), lambda: \(lambda)}
        dtype: \(name)
        stemma: {allow_nonfinite: true}
        """
      try check(trial, recipe, out, block: 1000, seed) { index in
        var x = trial.numbers(index)
        let base = x.remove(at: listed ? 1 : 2)
        return wide
          ? taskArithmetic(x, base, weights, normalize, lambda, Double.self)
          : taskArithmetic(x, base, weights, normalize, lambda, Float.self)
      }
    }
  }

  @Test("blocks of 1, 7 and 1000 elements and whole tensors give the same bytes")
  func blockSizes() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let linear = """
      merge_method: linear
      models: [{model: a}, {model: b}, {model: c}]
      parameters: {weight: 0.3}
      stemma: {allow_nonfinite: on}
      """
    let task = """
      merge_method: task_arithmetic
      base_model: c
      models: [{model: a}, {model: b}]
      parameters: {weight: 0.3}
      stemma: {allow_nonfinite: on}
      """
    for dtypes in [mixes[0], mixes[4], mixes[6]] {
      let trial = Trial(dtypes: dtypes, &random)
      for yaml in [linear, task] {
        let plan = try Planner.plan(recipe: Recipe(yaml: yaml), inputs: trial.inputs)
        let executor = Executor(plan: plan, source: trial.source)
        let whole = try executor.bytes(of: 0, block: Trial.count)
        for block in [1, 7, 1000] {
          #expect(try executor.bytes(of: 0, block: block) == whole, "seed \(seed), block \(block)")
        }
      }
    }
  }

  @Test("tensors that are no numbers are copied, sub-byte ones as bytes, and differing ones are refused")
  func copies() throws {
    let recipe = try Recipe(yaml: "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}")
    for (dtype, count) in [(DType.i64, 2), (.bool, 16), (.f4, 32), (.f8e4m3, 16)] {
      let plan = try Planner.plan(
        recipe: recipe, inputs: ["a", "b"].map { model($0, [("x", [count])], dtype) })
      let bytes = (0..<16).map { UInt8($0) }
      let same = ArraySource(tensors: [["x": bytes], ["x": bytes]])
      #expect(try Executor(plan: plan, source: same).bytes(of: 0, block: 3) == bytes)
      let other = ArraySource(tensors: [["x": bytes], ["x": bytes.dropLast() + [0]]])
      #expect(throws: MergeError.contentMismatch(tensor: "x", first: "a", second: "b", dtype: dtype)) {
        try Executor(plan: plan, source: other).bytes(of: 0, block: 3)
      }
    }
  }

  @Test("empty tensors and scalars are merged too")
  func smallest() throws {
    let recipe = try Recipe(yaml: "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}")
    let inputs = ["a", "b"].map { model($0, [("empty", [0, 4]), ("scalar", [])], .f32) }
    let source = ArraySource(
      tensors: [1, 2].map { ["empty": [], "scalar": Plain.bytes($0, .f32)] })
    let executor = try Executor(plan: Planner.plan(recipe: recipe, inputs: inputs), source: source)
    #expect(try executor.bytes(of: 0, block: 5) == [])
    #expect(try executor.bytes(of: 1, block: 5) == Plain.bytes(1.5, .f32))
  }

  @Test("what the source throws is passed on")
  func unreadable() throws {
    let recipe = try Recipe(yaml: "merge_method: linear\nmodels: [{model: a}]\nparameters: {weight: 1}")
    let plan = try Planner.plan(recipe: recipe, inputs: [model("a", [("x", [4])])])
    #expect(throws: ArraySource.Unreadable.self) {
      try Executor(plan: plan, source: ArraySource(tensors: [["x": [0, 0]]])).bytes(of: 0, block: 4)
    }
  }
}
