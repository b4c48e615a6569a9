import Checkpoints
import Foundation
import JSON
import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// Stores a source that is a mask, a subspace or a data set; nil where it is none of these. A base is refused.
  func importNamed(
    _ source: ImportSource, base: String?, name: String?, madeBy: String, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport? {
    let kind = StoredKind(paths: source.folder.files.map(\.path))
    if let base, !kind.hasWeights {
      throw RepositoryError(.invalidInput, "\(source.folder.path): \(kind.text) has no base, found --base \(base)")
    }
    if let mask = try source.folder.mask() {
      return try importMask(
        source, mask, parents: claimedParents(mask.madeFrom.map { ("made_from", $0) }, data: mask.data), name: name,
        madeBy: madeBy, progress: progress)
    }
    if let subspace = try source.folder.subspace() {
      let models = [("aligned", subspace.aligned), ("unaligned", subspace.unaligned)]
      return try importSubspace(
        source, subspace, parents: claimedParents(models.compactMap { role, id in id.map { (role, $0) } }), name: name,
        madeBy: madeBy, progress: progress)
    }
    if let set = try source.folder.dataSet() {
      return try importDataSet(source, set, name: name, madeBy: madeBy, progress: progress)
    }
    return nil
  }

  /// What the configuration of a mask or subspace that was made elsewhere names, as far as the store knows it.
  ///
  /// - Parameters:
  ///   - models: roles and ids.
  ///   - data: files whose lines may be those of data sets.
  private func claimedParents(
    _ models: [(role: String, id: String)], data: [Mask.DataFile] = []
  ) throws -> [Derivation.Parent] {
    var parents: [Derivation.Parent] = []
    for (role, id) in models {
      guard let model = Digest(hex: id), try lineage.model(model) != nil else { continue }
      parents.append(.init(role: role, model: model, coefficient: nil, claimed: true, reference: nil))
    }
    for file in data {
      if let lines = Digest(hex: file.sha256), let set = try dataSet(ofLines: lines) {
        parents.append(.data(set, file.name))
      }
    }
    return parents
  }

  /// Stores the folder of a mask, subspace or data set, whose content is read and checked first.
  ///
  /// What is made of flagged models is flagged and gets its name all the same, which the name's event records: a mask
  /// is learnt because a model is bad, and merges behind it are refused.
  ///
  /// - Parameter parents: what it was made of; nothing for one that somebody else made.
  func importNamed(
    _ source: ImportSource, summary: String, kind: StoredKind, parents: [Derivation.Parent], training: JSONValue? = nil,
    record: JSONValue? = nil, name: String?, madeBy: String, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport {
    let ingest = try ingest(source, base: nil, progress: progress)
    try source.refuseChanges()
    let manifest = source.manifest(ingest)
    let model = manifest.document.digest
    let isKnown = try lineage.model(model)?.state == .stored
    var derivation = Derivation(
      kind: kind.rawValue, model: model, madeAt: now(), madeBy: madeBy,
      tool: Self.tool, parents: parents)
    derivation.method = summary
    derivation.training = training
    derivation.record = record
    derivation.files = source.fileDigests(ingest)
    let recorded = try lineage.derivations(of: model).map { Set($0.parents.map(\.parent)) }
    let isNew = !isKnown || !recorded.contains { $0.isSuperset(of: parents.map(\.model)) }
    let added = try publishStored(
      manifest, ingest, by: derivation, name: name, sketch: nil, isKnown: isKnown, isNew: isNew,
      permission: Permission(allowsFlagged: true))
    return ImportReport(
      id: model.hex, name: name, names: try lineage.names(of: model), alreadyStored: isKnown, bytesRead: source.bytes,
      bytesAdded: added, base: nil,
      baseID: nil, baseChoice: "none", baseNote: "\(kind.text): \(summary)", tensors: manifest.tensors.count,
      tensorsKnown: ingest.knownItems, tensorsDelta: ingest.deltaItems, leftOut: source.folder.leftOut,
      remarks: source.folder.remarks)
  }

  /// Stores a mask's folder after counting its bits.
  func importMask(
    _ source: ImportSource, _ mask: Mask, parents: [Derivation.Parent] = [], name: String?, madeBy: String,
    progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport {
    try count(mask, in: source)
    return try importNamed(
      source, summary: mask.summary, kind: .mask, parents: parents, training: mask.trainingRecord, name: name,
      madeBy: madeBy, progress: progress)
  }

  /// Makes a mask's folder in `tmp/` and stores it. Nothing of the folder is left, whatever happens.
  func store(
    _ draft: MaskDraft, name: String?, madeBy: String, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport {
    guard !draft.tensors.isEmpty else {
      throw RepositoryError(
        .invalidInput, "a mask of at least one tensor of F16, BF16, F32 or F64 expected, found none")
    }
    try requireSpace(for: draft.tensors.reduce(0) { $0 + BitMask.byteCount(of: $1.shape.elementCount ?? 0) })
    return try withTemporaryFolder("-mask") { output in
      try draft.write(to: output, pool: pool, spaces: spaces, progress: progress)
    } then: { folder in
      guard let mask = try folder.mask() else {
        throw RepositoryError(.internal, "\(folder.path): a mask was written, found none")
      }
      return try importMask(
        ImportSource(folder: folder), mask, parents: draft.parents, name: name, madeBy: madeBy, progress: nil)
    }
  }

  /// Writes a folder in `tmp/`, hands it on, and removes it.
  func withTemporaryFolder<T>(
    _ suffix: String, write: (OutputFolder) throws -> Void, then body: (CheckpointFolder) throws -> T
  ) throws -> T {
    let output = try OutputFolder(target: temporaryPath(suffix), insideStore: true)
    do {
      try write(output)
      try output.publish()
    } catch {
      output.discard()
      throw error
    }
    defer { try? FileManager.default.removeItem(atPath: output.target) }
    return try body(try CheckpointFolder.scan(output.target))
  }

  /// Throws where a mask's bits are not those that its configuration counts.
  private func count(_ mask: Mask, in source: ImportSource) throws {
    let items = Dictionary(
      source.items.enumerated().compactMap { index, item in
        source.isWeight(item) ? item.tensor.map { ($0.name, index) } : nil
      },
      uniquingKeysWith: { first, _ in first })
    let block = Frame.blockBytes
    let blocks = mask.tensors.enumerated().flatMap { index, tensor in
      let size = BitMask.byteCount(of: tensor.elements)
      return stride(from: 0, to: size, by: block).map { (tensor: index, bytes: $0..<min(size, $0 + block)) }
    }
    let found = Mutex(mask.tensors.map { _ in (ones: 0, last: UInt8(0)) })
    try pool.run(blocks.count) { ticket, _ in
      let (index, bytes) = blocks[ticket]
      let tensor = mask.tensors[index]
      try spaces.withWorkspace { space in
        let buffer = space.buffer(70, count: bytes.count)
        try source.read(item: items[tensor.name]!, at: bytes.lowerBound, into: buffer)
        let ones = BitMask.ones(in: UnsafeRawBufferPointer(buffer))
        let last = bytes.upperBound == BitMask.byteCount(of: tensor.elements) ? buffer[buffer.count - 1] : nil
        found.withLock { found in
          found[index].ones += ones
          if let last { found[index].last = last }
        }
      }
    }
    for (tensor, counted) in zip(mask.tensors, found.withLock { $0 }) {
      try mask.check(tensor, ones: counted.ones, last: counted.last, path: source.folder.path)
    }
  }
}

extension Mask {
  /// What the derivation keeps of how it was learnt: the data's digests and the record; nil for other masks.
  fileprivate var trainingRecord: JSONValue? {
    guard let training else { return nil }
    let files = data.map { file -> JSONValue in ["name": .string(file.name), "sha256": .string(file.sha256)] }
    return ["data": .array(files), "record": training]
  }
}
