import Foundation
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
    weight = data.weight
    let examples = try ExampleFile(data.path, relativeTo: directory)
    (path, digest) = (examples.path, examples.digest)
    let file = examples.name
    name = file.contains(".") ? (file as NSString).deletingPathExtension : file
  }

  /// For the record: no path, which means nothing elsewhere.
  var record: JSONValue {
    ["name": .string(name), "sha256": .string(digest.hex), "weight": .number(weight)]
  }

  /// For an evaluator.
  var request: JSONValue { ["name": .string(name), "path": .string(path), "sha256": .string(digest.hex)] }
}
