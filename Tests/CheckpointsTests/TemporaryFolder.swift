import Checkpoints
import Foundation
import Tensors

/// A folder that is deleted with the value that made it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "checkpoints-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func path(_ name: String) -> String { path + "/" + name }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let parent = (path(name) as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
  }

  func write(_ name: String, text: String) throws {
    try write(name, Array(text.utf8))
  }

  func read(_ name: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: path(name)))) }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
  }

  /// Writes a safetensors file of small F32 tensors with zeros for data.
  func writeTensors(_ name: String, _ tensors: [String]) throws {
    let outlines = tensors.map { TensorOutline(name: $0, dtype: .f32, shape: Shape([2])) }
    let header = try SafetensorsHeader.canonicalBytes(tensors: outlines)
    try write(name, SafetensorsHeader.fileStart(header) + [UInt8](repeating: 0, count: 8 * tensors.count))
  }

  func writeIndex(_ map: [(String, String)], at name: String = "model.safetensors.index.json") throws {
    let entries = map.map { "\"\($0.0)\": \"\($0.1)\"" }.joined(separator: ", ")
    try write(name, text: "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {\(entries)}}")
  }
}
