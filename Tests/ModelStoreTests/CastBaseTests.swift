import Foundation
import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("deltas on a base of another float type")
struct CastBaseTests {
  static let types: [DType] = [.f16, .bf16, .f32, .f64]
  static let pairs = types.flatMap { base in types.filter { $0 != base }.map { (base, $0) } }

  private static func bytes(_ value: Double, _ dtype: DType) -> [UInt8] {
    func little<T: FixedWidthInteger>(_ bits: T) -> [UInt8] { withUnsafeBytes(of: bits.littleEndian, Array.init) }
    switch dtype {
    case .f16: return little(Float16(value).bitPattern)
    case .bf16: return little(UInt16(Float(value).bitPattern >> 16))
    case .f32: return little(Float(value).bitPattern)
    default: return little(value.bitPattern)
    }
  }

  /// A matrix of more than one block in every type, and a small one; each of `tunes` moves
  /// some elements a little.
  private static func model(_ dtype: DType, rows: Int = 1100, tunes: [UInt64] = []) -> [Stage.Content] {
    [("model.layers.0.mlp.weight", rows, UInt64(3)), ("model.norm.weight", 1, 4)].map { name, rows, seed in
      var (dice, moves) = (SplitMix(state: seed), tunes.map { SplitMix(state: $0) })
      var out: [UInt8] = []
      for _ in 0..<rows * 256 {
        // What F16 and BF16 both hold, so that a cast finds the very number.
        let value = Double(Int.random(in: -128...127, using: &dice)) / 1024
        var change = 0.0
        for tune in tunes.indices where UInt8.random(in: 0..<8, using: &moves[tune]) == 0 { change += 1.0 / 4096 }
        out += bytes(value + change, dtype)
      }
      return Stage.Content(name: name, dtype: dtype, shape: [rows, 256], bytes: out)
    }
  }

  @Test("a tune in any float type over a base in any other is stored as deltas and comes back", arguments: pairs)
  func everyPair(base: DType, tuned: DType) throws {
    let stage = try Stage()
    try importBoth(stage, base, tuned)
    #expect(try Repository.rebuild(at: stage.store).damage.isEmpty)
    #expect(try stage.open().verify(full: true).damage.isEmpty)
  }

  @Test("a model is found by its tune in another float type when nobody declares it", arguments: pairs)
  func found(base: DType, tuned: DType) throws {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("base", Self.model(base)), name: "base", base: nil)
    let report = try store.importCheckpoint(
      at: try stage.write("tuned", Self.model(tuned, tunes: [9])), name: nil, base: nil)
    #expect(report.baseChoice == "found" && report.base == "base" && report.tensorsDelta == 2)
  }

  private func importBoth(_ stage: Stage, _ base: DType, _ tuned: DType) throws {
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("base", Self.model(base)), name: "base", base: nil)
    let source = try stage.write("tuned", Self.model(tuned, tunes: [9]))
    let report = try store.importCheckpoint(at: source, name: "tuned", base: "base")
    #expect(report.baseChoice == "declared" && report.tensorsDelta == 2)
    #expect(report.bytesAdded < 256 * 1101 * 2 / 3, "\(report.bytesAdded) bytes added")
    let tensor = try #require(try store.tensorsByName(of: store.resolve("tuned"))["model.norm.weight"])
    #expect(try store.openObject(tensor.digest)?.trailer.castFrom == base.code)
    _ = try store.export("tuned", to: stage.folder.path + "/out")
    #expect(try Stage.same(source, stage.folder.path + "/out"))
    #expect(try store.verify(full: true).damage.isEmpty)
  }

  @Test("any part of a tensor is read by its own elements, past the end of a shorter base too", arguments: pairs)
  func ranges(base: DType, tuned: DType) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("base", Self.model(base, rows: 700)), name: "base", base: nil)
    let model = Self.model(tuned, tunes: [5])
    _ = try store.importCheckpoint(at: try stage.write("tuned", model), name: "tuned", base: "base")
    let whole = model[0].bytes
    for _ in 0..<20 {
      let from = Int.random(in: 0..<whole.count, using: &dice)
      let to = Int.random(in: from...whole.count, using: &dice)
      var found: [UInt8] = []
      try store.readRange("tuned", of: .tensor(model[0].name), from: from, to: to) { found += $0 }
      #expect(found == Array(whole[from..<to]), "seed \(seed), \(from)..<\(to)")
    }
  }

  @Test("a chain of casts from type to type comes back")
  func chain() throws {
    let stage = try Stage()
    let store = try stage.open()
    var last: String?
    for (index, dtype) in [DType.bf16, .f32, .f16, .f64, .bf16].enumerated() {
      let name = "step-\(index)"
      let source = try stage.write(name, Self.model(dtype, tunes: Array(0..<UInt64(index))))
      _ = try store.importCheckpoint(at: source, name: name, base: last)
      last = name
      _ = try store.export(name, to: "\(stage.folder.path)/out-\(name)")
      #expect(try Stage.same(source, "\(stage.folder.path)/out-\(name)"))
    }
    #expect(try store.lineage.counts().deepest > 1)
    #expect(try store.verify(full: true).damage.isEmpty)
  }

  @Test("a cast from an impossible dtype is corrupt, and says from which", arguments: [UInt8(1), 12, 15, 23, 255])
  func impossible(number: UInt8) throws {
    let stage = try Stage()
    let path: String
    let tensor: Manifest.TensorEntry
    do {
      let store = try stage.open()
      _ = try store.importCheckpoint(at: try stage.write("base", Self.model(.f32)), name: "base", base: nil)
      _ = try store.importCheckpoint(at: try stage.write("t", Self.model(.bf16, tunes: [9])), name: "t", base: "base")
      tensor = try #require(try store.tensorsByName(of: store.resolve("t"))["model.norm.weight"])
      let row = try #require(try store.lineage.object(tensor.digest))
      let trailer = try #require(try store.openObject(tensor.digest)).trailer
      #expect(trailer.castFrom == DType.f32.code)
      path = store.layout.pack(row.packDigest.hex)
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let start = row.offset + trailer.offsets[trailer.blocks.count]
      let end = row.offset + row.length - 12
      bytes[start + 3] = number
      let sum = Array(bytes[start..<end]).withUnsafeBytes { checksum($0) }
      for index in 0..<4 { bytes[end + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
      try bytes.write(to: URL(fileURLWithPath: path))
    }
    let store = try stage.open()
    #expect { try store.openObject(tensor.digest) } throws: { error in
      guard case .frameTrailer(let object, _, _, let reason)? = error as? ObjectsError else { return false }
      return object == tensor.digest && reason.contains("dtype \(number) to 15")
    }
    #expect { try store.export("t", to: stage.folder.path + "/out") } throws: {
      ($0 as? RepositoryError)?.kind == .corrupt
    }
    #expect(try store.verify(full: true).damage.contains { $0.models == ["t"] })
  }
}
