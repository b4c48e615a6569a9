import Checkpoints
import Foundation
import JSON
import Tensors
import TestSupport

@testable import ModelStore

extension Stage {
  /// Writes a safetensors file and returns its path.
  @discardableResult
  func write(file: String, _ tensors: [Content]) throws -> String {
    let path = "\(folder.path)/\(file)"
    let header = try SafetensorsHeader.canonicalBytes(
      tensors: tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: Shape($0.shape)) })
    try Data(SafetensorsHeader.fileStart(header) + tensors.flatMap(\.bytes)).write(to: URL(fileURLWithPath: path))
    return path
  }

  /// Names in a folder, sorted.
  func names(in path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/\(path)").sorted()
  }

  /// Numbers as F32.
  static func content(_ name: String, _ shape: [Int], _ values: [Float]) -> Content {
    Content(
      name: name, dtype: .f32, shape: shape,
      bytes: values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } })
  }

  /// Bits as BOOL.
  static func content(_ name: String, _ shape: [Int], _ bits: [Bool]) -> Content {
    Content(name: name, dtype: .bool, shape: shape, bytes: bits.map { $0 ? 1 : 0 })
  }

  /// Bits that are 1 with this probability.
  static func bits(_ count: Int, density: Double, seed: UInt64) -> [Bool] {
    var random = SplitMix(state: seed)
    return (0..<count).map { _ in Double.random(in: 0..<1, using: &random) < density }
  }

  static func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix(state: seed)
    return (0..<count).map { _ in Float.random(in: -3...3, using: &random) }
  }
}

extension Repository {
  /// The bits of a mask's tensor, unpacked.
  func bits(of mask: String, _ tensor: String, _ count: Int) throws -> [Bool] {
    var bytes: [UInt8] = []
    try readRange(mask, of: .tensor(tensor), from: 0, to: nil) { bytes += Array($0) }
    return (0..<count).map { bytes[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
  }
}
