import Foundation
import JSON
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("diff")
struct DiffTests {
  private static func add(_ tensors: [Stage.Content], _ name: String, to stage: Stage) throws {
    _ = try stage.open().importCheckpoint(at: try stage.write(name, tensors), name: name, base: nil)
  }

  private static func bytes<T: FixedWidthInteger>(_ values: [T]) -> [UInt8] {
    values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  }

  private static func floats(_ values: [Float]) -> [UInt8] { bytes(values.map(\.bitPattern)) }

  private static func near(_ a: Double?, _ b: Double) -> Bool {
    guard let a else { return false }
    return abs(a - b) <= 1e-12 * max(1, abs(b))
  }

  @Test("changed share, relative L2, cosine and maximum are what the definitions say, in every float dtype")
  func numbers() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    for dtype in [DType.bf16, .f16, .f32, .f64] {
      let stage = try Stage()
      // More than a block, and no multiple of eight.
      let count = 150_001 * 4 / (dtype.bits / 16)
      let a = (0..<count).map { _ in Float(Int.random(in: -99...99, using: &dice)) / 64 }
      let b = a.map { Bool.random(using: &dice) ? $0 : $0 + Float(Int.random(in: -3...3, using: &dice)) / 64 }
      func content(_ values: [Float]) -> [Stage.Content] {
        let bytes: [UInt8] =
          switch dtype {
          case .bf16: Self.bytes(values.map { UInt16($0.bitPattern >> 16) })
          case .f16: Self.bytes(values.map(Self.half))
          case .f32: Self.floats(values)
          default: Self.bytes(values.map { Double($0).bitPattern })
          }
        return [Stage.Content(name: "t", dtype: dtype, shape: [count], bytes: bytes)]
      }
      try Self.add(content(a), "a", to: stage)
      try Self.add(content(b), "b", to: stage)
      var (changed, aa, bb, ab, dd, most) = (0, 0.0, 0.0, 0.0, 0.0, 0.0)
      for (x, y) in zip(a, b).map({ (Double($0), Double($1)) }) {
        changed += x == y ? 0 : 1
        (aa, bb, ab) = (aa + x * x, bb + y * y, ab + x * y)
        (dd, most) = (dd + (y - x) * (y - x), max(most, abs(y - x)))
      }
      let report = try stage.open().diff("a", "b")
      let line = try #require(report.tensors.first)
      let context: Comment = "\(dtype), seed \(seed)"
      #expect(line.changed == changed && line.elements == count && !line.isEqual, context)
      #expect(Self.near(line.relativeL2, (dd / aa).squareRoot()), context)
      #expect(Self.near(line.cosine, ab / (aa * bb).squareRoot()), context)
      #expect(line.maximum == most, context)
      #expect(report.changed == changed && report.relativeL2 == line.relativeL2 && report.recipes == nil, context)
    }
  }

  /// Multiples of 1/64 below 2 in F16, whose 10 bits hold them.
  private static func half(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    guard value != 0 else { return 0 }
    let exponent = UInt16((bits >> 23) & 255) - 112
    return UInt16(bits >> 31) << 15 | exponent << 10 | UInt16((bits >> 13) & 1023)
  }

  @Test("the number of threads changes no digit")
  func threads() throws {
    let stage = try Stage()
    try Self.add(Stage.model(seed: 1, rows: 40_000), "one", to: stage)
    try Self.add(Stage.model(seed: 1, tune: 5, rows: 40_000), "two", to: stage)
    let answers = try [1, 2, 5].map { try stage.open(threads: $0).diff("one", "two").json.pretty() }
    #expect(Set(answers).count == 1)
  }

  @Test("a virtual model differs as its stored twin does, and not from itself")
  func virtual() throws {
    let stage = try Stage()
    try Self.add(Stage.model(seed: 1), "one", to: stage)
    try Self.add(Stage.model(seed: 1, tune: 5), "two", to: stage)
    let store = try stage.open()
    _ = try store.merge(recipe: averageRecipe, relativeTo: "/", name: "fused")
    let before = try store.diff("one", "fused")
    #expect(before.changed > 0 && before.relativeL2 ?? 0 > 0)
    _ = try store.materialise("fused")
    #expect(try store.diff("one", "fused").json == before.json)
    let same = try store.diff("fused", "fused")
    #expect(same.changed == 0 && same.tensors.allSatisfy { $0.isEqual && $0.relativeL2 == 0 && $0.cosine == 1 })
    #expect(same.recipes == [])
  }

  @Test("tensors with equal digests are not read")
  func unread() throws {
    let stage = try Stage()
    let all = Stage.model(seed: 1)
    try Self.add(all, "one", to: stage)
    try Self.add(Array(all.dropLast()), "two", to: stage)
    let disk = ReadingDisk()
    let report = try stage.open(storage: disk).diff("one", "two")
    #expect(disk.packBytes == 0)
    #expect(report.onlyA == [all[2].name] && report.onlyB.isEmpty && report.tensors.count == 2)
    #expect(report.changed == 0 && report.elements == 64 * 32 + 64 * 64)
  }

  @Test("other shapes are listed, two float dtypes compared as numbers, integers and NaN bit by bit")
  func odd() throws {
    let stage = try Stage()
    func content(_ name: String, _ dtype: DType, _ shape: [Int], _ bytes: [UInt8]) -> Stage.Content {
      Stage.Content(name: name, dtype: dtype, shape: shape, bytes: bytes)
    }
    try Self.add(
      [
        content("cast", .f32, [2], Self.floats([1, 2])), content("empty", .f32, [0], []),
        content("int", .i32, [3], Self.bytes([1, 2, 3] as [Int32])), content("nan", .f32, [2], Self.floats([.nan, 1])),
        content("shape", .f32, [2], Self.floats([1, 2])), content("zero", .f32, [2], Self.floats([0, 0])),
      ], "a", to: stage)
    try Self.add(
      [
        content("cast", .f64, [2], Self.bytes([1, 2.5].map(\.bitPattern))), content("empty", .f32, [0], []),
        content("int", .i32, [3], Self.bytes([1, 9, 9] as [Int32])), content("nan", .f32, [2], Self.floats([.nan, 2])),
        content("shape", .f32, [2, 1], Self.floats([1, 2])), content("zero", .f32, [2], Self.floats([-0.0, 0])),
      ], "b", to: stage)
    let report = try stage.open().diff("a", "b")
    #expect(report.reshaped.map(\.name) == ["shape"])
    #expect(report.reshaped.map(\.to) == ["F32 [2, 1]"])
    let lines = Dictionary(report.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    #expect(lines.count == 5)
    #expect(lines["cast"]?.dtype == "F32 → F64" && lines["cast"]?.changed == 1 && lines["cast"]?.elements == 2)
    #expect(lines["cast"]?.relativeL2 == (0.25 / 5).squareRoot() && lines["cast"]?.maximum == 0.5)
    #expect(lines["int"]?.changed == 2 && lines["int"]?.elements == 3 && lines["int"]?.relativeL2 == nil)
    #expect(lines["nan"]?.changed == 1 && lines["nan"]?.relativeL2 == nil && lines["nan"]?.maximum == nil)
    #expect(lines["empty"]?.isEqual == true && lines["empty"]?.relativeL2 == 0)
    #expect(lines["zero"]?.changed == 1 && lines["zero"]?.relativeL2 == 0 && lines["zero"]?.cosine == 1)
    #expect(report.changed == 5 && report.elements == 9)
  }

  @Test("of two merges it is said how the recipes differ")
  func recipes() throws {
    let stage = try Stage()
    try Self.add(Stage.model(seed: 1), "one", to: stage)
    try Self.add(Stage.model(seed: 1, tune: 5), "two", to: stage)
    let store = try stage.open()
    let half = averageRecipe.replacingOccurrences(of: "0.25", with: "0.5")
    let task = """
      merge_method: task_arithmetic
      base_model: one
      models:
        - model: two
          parameters: {weight: 0.5}
      dtype: bfloat16
      """
    for (name, recipe) in [("a", averageRecipe), ("b", half), ("c", task)] {
      _ = try store.merge(recipe: recipe, relativeTo: "/", name: name)
    }
    #expect(try store.diff("a", "b").recipes == ["weight of one: 0.25 → 0.5"])
    let lines = try #require(try store.diff("a", "c").recipes)
    #expect(lines.contains("method: linear → task_arithmetic"))
    #expect(lines.contains("base: none → one") && lines.contains("models: one, two → two"))
    #expect(lines.contains("weight of one: 0.25 → none") && lines.contains("weight of two: 0.75 → 0.5"))
    #expect(try store.diff("one", "c").recipes == nil)
  }

  @Test(
    "a tensor's place is read from its name",
    arguments: [
      ("model.layers.12.self_attn.q_proj.weight", "model.layers", 12, "q"),
      ("model.layers.0.mlp.down_proj.weight", "model.layers", 0, "down"),
      ("model.layers.3.post_attention_layernorm.weight", "model.layers", 3, "norm"),
      ("transformer.h.7.ln_1.bias", "transformer.h", 7, "norm"),
      ("model.layers.1.block_sparse_moe.experts.5.w2.weight", "model.layers", 1, "w2"),
      ("model.embed_tokens.weight", "", nil, "embed_tokens"), ("lm_head.weight", "", nil, "lm_head"),
      ("weight", "", nil, "weight"), ("0", "", nil, "0"),
    ] as [(String, String, Int?, String)])
  func places(name: String, stack: String, layer: Int?, kind: String) {
    let place = TensorPlace(name)
    #expect(place.stack == stack && place.layer == layer && place.kind == kind)
  }
}
