import Checkpoints
import JSON
import Lineage
import LinearAlgebra
import Objects
import Tensors

/// How much of each matrix a derived subspace holds.
public enum SubspaceSize: Sendable, Equatable {
  /// As few dimensions as hold this share of the squares of the change.
  case energy(Double)
  /// So many dimensions.
  case rank(Int)

  fileprivate var rule: Subspace.Rule {
    switch self {
    case .energy(let share): .energy(share)
    case .rank(let rank): .rank(rank)
    }
  }

  fileprivate var size: Basis.Size {
    switch self {
    case .energy(let share): .energy(share)
    case .rank(let rank): .rank(rank)
    }
  }
}

extension Repository {
  /// Finds, for every matrix that differs between two models, the leading left singular vectors of aligned − unaligned
  /// and stores them. Matrices that are the same have no subspace.
  ///
  /// The bases are found, so they may differ from machine to machine, and are stored. Memory: one matrix in f32, and
  /// what `Basis` takes for it. Durable when it returns; on a throw nothing has changed.
  public func deriveSubspace(
    aligned: String, unaligned: String, size: SubspaceSize, name: String?, madeBy: String? = nil,
    progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> SubspaceReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      switch size {
      case .energy(let share) where !(share > 0 && share <= 1):
        throw RepositoryError(.invalidInput, "energy: a share above 0 and at most 1 expected, found \(share)")
      case .rank(let rank) where rank < 1:
        throw RepositoryError(.invalidInput, "rank: a whole number above 0 expected, found \(rank)")
      default: break
      }
      let readers = try [aligned, unaligned].map { try ModelReader(try resolve($0), in: self) }
      for (reader, reference) in zip(readers, [aligned, unaligned]) {
        try reader.manifest.kind.require(.model, reference)
      }
      try TensorShapes(aligned, readers[0].manifest).requireSame(as: TensorShapes(unaligned, readers[1].manifest))
      let pairs = Self.changedMatrices(readers)
      guard !pairs.isEmpty else {
        throw RepositoryError(
          .invalidInput, "\(aligned) and \(unaligned): matrices that differ expected, found none")
      }
      let parents = zip(["aligned", "unaligned"], zip(readers, [aligned, unaligned])).map {
        Derivation.Parent(role: $0, model: $1.0.model, coefficient: nil, claimed: false, reference: $1.1)
      }
      return try withTemporaryFolder("-subspace") { output in
        let tensors = try write(pairs, readers, size, to: output, progress: progress)
        let subspace = Subspace(
          rule: size.rule, tensors: tensors, aligned: readers[0].model.hex, unaligned: readers[1].model.hex)
        let config = subspace.config
        try output.create(Subspace.configFile, size: config.count)
        try config.withUnsafeBytes { try output.write(Subspace.configFile, $0, at: 0) }
      } then: { folder in
        guard let subspace = try folder.subspace() else {
          throw RepositoryError(.internal, "\(folder.path): a subspace was written, found none")
        }
        return try subspaceReport(
          try importSubspace(
            ImportSource(folder: folder), subspace, parents: parents, name: name, madeBy: madeBy ?? whoami(),
            progress: nil
          ).id)
      }
    }
  }

  private typealias Pair = (aligned: Manifest.TensorEntry, unaligned: Manifest.TensorEntry)

  private static func changedMatrices(_ readers: [ModelReader]) -> [Pair] {
    let others = Dictionary(
      readers[1].manifest.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    return readers[0].manifest.tensors.compactMap { tensor in
      guard let other = others[tensor.name], tensor.dtype.isMergeable, other.dtype.isMergeable,
        tensor.shape.dimensions.count == 2, tensor.shape.elementCount != 0,
        tensor.dtype != other.dtype || tensor.digest != other.digest
      else { return nil }
      return (tensor, other)
    }.sorted { Array($0.aligned.name.utf8).lexicographicallyPrecedes(Array($1.aligned.name.utf8)) }
  }

  /// Writes `subspace.safetensors`, a basis after the other. How long they are is known only in the end, so the header
  /// gets the room that the longest would need, and blanks after it.
  private func write(
    _ pairs: [Pair], _ readers: [ModelReader], _ size: SubspaceSize, to output: OutputFolder,
    progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> [Subspace.Tensor] {
    let path = Subspace.basisFile
    func header(_ tensors: [Subspace.Tensor]) throws -> [UInt8] {
      try SafetensorsHeader.canonicalBytes(tensors: tensors.map(\.outline), metadata: [("format", "pt")])
    }
    let room = try header(
      pairs.map {
        .init(name: $0.aligned.name, shape: $0.aligned.shape, rank: $0.aligned.shape.dimensions[0], energy: 1)
      }
    ).count
    try output.create(path, size: 8 + room)
    let total = pairs.reduce(0) { $0 + $1.aligned.bytes }
    var (done, offset, found) = (0, 8 + room, [Subspace.Tensor]())
    for (tensor, other) in pairs {
      try pool.checkInterruption()
      let change = try wholeChange(ChangeReader(tensor, of: readers[0], minus: other, of: readers[1]))
      try requireFinite(change, tensor.name)
      let shape = tensor.shape.dimensions
      // Of two dtypes the bytes may differ where the numbers do not.
      if let basis = try Basis(of: change, rows: shape[0], columns: shape[1], size: size.size) {
        try basis.columns.withUnsafeBytes { try output.write(path, $0, at: offset) }
        offset += basis.columns.count * 4
        found.append(.init(name: tensor.name, shape: tensor.shape, rank: basis.rank, energy: basis.energy))
      }
      done += tensor.bytes
      progress?(done, total)
    }
    let text = try header(found)
    let padded = text + [UInt8](repeating: UInt8(ascii: " "), count: room - text.count)
    try SafetensorsHeader.fileStart(padded).withUnsafeBytes { try output.write(path, $0, at: 0) }
    return found
  }

  /// Stores the folder of a subspace (`subspace_config.json`, `subspace.safetensors`), whose columns are checked to be
  /// orthonormal. Durable when it returns; on a throw nothing has changed.
  public func importSubspace(
    at path: String, name: String?, madeBy: String? = nil, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> SubspaceReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      let folder = try CheckpointFolder.scan(path)
      try StoredKind(paths: folder.files.map(\.path)).require(.subspace, path)
      let report = try importNamed(
        ImportSource(folder: folder), base: nil, name: name, madeBy: madeBy ?? whoami(), progress: progress)
      guard let report else { throw RepositoryError(.internal, "\(path): no subspace") }
      return try subspaceReport(report.id)
    }
  }

  /// Stores a subspace's folder after checking its bases.
  func importSubspace(
    _ source: ImportSource, _ subspace: Subspace, parents: [Derivation.Parent] = [], name: String?, madeBy: String,
    progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport {
    let items = Dictionary(
      source.items.enumerated().compactMap { index, item in item.tensor.map { ($0.name, index) } },
      uniquingKeysWith: { first, _ in first })
    let path = source.folder.path
    for tensor in subspace.tensors {
      try pool.checkInterruption()
      let columns = try Self.columns(of: tensor) { try source.read(item: items[tensor.name]!, at: $0, into: $1) }
      guard columns.allSatisfy(\.isFinite) else {
        throw CheckpointError.named(path: path, .notFinite(tensor.name))
      }
      let error = try Basis.orthonormalityError(columns, rank: tensor.rank)
      guard error <= Subspace.orthonormalityLimit else {
        throw CheckpointError.named(
          path: path, .notOrthonormal(tensor.name, error: error, limit: Subspace.orthonormalityLimit))
      }
    }
    return try importNamed(
      source, summary: subspace.summary, kind: .subspace, parents: parents, name: name, madeBy: madeBy,
      progress: progress)
  }

  /// A subspace with its ranks and energies, and the orthonormality of its stored bases.
  public func showSubspace(_ reference: String) throws(RepositoryError) -> SubspaceReport {
    try door { try subspaceReport(reference) }
  }

  private func subspaceReport(_ reference: String) throws -> SubspaceReport {
    let reader = try ModelReader(try resolve(reference), in: self)
    let subspace = try subspace(of: reader.manifest, reference)
    let source = try StoreTensorSource(models: [reader], spaces: spaces)
    let lines = try subspace.tensors.map { tensor in
      try pool.checkInterruption()
      return SubspaceReport.Line(
        tensor: tensor.name, shape: tensor.shape.dimensions, rank: tensor.rank, energy: tensor.energy,
        orthonormality: try Basis.orthonormalityError(try Self.columns(of: tensor, source, input: 0), rank: tensor.rank)
      )
    }
    return SubspaceReport(
      id: reader.model.hex, names: try lineage.names(of: reader.model), rule: subspace.summary,
      parents: try lineage.derivations(of: reader.model).last.map { try parents(of: $0) } ?? [], lines: lines,
      storedBytes: try lineage.stored(Set(reader.manifest.tensors.map(\.digest))).frameBytes)
  }

  /// How far two subspaces of the same matrices overlap. Memory: two bases.
  public func compareSubspaces(_ a: String, _ b: String) throws(RepositoryError) -> SubspaceOverlap {
    try door {
      let readers = try [a, b].map { try ModelReader(try resolve($0), in: self) }
      let (left, right) = (try subspace(of: readers[0].manifest, a), try subspace(of: readers[1].manifest, b))
      try TensorShapes(a, left).requireSame(as: TensorShapes(b, right))
      let source = try StoreTensorSource(models: readers, spaces: spaces)
      let lines = try zip(left.tensors, right.tensors).map { first, second in
        try pool.checkInterruption()
        let squares = try Basis.overlap(
          try Self.columns(of: first, source, input: 0), rank: first.rank,
          try Self.columns(of: second, source, input: 1), rank: second.rank)
        return SubspaceOverlap.Line(
          tensor: first.name, rankA: first.rank, rankB: second.rank,
          overlap: squares / Double(min(first.rank, second.rank)),
          chance: Double(max(first.rank, second.rank)) / Double(first.rows))
      }
      return SubspaceOverlap(a: try label(readers[0].model), b: try label(readers[1].model), lines: lines)
    }
  }

  private static func columns(
    of tensor: Subspace.Tensor, _ source: StoreTensorSource, input: Int
  ) throws -> [Float] {
    try columns(of: tensor) { start, buffer in
      try source.read(input: input, tensor: tensor.name, bytes: start..<start + buffer.count, into: buffer)
    }
  }

  /// A whole basis, rows × rank.
  private static func columns(
    of tensor: Subspace.Tensor, read: (Int, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> [Float] {
    let count = tensor.rows * tensor.rank
    return try [Float](unsafeUninitializedCapacity: count) { out, initialized in
      try read(0, UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(out)[..<(count * 4)]))
      initialized = count
    }
  }
}
