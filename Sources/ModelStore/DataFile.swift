import Foundation
import JSON
import Objects

/// Examples to tune on: a file of JSON lines or a data set of the store, and what its loss counts for.
struct DataFile {
  /// What evaluators call the data: a file's name without its ending, a data set's name as it is.
  let name: String
  let weight: Double
  private(set) var examples: ExampleFile

  var digest: Digest { examples.digest }

  /// Reads the files and refuses what is not for tuning: data marked `test` is what the result is judged by.
  static func read(_ data: [TuneRequest.Data], relativeTo directory: String, in repository: Repository?) throws
    -> [DataFile]
  {
    guard data.contains(where: { $0.weight > 0 }) else {
      throw RepositoryError(.invalidInput, "data: at least one file with a weight above 0 expected, found none")
    }
    var files: [DataFile] = []
    for entry in data {
      let file = try DataFile(entry, relativeTo: directory, in: repository)
      if files.contains(where: { $0.name == file.name }) {
        throw RepositoryError(
          .invalidInput, "data '\(file.name)': one file of the name expected, found two", hint: "rename one of them")
      }
      files.append(file)
    }
    return files
  }

  private init(_ data: TuneRequest.Data, relativeTo directory: String, in repository: Repository?) throws {
    guard data.weight.isFinite, data.weight >= 0 else {
      throw RepositoryError(.invalidInput, "data \(data.path): a weight of 0 or more expected, found \(data.weight)")
    }
    weight = data.weight
    examples = try ExampleFile(data.path, relativeTo: directory, in: repository)
    let file = examples.name
    name = examples.model == nil && file.contains(".") ? (file as NSString).deletingPathExtension : file
  }

  /// The same, with a data set's lines going to this path.
  func placed(at path: String) -> DataFile {
    var copy = self
    copy.examples = examples.placed(at: path)
    return copy
  }

  /// For the record: no path, which means nothing elsewhere.
  var record: JSONValue {
    ["name": .string(name), "sha256": .string(digest.hex), "weight": .number(weight)]
  }

  /// For an evaluator.
  var request: JSONValue { ["name": .string(name), "path": .string(examples.path), "sha256": .string(digest.hex)] }
}
