import Foundation
import Lineage
import Objects
import Synchronization
import Tensors

// Where a merged model's bytes live: in packs, or in its recipe.
extension Repository {
  /// Makes a stored merge virtual: drops the rows of the tensors that only it needs. Their bytes go with `collect`.
  ///
  /// Every tensor that is to go is computed and compared with its digest before anything is dropped. Needs the store to
  /// itself, because another process may rest on what goes; `conflict` where one is at work, where the model cannot
  /// be computed, and where deltas of other models rest on it. A model that is virtual already stays as it is.
  public func evict(
    _ reference: String, waiting: Bool = false, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ResidenceReport {
    try door {
      try requireWritable()
      return try withExclusiveLock(waiting: waiting) {
        let model = try resolve(reference)
        try requirePresent(model)
        let fused = try requireRebuildable(model)
        let tensors = try evictable(model)
        let items = try tensors.map { tensor in
          guard let index = fused.index(of: tensor.name) else {
            throw RepositoryError(.corrupt, "model \(model.short): its plan does not make tensor \(tensor.name)")
          }
          return ExportItem(
            file: 0, offset: 0, size: tensor.bytes, digest: tensor.digest, label: tensor.name,
            bytes: .fused(fused, tensor: index))
        }
        let total = items.reduce(0) { $0 + $1.size }
        try stream(items, progress: progress.map { report in { report($0, total) } }) { _, _, _ in }
        let frames = try lineage.stored(tensors.map(\.digest)).frameBytes
        let dropped = try deltas(on: tensors.map(\.digest))
        try lineage.publish { publication in
          try publication.deleteObjects(dropped)
          if !tensors.isEmpty { try publication.setState(model, .virtual) }
        }
        return try residence(of: model, tensors: tensors.count, bytes: frames)
      }
    }
  }

  /// Computes what is not in packs of a virtual model and stores it, as deltas where that pays. Durable when it
  /// returns; `corrupt`, and nothing changed, where a digest is not the manifest's. A stored model stays as it is.
  public func materialise(
    _ reference: String, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ResidenceReport {
    try door {
      try requireWritable()
      let reader = try ModelReader(try resolve(reference), in: self)
      var missing: [(tensor: Manifest.TensorEntry, bytes: TensorBytes)] = []
      var seen: Set<Digest> = []
      for tensor in reader.manifest.storedTensors where seen.insert(tensor.digest).inserted {
        let bytes = try reader.open(tensor)
        if case .fused = bytes { missing.append((tensor, bytes)) }
      }
      let total = missing.reduce(0) { $0 + $1.tensor.bytes }
      try requireSpace(for: total)
      let bases = try nearTensors(of: reader.model)
      let items = try missing.map { tensor, _ -> Ingest.Item in
        let base = try bases[tensor.name].flatMap { try openBase($0, for: tensor.dtype, tensor.shape) }
        return .tensor(file: 0, size: tensor.bytes, dtype: tensor.dtype, base: base)
      }
      let ingest = Ingest(repository: self, items: items, prefixes: [])
      try ingest.run(packing: true, progress: progress.map { report in { report($0, total) } }) {
        [spaces] piece, buffer, _ in
        guard buffer.count > 0 else { return }
        try spaces.withWorkspace { try missing[piece.item].bytes.read(at: piece.range.lowerBound, into: buffer, $0) }
      }
      for (index, entry) in missing.enumerated() where ingest.digest(index) != entry.tensor.digest {
        throw RepositoryError(
          .corrupt,
          "\(entry.tensor.name): digest \(entry.tensor.digest.short) expected, \(ingest.digest(index).short) found",
          hint: "run: stemma verify")
      }
      try lineage.publish { publication in
        try record(ingest.sealed, in: publication)
        let objects = Set(reader.manifest.objects)
        guard try publication.stored(objects).count == objects.count else {
          throw RepositoryError(.corrupt, "model \(reader.model.short): not all of its objects are in packs")
        }
        try publication.setState(reader.model, .stored)
      }
      return try residence(
        of: reader.model, tensors: missing.count, bytes: ingest.sealed.reduce(0) { $0 + $1.size })
    }
  }

  private func residence(of model: Digest, tensors: Int, bytes: Int) throws -> ResidenceReport {
    ResidenceReport(
      id: model.hex, label: try label(model), state: try lineage.model(model)?.state.rawValue ?? "absent",
      tensors: tensors, bytes: bytes)
  }

  /// The stored tensors to take deltas against, by name: those of the base of the model's merge, then of other inputs.
  private func nearTensors(of model: Digest) throws -> [String: Manifest.TensorEntry] {
    var found: [String: Manifest.TensorEntry] = [:]
    for row in try lineage.derivations(of: model) where row.kind == .merge {
      let inputs = row.inputs.filter { $0.role == "base" } + row.inputs.filter { $0.role != "base" }
      for input in inputs where try lineage.model(input.parent)?.state == .stored {
        found.merge(try tensorsByName(of: input.parent)) { first, _ in first }
      }
    }
    return found
  }

  /// The recorded plan of a model, ready to run; `conflict` where there is none, or it leads back to the model, or an
  /// input is absent.
  private func requireRebuildable(_ model: Digest) throws -> FusedModel {
    let label = try label(model)
    let derivations = try lineage.derivations(of: model)
    let merges = derivations.filter { $0.kind == .merge }
    guard !merges.isEmpty else {
      let found = derivations.first?.kind ?? .import
      throw RepositoryError(
        .conflict, "model \(label): a merge expected, found an \(found.rawValue), whose bytes nothing can compute",
        hint: "to give it up: stemma remove \(label)")
    }
    for row in merges {
      if try lineage.wouldCycle(output: model, inputs: row.inputs.map(\.parent)) { continue }
      for parent in row.inputs where try (lineage.model(parent.parent)?.state ?? .absent) == .absent {
        throw RepositoryError(
          .conflict, "model \(label): cannot be computed, its input \(try self.label(parent.parent)) is absent",
          hint: "import that input again")
      }
      break
    }
    guard let fused = try fusedModel(model, depth: 0) else {
      throw RepositoryError(.conflict, "model \(label): cannot be computed, its merges lead back to it")
    }
    return fused
  }

  /// The stored tensors that no other model needs, each once. `conflict` where a delta of another model rests on one.
  private func evictable(_ model: Digest) throws -> [Manifest.TensorEntry] {
    let others = try lineage.models().map(\.model).filter { $0.id != model && $0.state != .absent }
    let needed = Mutex<[Digest: Digest]>([:])
    try pool.run(others.count) { ticket, _ in
      let manifest = try self.manifest(of: others[ticket].id)
      // Virtual models are computed; all else of them is in packs.
      let objects =
        others[ticket].state == .stored
        ? manifest.objects : manifest.files.map { $0.object }
      needed.withLock { for object in objects { $0[object] = others[ticket].id } }
    }
    let owners = needed.withLock { $0 }
    let manifest = try self.manifest(of: model)
    let own = Set(manifest.files.map { $0.object })
    var seen: Set<Digest> = []
    let tensors = try manifest.storedTensors.filter {
      try owners[$0.digest] == nil && !own.contains($0.digest) && seen.insert($0.digest).inserted
        && lineage.object($0.digest) != nil
    }
    for object in try deltas(on: tensors.map(\.digest)) {
      guard let owner = owners[object] else { continue }
      throw RepositoryError(
        .conflict, "model \(try label(model)): model \(try label(owner)) is stored as deltas against it",
        hint: "its bytes have to stay as long as \(try label(owner)) is stored")
    }
    return tensors
  }

  /// These objects and all deltas that rest on them, deltas before their bases.
  private func deltas(on objects: [Digest]) throws -> [Digest] {
    var found: [Digest] = []
    var seen: Set<Digest> = []
    var queue = objects
    while !queue.isEmpty {
      let next = queue.filter { seen.insert($0).inserted }
      found += next
      queue = try next.flatMap { try lineage.deltas(on: $0).map(\.digest) }
    }
    return found.reversed()
  }
}
