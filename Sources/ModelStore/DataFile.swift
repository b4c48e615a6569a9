import Foundation
import Glibc
import JSON
import Objects

/// Examples to tune on: a file of JSON lines, and what its loss counts for.
struct DataFile {
  /// The file's name without its ending; what evaluators call the data.
  let name: String
  /// Absolute.
  let path: String
  let digest: Digest
  let weight: Double

  /// Reads the files and refuses what is not for tuning: data marked `test` is what the result is judged by.
  static func read(_ data: [TuneRequest.Data], relativeTo directory: String) throws -> [DataFile] {
    guard data.contains(where: { $0.weight > 0 }) else {
      throw RepositoryError(.invalidInput, "data: at least one file with a weight above 0 expected, found none")
    }
    var files: [DataFile] = []
    for entry in data {
      let file = try DataFile(entry, relativeTo: directory)
      if files.contains(where: { $0.name == file.name }) {
        throw RepositoryError(
          .invalidInput, "data '\(file.name)': one file of the name expected, found two", hint: "rename one of them")
      }
      files.append(file)
    }
    return files
  }

  private init(_ data: TuneRequest.Data, relativeTo directory: String) throws {
    guard data.weight.isFinite, data.weight >= 0 else {
      throw RepositoryError(.invalidInput, "data \(data.path): a weight of 0 or more expected, found \(data.weight)")
    }
    path = Repository.path(data.path, relativeTo: directory)
    weight = data.weight
    let file = (path as NSString).lastPathComponent
    name = file.contains(".") ? (file as NSString).deletingPathExtension : file
    // "test" between two that are no letters: latest and contest are other words.
    let words = file.lowercased().split { !$0.isLetter }
    guard !words.contains("test") else { throw Self.refusal(data.path, "its name says so") }
    guard exists(path) else { throw RepositoryError(.notFound, "data \(data.path): there is no such file") }
    let local = try LocalFile(path, flags: O_RDONLY | O_CLOEXEC, operation: "open")
    let bytes = try local.bytes(at: 0, count: try local.size(), path: path)
    digest = Digest(of: bytes)
    var count = 0
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    where line.contains(where: { $0 > 0x20 }) {
      guard let value = try? JSONValue.parse(Array(line)), value.members != nil else {
        throw RepositoryError(
          .invalidInput, "data \(data.path), line \(number + 1): one JSON object expected, found something else")
      }
      if value["split"]?.text?.lowercased() == "test" { throw Self.refusal(data.path, "line \(number + 1) says so") }
      count += 1
    }
    guard count > 0 else {
      throw RepositoryError(.invalidInput, "data \(data.path): examples expected, found an empty file")
    }
  }

  private static func refusal(_ path: String, _ why: String) -> RepositoryError {
    RepositoryError(
      .invalidInput, "data \(path): examples for tuning expected, found test data (\(why))",
      hint: "what was tuned on the test data cannot be judged by it; take a train or validation split")
  }

  /// For the record: no path, which means nothing elsewhere.
  var record: JSONValue {
    ["name": .string(name), "sha256": .string(digest.hex), "weight": .number(weight)]
  }

  /// For an evaluator.
  var request: JSONValue { ["name": .string(name), "path": .string(path), "sha256": .string(digest.hex)] }
}
