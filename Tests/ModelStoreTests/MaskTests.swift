import Foundation
import JSON
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("masks in the store")
struct MaskTests {
  @Test("BOOL, U8 and every kind of numbers that are 0 or 1 make the same packed bits, whatever the threads")
  func forms() throws {
    let stage = try Stage()
    let (odd, even) = (Stage.bits(13 * 7, density: 0.3, seed: 1), Stage.bits(64, density: 0.9, seed: 2))
    let halves: [UInt8] = odd.flatMap { $0 ? [0x80, 0x3F] : [0, 0] }
    let one = try stage.write(
      file: "bool.safetensors", [Stage.content("odd", [13, 7], odd), Stage.content("even", [64], even)])
    let others = try [
      stage.write(
        file: "u8.safetensors",
        [
          .init(name: "odd", dtype: .u8, shape: [13, 7], bytes: odd.map { $0 ? 1 : 0 }),
          Stage.content("even", [64], even.map { $0 ? Float(1) : 0 }),
        ]),
      stage.write(
        file: "bf16.safetensors",
        [.init(name: "odd", dtype: .bf16, shape: [13, 7], bytes: halves), Stage.content("even", [64], even)]),
    ]
    var store: Repository? = try stage.open(threads: 1)
    let report = try #require(try store?.importMask(at: one, space: nil, reading: nil, name: "m"))
    #expect(report.ones == odd.count { $0 } + even.count { $0 } && report.elements == 155)
    #expect(report.rule == "given" && report.space == "weight")
    #expect(try store?.bits(of: "m", "odd", 91) == odd && store?.bits(of: "m", "even", 64) == even)
    store = nil
    let again = try stage.open(threads: 3)
    for path in others {
      #expect(try again.importMask(at: path, space: "weight", reading: .bits, name: nil).id == report.id)
    }
    #expect(try again.list().map(\.kind) == ["mask"])
    #expect(try again.show("m").method == "given, density \((report.density * 1000).rounded() / 1000)")
    #expect(try again.verify().damage.isEmpty)
  }

  @Test("logits become bits above a threshold, or drawn by Philox from seed and name as a plain loop draws them")
  func logits() throws {
    let stage = try Stage()
    let (a, b) = (Stage.numbers(500, seed: 3), Stage.numbers(77, seed: 4))
    let path = try stage.write(
      file: "logits.safetensors", [Stage.content("a", [20, 25], a), Stage.content("b", [77], b)])
    let store = try stage.open()
    _ = try store.importMask(at: path, space: nil, reading: .threshold(0.5), name: "above")
    #expect(try store.bits(of: "above", "a", 500) == a.map { $0 > 0.5 })
    let drawn = try store.importMask(at: path, space: "lora_factor", reading: .bernoulli(seed: 9), name: "drawn")
    #expect(drawn.rule == "drawn from logits, seed 9" && drawn.space == "lora_factor")
    for (name, logits) in [("a", a), ("b", b)] {
      let key = Digest(of: Array("9\nmask\n\(name)".utf8)).bytes
      func word(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(key[at + $1]) << UInt32(8 * $1) } }
      let philox = Philox(word(0), word(4))
      let wanted = logits.enumerated().map { index, logit in
        let word = philox.words(SIMD4(UInt32(index / 4), 0, 0, 0))[index % 4]
        return Double(word) / 0x1p32 < 1 / (1 + exp(-Double(logit)))
      }
      #expect(try store.bits(of: "drawn", name, logits.count) == wanted, "\(name)")
      #expect(wanted.count { $0 } > 0)
    }
    let other = try store.importMask(at: path, space: nil, reading: .bernoulli(seed: 10), name: nil)
    #expect(other.id != drawn.id)
  }

  @Test("a mask comes out as a folder and goes in again as the same, by both imports, and survives rebuild and gc")
  func roundTrip() throws {
    let stage = try Stage()
    var store: Repository? = try stage.open()
    let path = try stage.write(
      file: "b.safetensors",
      [
        Stage.content("w", [1 << 20 | 5], Stage.bits(1 << 20 | 5, density: 0.02, seed: 7)),
        Stage.content("scalar", [], [true]), Stage.content("none", [0], [Bool]()),
      ])
    let report = try #require(try store?.importMask(at: path, space: nil, reading: nil, name: "m"))
    _ = try store?.export("m", to: stage.folder.path + "/out")
    #expect(try stage.names(in: "out") == ["mask.safetensors", "mask_config.json"])
    store = nil
    _ = try Repository.rebuild(at: stage.store)
    let again = try stage.open()
    _ = try again.collect(olderThan: 0)
    #expect(try again.importMask(at: stage.folder.path + "/out", space: nil, reading: nil, name: nil).id == report.id)
    let plain = try again.importCheckpoint(at: stage.folder.path + "/out", name: "n", base: nil)
    #expect(plain.id == report.id && plain.alreadyStored)
    #expect(plain.baseNote?.hasPrefix("a mask: given, density 0.02") == true)
    let refused = #expect(throws: RepositoryError.self) {
      try again.importMask(at: stage.folder.path + "/out", space: nil, reading: .threshold(0), name: nil)
    }
    #expect(refused?.kind == .invalidInput)
    #expect(throws: RepositoryError.self) {
      try again.importCheckpoint(at: stage.folder.path + "/out", name: nil, base: "m")
    }
  }

  @Test(
    "bits take little more than their entropy, but sparse ones up to twice as much",
    arguments: [(0.01, 1.8), (0.1, 1.05), (0.5, 1.01), (0.93, 1.05)])
  func sizes(density: Double, limit: Double) throws {
    let stage = try Stage()
    let store = try stage.open()
    let values = Stage.content("w", [1 << 22], [Bool](repeating: true, count: 1 << 22))
    let path = try stage.write(file: "b.safetensors", [values])
    _ = try store.importMask(at: path, space: nil, reading: nil, name: "like")
    let report = try store.makeMask(.random(density: density, seed: 1, like: "like"), name: "m")
    #expect(abs(report.density - density) < 0.002)
    let ratio = Double(report.storedBytes) / report.entropyBytes
    #expect(ratio < limit && ratio >= 1, "density \(density): \(report.storedBytes) bytes, \(ratio) times the entropy")
    #expect(report.storedBytes == report.lines[0].storedBytes)
  }

  @Test("numbers that are no bits, logits that are no numbers, and tensors that are in two files are refused by name")
  func badValues() throws {
    let stage = try Stage()
    let store = try stage.open()
    func refusal(_ tensors: [Stage.Content], _ reading: MaskReading?) throws -> String {
      let path = try stage.write(file: "x.safetensors", tensors)
      let error = #expect(throws: RepositoryError.self) {
        try store.importMask(at: path, space: nil, reading: reading, name: nil)
      }
      #expect(error?.kind == .invalidInput)
      return error?.message ?? ""
    }
    let half = Stage.content("w", [2], [0, 0.5] as [Float])
    #expect(try refusal([half], nil) == "tensor 'w': 0 or 1 expected, found 0.5")
    #expect(
      try refusal([.init(name: "w", dtype: .u8, shape: [2], bytes: [1, 7])], nil)
        == "tensor 'w': 0 or 1 expected, found 7")
    #expect(
      try refusal([.init(name: "w", dtype: .bool, shape: [1], bytes: [2])], nil)
        == "tensor 'w': 0 or 1 expected, found 2")
    #expect(try refusal([Stage.content("w", [1], [.nan] as [Float])], .threshold(0)).contains("found NaN"))
    #expect(
      try refusal([Stage.content("w", [1], [true])], .threshold(0))
        == "tensor 'w': logits of F16, BF16, F32 or F64 expected, found BOOL")
    #expect(
      try refusal([.init(name: "w", dtype: .i64, shape: [1], bytes: [1, 0, 0, 0, 0, 0, 0, 0])], nil).contains("I64"))
    #expect(try refusal([], nil).contains("found none"))
    #expect(try store.list(all: true).isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
  }

  @Test("a folder whose bits are not what its configuration says is refused, and nothing is stored")
  func hostile() throws {
    let stage = try Stage()
    let store = try stage.open()
    let config =
      #"{"format": 1, "space": "weight", "rule": {"kind": "given"}, "tensors": {"w": {"shape": [2, 5], "ones": 3}}}"#
    func refusal(_ bits: [Stage.Content], _ text: String, _ name: String) throws -> RepositoryError? {
      let path = "\(stage.folder.path)/\(name)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try stage.write(file: "\(name)/mask.safetensors", bits)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/mask_config.json"))
      let plain = #expect(throws: RepositoryError.self) { try store.importCheckpoint(at: path, name: nil, base: nil) }
      let error = #expect(throws: RepositoryError.self) {
        try store.importMask(at: path, space: nil, reading: nil, name: nil)
      }
      #expect(plain?.message == error?.message)
      return error
    }
    func bytes(_ bytes: [UInt8], dtype: DType = .u8) -> Stage.Content {
      .init(name: "w", dtype: dtype, shape: [bytes.count], bytes: bytes)
    }
    let wrong = try refusal([bytes([7, 1])], config, "count")
    #expect(wrong?.message.contains("'w': expected 3 bits that are 1, as its configuration says, found 4") == true)
    #expect(wrong?.kind == .invalidInput && wrong?.hint != nil)
    #expect(
      try refusal([bytes([3, 4])], config, "stray")?.message.contains("the bits after its 10 elements expected to be 0")
        == true)
    #expect(try refusal([bytes([7])], config, "short")?.message.contains("expected U8 [2], found U8 [1]") == true)
    #expect(
      try refusal([bytes([7, 0], dtype: .i8)], config, "dtype")?.message.contains("expected U8 [2], found I8 [2]")
        == true)
    let other = Stage.Content(name: "v", dtype: .u8, shape: [2], bytes: [7, 0])
    #expect(try refusal([other], config, "missing")?.message.contains("'w': expected U8 [2], found none") == true)
    #expect(try refusal([bytes([7, 0]), other], config, "extra")?.message.contains("'v' is not listed") == true)
    let newer = try refusal([bytes([7, 0])], config.replacing("\"format\": 1", with: "\"format\": 9"), "newer")
    #expect(newer?.kind == .unsupported && newer?.message.contains("format 9") == true)
    #expect(try store.list(all: true).isEmpty)
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
  }

  @Test("a mask where a model is expected is one clear error, and the other way round")
  func kinds() throws {
    let stage = try Stage()
    let store = try stage.open()
    let base = try stage.write("base", Stage.model(seed: 1))
    _ = try store.importCheckpoint(at: base, name: "base", base: nil)
    let bits = try stage.write(
      file: "b.safetensors", [Stage.content("model.norm.weight", [32], Stage.bits(32, density: 0.5, seed: 1))])
    _ = try store.importMask(at: bits, space: nil, reading: nil, name: "m")
    _ = try store.export("m", to: stage.folder.path + "/mask")
    func message(_ body: () throws -> Void) -> String {
      let error = #expect(throws: RepositoryError.self) { try body() }
      #expect(error?.kind == .invalidInput)
      return error?.message ?? ""
    }
    let recipe = "merge_method: linear\nmodels: [{model: base}, {model: m}]\nparameters: {weight: 1}\ndtype: float32\n"
    let wanted = "m: a model expected, found a mask"
    #expect(message { _ = try store.merge(recipe: recipe, relativeTo: stage.folder.path, name: nil) } == wanted)
    #expect(message { _ = try store.diff("base", "m") } == wanted)
    #expect(message { _ = try store.extract("m", base: "base", rank: 1, to: nil, name: "x") } == wanted)
    #expect(message { _ = try store.importCheckpoint(at: base, name: nil, base: "m") } == wanted)
    #expect(message { _ = try store.showMask("base") } == "base: a mask expected, found a model")
    #expect(message { _ = try store.importMask(at: base, space: "x", reading: nil, name: nil) }.contains("'x'"))
    let paths = recipe.replacing("model: base", with: "model: ./base").replacing("model: m", with: "model: ./mask")
    let found = message {
      _ = try Repository.merge(recipe: paths, relativeTo: stage.folder.path, to: stage.folder.path + "/out")
    }
    #expect(found == "./mask: a model expected, found a mask")
    #expect(message { _ = try store.merge(recipe: paths, relativeTo: stage.folder.path, name: nil) } == found)
  }
}
