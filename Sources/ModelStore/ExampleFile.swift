import Foundation
import JSON
import Objects

/// A file of examples that something is learnt or tuned on: JSON lines, an object each.
struct ExampleFile {
  let name: String
  /// Absolute.
  let path: String
  let digest: Digest

  /// Reads the file whole.
  ///
  /// - Throws: `invalidInput` where a line is no object, or where a line's `split` or the file's name says that the
  ///   examples are for tests.
  init(_ path: String, relativeTo directory: String) throws {
    self.path = Repository.path(path, relativeTo: directory)
    name = (self.path as NSString).lastPathComponent
    guard let data = FileManager.default.contents(atPath: self.path) else {
      throw RepositoryError(.notFound, "\(path): a file of JSON lines expected, found none that can be read")
    }
    // "test" between two that are no letters: latest and contest are other words.
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
      if value["split"]?.text?.lowercased() == "test" { throw Self.testData(path, "line \(index + 1)") }
      lines += 1
    }
    guard lines > 0 else { throw RepositoryError(.invalidInput, "\(path): examples expected, found none") }
    digest = Digest(of: data)
  }

  private static func testData(_ path: String, _ what: String) -> RepositoryError {
    RepositoryError(
      .invalidInput, "\(path): examples to learn from expected, found what \(what) says is for tests",
      hint: "what is learnt or tuned on test data cannot be judged by them; take a train or validation split")
  }

  var json: JSONValue { ["name": .string(name), "path": .string(path), "sha256": .string(digest.hex)] }
}
