import Foundation
import JSON
import Objects

/// A file of examples that something is learnt on: JSON lines, an object each.
struct LearningData {
  let name: String
  /// Absolute.
  let path: String
  let sha256: String

  /// Reads the file whole.
  ///
  /// - Throws: `invalidInput` where a line is no object, or where a line's `split` or the file's name says that the
  ///   examples are for tests.
  init(_ path: String) throws {
    self.path = absolute(path)
    name = (self.path as NSString).lastPathComponent
    guard let data = FileManager.default.contents(atPath: self.path) else {
      throw RepositoryError(.notFound, "\(path): a file of JSON lines expected, found none that can be read")
    }
    if name.lowercased().split(whereSeparator: { !$0.isLetter }).contains("test") {
      throw Self.testData(path, "its name")
    }
    var lines = 0
    for (index, line) in data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      let bytes = Array(line)
      if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x0D || $0 == 0x09 }) { continue }
      let value: JSONValue
      do throws(JSONError) {
        value = try JSONValue.parse(bytes)
      } catch {
        throw RepositoryError(.invalidInput, "\(path), line \(index + 1): \(error)")
      }
      guard value.members != nil else {
        throw RepositoryError(.invalidInput, "\(path), line \(index + 1): an object expected, found another value")
      }
      if value["split"]?.text == "test" { throw Self.testData(path, "line \(index + 1)") }
      lines += 1
    }
    guard lines > 0 else { throw RepositoryError(.invalidInput, "\(path): examples expected, found none") }
    sha256 = Digest(of: data).hex
  }

  private static func testData(_ path: String, _ what: String) -> RepositoryError {
    RepositoryError(
      .invalidInput, "\(path): data for training expected, found what \(what) says is for tests",
      hint: "keep tests apart: what is learnt on them can no longer be judged by them")
  }

  var json: JSONValue { ["name": .string(name), "path": .string(path), "sha256": .string(sha256)] }
}
