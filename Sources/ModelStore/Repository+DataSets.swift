import Checkpoints
import Foundation
import JSON
import Lineage
import Objects

extension Repository {
  /// Stores a data set: a file of JSON lines with what is known of its making, or the folder of an exported one.
  ///
  /// Models that the record names as `generator`, `guard` or in `pool` become its parents, where they are in the store:
  /// by name, by id, or by what `stemma-synthesise` records of them. Durable when it returns; on a throw nothing has
  /// changed. Reads the file into memory.
  ///
  /// - Parameter record: the path of a JSON object.
  public func importDataSet(
    at path: String, record: String?, name: String?, madeBy: String? = nil,
    progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> DataSetReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      let who = madeBy ?? whoami()
      if isFolder(path) {
        let folder = try CheckpointFolder.scan(path)
        guard let set = try folder.dataSet() else {
          throw RepositoryError(.invalidInput, "\(path): a data set's folder or a file of JSON lines expected")
        }
        if record != nil {
          throw RepositoryError(
            .invalidInput, "\(path): a data set's folder has its record in itself", hint: "leave --record out")
        }
        return try dataSetReport(
          importDataSet(ImportSource(folder: folder), set, name: name, madeBy: who, progress: progress).id)
      }
      let file = try DraftedSet(path, record: record)
      try requireSpace(for: file.lines.count)
      let id = try withTemporaryFolder("-data", write: file.write) { folder in
        try importDataSet(
          ImportSource(folder: folder), file.set, name: name, madeBy: who, progress: progress
        ).id
      }
      return try dataSetReport(id)
    }
  }

  /// A data set with its counts and its record.
  public func showDataSet(_ reference: String) throws(RepositoryError) -> DataSetReport {
    try door { try dataSetReport(reference) }
  }

  /// Stores a data set's folder after counting its lines.
  func importDataSet(
    _ source: ImportSource, _ set: DataSet, name: String?, madeBy: String, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport {
    let path = source.folder.path + "/" + set.file
    guard let lines = FileManager.default.contents(atPath: path) else {
      throw RepositoryError(.notFound, "\(path): a file of JSON lines expected, found none that can be read")
    }
    try set.check(
      DataSet.Counts(lines, path), sha256: Digest(of: lines).hex, path: source.folder.path + "/" + DataSet.configFile)
    return try importNamed(
      source, summary: set.summary, kind: .dataset, parents: writers(set.record), record: set.record, name: name,
      madeBy: madeBy, progress: progress)
  }

  /// The models that a record names, as far as they are in the store.
  private func writers(_ record: JSONValue?) throws -> [Derivation.Parent] {
    var parents: [Derivation.Parent] = []
    for role in ["generator", "guard", "pool"] {
      guard let value = record?[role] else { continue }
      for reference in (value.elements ?? [value]).compactMap(\.text) {
        guard let model = try known(reference) ?? modelWithFiles(reference) else { continue }
        try manifest(of: model).kind.requireWeights("\(role) \(reference)")
        let parent = Derivation.Parent(
          role: role, model: model, coefficient: nil, claimed: false, reference: reference)
        if !parents.contains(parent) { parents.append(parent) }
      }
    }
    return parents
  }

  /// The model whose weight files have this digest: SHA-256 over the SHA-256 of each, in the order of their names, as
  /// `stemma-synthesise` records it; nil where there is none. Reads the manifests of all models.
  private func modelWithFiles(_ text: String) throws -> Digest? {
    guard let digest = Digest(hex: text) else { return nil }
    return try lineage.models().map(\.model.id).first { model in
      let files = try manifest(of: model).files.filter { $0.header != nil && !$0.path.contains("/") }
      let known = try files.isEmpty ? [:] : fileDigests(of: model)
      let digests = files.compactMap { known[$0.path] }
      return !files.isEmpty && digests.count == files.count && Digest(of: digests.flatMap(\.bytes)) == digest
    }
  }

  private func dataSetReport(_ reference: String) throws -> DataSetReport {
    let model = try resolve(reference)
    let manifest = try manifest(of: model)
    let set = try dataSet(of: manifest, reference)
    let counts = set.counts
    return DataSetReport(
      id: model.hex, names: try lineage.names(of: model), file: set.file,
      bytes: manifest.files.first { $0.path == set.file }?.size ?? 0, sha256: set.sha256, examples: counts.examples,
      kinds: DataSet.kinds.map { ($0, counts.kinds[$0] ?? 0) },
      splits: DataSet.splits.map { ($0, counts.splits[$0] ?? 0) }, record: set.record,
      parents: try making(of: model).map { try parents(of: $0) } ?? [],
      storedBytes: try lineage.stored([manifest.weightsID]).frameBytes)
  }
}

extension DataSet.Counts {
  /// Counts lines; `path` names them in errors.
  fileprivate init(_ lines: Data, _ path: String) throws {
    var counts = DataSet.Counts()
    try ExampleFile.read(lines, path) { line, number in try counts.add(line, place: "\(path), line \(number)") }
    self = counts
  }
}

/// A file of JSON lines that becomes a data set.
private struct DraftedSet {
  let set: DataSet
  let lines: Data

  init(_ path: String, record: String?) throws {
    let file = (path as NSString).lastPathComponent
    guard file.hasSuffix(".jsonl") else {
      throw RepositoryError(.invalidInput, "\(path): a file named *.jsonl expected, found \(file.quoted)")
    }
    guard let lines = FileManager.default.contents(atPath: path) else {
      throw RepositoryError(.notFound, "\(path): a file of JSON lines expected, found none that can be read")
    }
    self.lines = lines
    let counts = try DataSet.Counts(lines, path)
    let sha256 = Digest(of: lines).hex
    set = DataSet(
      file: file, sha256: sha256, counts: counts, record: try record.map { try Self.record($0, of: file, sha256) })
  }

  /// Reads a record; one that lists its data has to list these.
  private static func record(_ path: String, of file: String, _ sha256: String) throws -> JSONValue {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw RepositoryError(.notFound, "\(path): a record expected, found none that can be read")
    }
    let record: JSONValue
    do throws(JSONError) {
      record = try JSONValue.parse(Array(bytes))
    } catch {
      throw RepositoryError(.invalidInput, "\(path): \(error)")
    }
    guard record.members != nil else {
      throw RepositoryError(.invalidInput, "\(path): an object expected, found another value")
    }
    if let data = record["data"]?.elements, !data.contains(where: { $0["sha256"]?.text == sha256 }) {
      throw RepositoryError(
        .invalidInput,
        "\(path): a record of \(file) expected, found none of the sha256 \(sha256.prefix(12)) in its data",
        hint: "the file has changed since it was made, or the record is another's")
    }
    return record
  }

  func write(to output: OutputFolder) throws {
    for (name, bytes) in [(set.file, Array(lines)), (DataSet.configFile, set.config)] {
      try output.create(name, size: bytes.count)
      try bytes.withUnsafeBytes { try output.write(name, $0, at: 0) }
    }
  }
}
