import Checkpoints
import Foundation
import JSON
import Lineage
import Objects

/// Examples that something is learnt or tuned on: a file of JSON lines, or a data set of the store.
struct ExampleFile {
  /// Of a file its last name, of a data set the store's.
  let name: String
  /// Absolute; of a data set where `place` writes its lines.
  private(set) var path: String
  /// Of the lines' file.
  let digest: Digest
  /// The data set's id; nil for a file.
  let model: Digest?
  /// Of a data set, which lies nowhere yet.
  private let lines: [UInt8]

  /// Reads the lines whole. Where a file has the name of a data set, both must have the same lines.
  ///
  /// - Parameter reference: a path, or a name or id in the repository; `./x`, `../x` and `/x` are paths.
  /// - Throws: `invalidInput` where a line is no object or of an unknown split, or where a line's `split` or one of the
  ///   names says that the examples are for tests; `conflict` where an advisory on the data set is open, and where a
  ///   file and a data set have the name and differ.
  init(_ reference: String, relativeTo directory: String, in repository: Repository?) throws {
    let path = Repository.path(reference, relativeTo: directory)
    let file = FileManager.default.contents(atPath: path)
    var set = try repository?.dataSet(reference, besideFile: file != nil)
    if set == nil, let repository, let file, let model = try repository.dataSet(ofLines: Digest(of: file)) {
      // A copy of a data set's lines is that data set: its advisories, names and record hold for it.
      set = try repository.dataSet(model, reference)
    }
    guard let bytes = set.map({ Data($0.lines) }) ?? file else {
      let kinds = repository == nil ? "a file of JSON lines" : "a file of JSON lines or a data set of the store"
      throw RepositoryError(.notFound, "\(reference): \(kinds) expected, found none that can be read")
    }
    if let set, let file, Digest(of: file) != set.digest {
      throw RepositoryError(
        .conflict, "\(reference): one set of examples expected, found a data set of the store and another file",
        hint: "for the file write ./\(reference), for the data set \(set.model.short)")
    }
    let ownNames =
      (set.map { $0.names + [$0.file] } ?? []) + (file == nil ? [] : [(path as NSString).lastPathComponent])
    if ownNames.contains(where: Self.isForTests) { throw Self.testData(reference, "its name") }
    try Self.read(bytes, reference) { line, number in
      guard let split = line["split"], split != .null else { return }
      if split.text?.lowercased() == "test" { throw Self.testData(reference, "line \(number)") }
      // A misspelt test must not let lines through.
      guard let text = split.text, DataSet.splits.contains(text) else {
        throw RepositoryError(
          .invalidInput,
          "\(reference), line \(number): split: expected \(DataSet.splits.joined(separator: ", ")), "
            + "found \(split.text?.quoted ?? "another value")")
      }
    }
    (name, self.path, model, lines) = (ownNames[0], path, set?.model, set?.lines ?? [])
    digest = set?.digest ?? Digest(of: bytes)
  }

  /// True where one of the words of a name says so: latest and contest are other words. A capital after a small letter
  /// begins a word.
  private static func isForTests(_ name: String) -> Bool {
    var words = [""]
    var last: Character = " "
    for character in name {
      if !character.isLetter || (last.isLowercase && character.isUppercase) { words.append("") }
      if character.isLetter { words[words.count - 1].append(contentsOf: character.lowercased()) }
      last = character
    }
    return words.contains { ["test", "tests", "testing", "testset"].contains($0) }
  }

  /// Reads lines, an object each; empty ones are none. `path` names them in errors.
  ///
  /// - Parameter take: gets each object and the number of its line, from 1.
  /// - Throws: `invalidInput` for other lines, and where there is no object.
  static func read(_ data: Data, _ path: String, take: (JSONValue, Int) throws -> Void) throws {
    var isEmpty = true
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
      try take(value, index + 1)
      isEmpty = false
    }
    if isEmpty { throw RepositoryError(.invalidInput, "\(path): examples expected, found none") }
  }

  /// The same, with a data set's lines going to this path.
  func placed(at path: String) -> ExampleFile {
    var copy = self
    if model != nil { copy.path = path }
    return copy
  }

  /// Writes a data set's lines to their path; a file is where it is.
  func place() throws {
    if model != nil { try Data(lines).write(to: URL(fileURLWithPath: path), options: .atomic) }
  }

  /// For the derivation of what is learnt; nothing for a file, whose digest is recorded elsewhere.
  func parent(share: Double? = nil) -> Derivation.Parent? { model.map { .data($0, name, share: share) } }

  private static func testData(_ path: String, _ what: String) -> RepositoryError {
    RepositoryError(
      .invalidInput, "\(path): examples to learn from expected, found what \(what) says is for tests",
      hint: "what is learnt or tuned on test data cannot be judged by them; take a train or validation split")
  }

  var json: JSONValue { ["name": .string(name), "path": .string(path), "sha256": .string(digest.hex)] }
}

extension Repository {
  /// The data set of this name or id with its lines; nil where there is none of it, or where the reference is a path.
  ///
  /// - Parameter besideFile: there is a file of the name too, so that a model of the name is none of what is meant.
  fileprivate func dataSet(
    _ reference: String, besideFile: Bool
  ) throws -> (model: Digest, names: [String], file: String, digest: Digest, lines: [UInt8])? {
    guard !Self.isPath(reference), let model = try known(reference) else { return nil }
    if try besideFile && manifest(of: model).kind != .dataset { return nil }
    return try dataSet(model, reference)
  }

  /// A data set with its lines, whatever it was called.
  fileprivate func dataSet(
    _ model: Digest, _ reference: String
  ) throws -> (model: Digest, names: [String], file: String, digest: Digest, lines: [UInt8]) {
    let manifest = try manifest(of: model)
    let set = try dataSet(of: manifest, reference)
    try requirePresent(model)
    _ = try pass(model, "to learn from it", nil)
    let known = try lineage.names(of: model)
    let first = known.contains(reference) ? reference : known.first ?? model.short
    return (
      model, [first] + known.filter { $0 != first }, set.file, manifest.weightsID, try readObject(manifest.weightsID)
    )
  }
}
