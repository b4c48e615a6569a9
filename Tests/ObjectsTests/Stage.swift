import Foundation
import Objects

/// A folder on the real disk that goes with the value that made it.
final class Stage: Sendable {
  let path: String
  let storage = LocalStorage()

  init() throws {
    path = NSTemporaryDirectory() + "objects-" + UUID().uuidString
    for folder in ["", "/packs", "/documents", "/tmp"] { try storage.makeDirectory(path + folder) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> any StorageFile {
    let file = try storage.create("\(path)/\(name)")
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    return file
  }

  func read(_ name: String) throws -> [UInt8] {
    let file = try storage.open("\(path)/\(name)")
    return try file.bytes(at: 0, count: try file.size(), path: name)
  }

  /// Reads a whole file by the name a sealed pack got.
  func pack(_ digest: Digest) throws -> [UInt8] { try read("packs/\(digest.hex.prefix(2))/\(digest.hex).pack") }

  func writer() throws -> PackWriter {
    try PackWriter(storage: storage, path: "\(path)/tmp/\(UUID().uuidString).pack")
  }
}

extension PackWriter {
  /// Writes an object of raw blocks of 8 bytes; without the trailer where `finish` is false.
  func put(_ object: [UInt8], base: Digest? = nil, finish: Bool = true) throws {
    try beginFrame()
    for start in stride(from: 0, to: object.count, by: 8) {
      let block = Array(object[start..<min(object.count, start + 8)])
      try block.withUnsafeBytes { try append($0, codec: 0, checksum: checksum($0)) }
    }
    guard finish else { return }
    try finishFrame(
      dtype: 0, width: 1, blockBytes: 8, rawBytes: object.count, digest: Digest(of: object), base: base)
  }
}
