import Checkpoints
import Codecs
import JSON
import Lineage
import Objects
import Tensors

extension Repository {
  /// Imports the checkpoint folder at `path`. Everything is durable when it returns; on a throw nothing has changed.
  ///
  /// - Parameters:
  ///   - name: what to call the model; nil leaves it unnamed.
  ///   - base: a reference to the model it was fine-tuned from; nil looks for the nearest stored one. The base of an
  ///     adapter, by nil the one that its configuration names.
  ///   - weights: the safetensors file or index that is the model; nil for the rule of `WeightFiles`.
  ///   - madeBy: who, for the record; nil for `user@host`.
  ///   - trustsStore: bytes that are stored already are not read and checked. Else damaged ones are stored anew.
  ///   - permission: what holds for the name, if it is given one.
  ///   - progress: told bytes done and bytes in all, from any thread.
  public func importCheckpoint(
    at path: String, name: String?, base: String?, weights: String? = nil, madeBy: String? = nil,
    trustsStore: Bool = false, permission: Permission = Permission(), progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ImportReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      let declared = try base.map { try resolve($0) }
      // What is damaged may be what is imported again.
      if let base, let declared, let kind = try readable({ try self.manifest(of: declared).kind }) {
        try kind.requireWeights(base)
      }
      let folder = try CheckpointFolder.scan(path, weights: weights)
      let source = ImportSource(folder: folder)
      try requireSpace(for: source.bytes)
      if let report = try importNamed(
        source, base: base, name: name, madeBy: madeBy ?? whoami(), progress: progress)
      {
        return report
      }
      if let adapter = try folder.adapter() {
        let link = try link(adapter, to: declared, path: path)
        return try importAdapter(
          source, link: link, name: name, madeBy: madeBy ?? whoami(), permission: permission, progress: progress)
      }
      let sketch = try source.sketch()
      let choice = try chooseBase(declared: declared, sketch: sketch, source: source)
      let ingest = try ingest(source, base: choice.used, trustsStore: trustsStore, progress: progress)
      try source.refuseChanges()
      let manifest = source.manifest(ingest)
      return try publishImport(
        manifest, source: source, ingest: ingest, choice: choice, sketch: sketch, name: name,
        madeBy: madeBy ?? whoami(), permission: permission)
    }
  }

  /// Streams a source's files into packs.
  ///
  /// - Parameter trustsStore: objects on record are not proven to be readable.
  func ingest(
    _ source: ImportSource, base: BaseChoice.Place?, trustsStore: Bool = false,
    progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> Ingest {
    let bases = try base.flatMap { place in try readable { try tensorsByName(of: place.model) } } ?? [:]
    var items: [Ingest.Item] = []
    items.reserveCapacity(source.items.count)
    for item in source.items {
      guard let tensor = item.tensor else {
        items.append(.bytes(file: item.file, size: item.size))
        continue
      }
      let folder = source.folder.files[item.file].path.folder
      let base = try (bases[folder.joined(tensor.name)] ?? bases[tensor.name]).flatMap {
        entry in try readable { try openBase(entry, for: tensor.dtype, tensor.shape, below: base?.steps ?? 0) }
      }
      items.append(.tensor(file: item.file, size: item.size, dtype: tensor.dtype, base: base))
    }
    let ingest = Ingest(repository: self, items: items, prefixes: source.prefixes)
    let total = source.bytes
    try ingest.run(packing: true, progress: progress.map { report in { report($0, total) } }) { piece, buffer, _ in
      try source.read(item: piece.item, at: piece.range.lowerBound, into: buffer)
    }
    if !trustsStore { try ingest.heal { try source.read(item: $0, at: $1, into: $2) } }
    return ingest
  }

  /// A model's tensors by name; where it has none of a name, the tensors of its other files, with their folder before
  /// it and without.
  func tensorsByName(of model: Digest) throws -> [String: Manifest.TensorEntry] {
    let manifest = try manifest(of: model)
    var found = Dictionary(manifest.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    for file in manifest.files {
      for tensor in file.tensors {
        let names = [file.path.folder.joined(tensor.name), tensor.name]
        for name in names where found[name] == nil { found[name] = tensor }
      }
    }
    return found
  }

  private func publishImport(
    _ manifest: Manifest, source: ImportSource, ingest: Ingest, choice: BaseChoice, sketch: Sketch, name: String?,
    madeBy: String, permission: Permission
  ) throws -> ImportReport {
    let model = manifest.document.digest
    let isKnown = try lineage.model(model)?.state == .stored
    // A model is no parent of itself: importing the declared base again says nothing new. Nor is one with the same
    // weights a parent beside a declared base.
    var parents: [Derivation.Parent] = []
    func add(_ base: Digest, isInferred: Bool) {
      guard base != model, !parents.contains(where: { $0.model == base }) else { return }
      parents.append(
        .init(
          role: "base", model: base, coefficient: nil, claimed: !choice.helpful.contains(base), reference: nil,
          isInferred: isInferred))
    }
    if let declared = choice.declared { add(declared, isInferred: false) }
    if let found = choice.inferred,
      try choice.declared == nil || lineage.model(found)?.weightsID != manifest.weightsID
    {
      add(found, isInferred: true)
    }
    for advised in try advisedModels(inside: manifest) { add(advised, isInferred: true) }
    // A model that was stored before rests on what it rests on, which is not itself.
    let isItself = choice.base == model
    let used = isItself ? choice.declared : choice.base
    let isKin = parents.contains { $0.model == choice.inferred && $0.isInferred }
    let notes = [isItself ? nil : choice.note, isKin ? choice.kinship : nil].compactMap(\.self)
    let isNew = try !isKnown || !parents.allSatisfy { try isRecorded($0, of: model) }
    var derivation = Derivation(
      kind: "import", model: model, madeAt: now(), madeBy: madeBy,
      tool: Self.tool, parents: parents)
    derivation.sketch = sketch
    derivation.files = source.fileDigests(ingest)
    let added = try publishStored(
      manifest, ingest, by: derivation, name: name, sketch: sketch, isKnown: isKnown, isNew: isNew,
      permission: permission)
    return ImportReport(
      id: model.hex, name: name, names: try lineage.names(of: model), alreadyStored: isKnown, bytesRead: source.bytes,
      bytesAdded: added,
      base: try used.map { try label($0) }, baseID: used?.hex,
      baseChoice: used.map { $0 == choice.declared ? "declared" : "found" } ?? "none",
      baseNote: notes.isEmpty ? nil : notes.joined(separator: "; "), tensors: manifest.tensors.count,
      tensorsKnown: ingest.knownItems, tensorsDelta: ingest.deltaItems, leftOut: source.folder.leftOut,
      remarks: source.folder.remarks)
  }

  /// Records a model whose bytes are in sealed packs, and how it was made; durable when it returns.
  ///
  /// - Parameters:
  ///   - isKnown: the model was stored before.
  ///   - isNew: the derivation says something that was not on record.
  /// - Returns: the bytes added to the store.
  func publishStored(
    _ manifest: Manifest, _ ingest: Ingest, by derivation: Derivation, name: String?, sketch: Sketch?, isKnown: Bool,
    isNew: Bool, permission: Permission = Permission()
  ) throws -> Int {
    let naming = try naming(name, for: manifest, like: derivation, permission)
    let added = ingest.sealed.reduce(0) { $0 + $1.size } + (isKnown ? 0 : manifest.document.bytes.count)
    var saidBytes = 0
    if isNew {
      saidBytes = try publish(derivation, of: manifest, recipe: nil, naming: naming) { publication in
        try record(ingest.sealed, replacing: ingest.check.damaged, in: publication)
        return .stored
      }
    } else {
      // Nothing is said that was not on record; but frames of objects that were missing may have come.
      try documents.put(manifest.document)
      try lineage.publish { publication in
        try record(ingest.sealed, replacing: ingest.check.damaged, in: publication)
        try publication.setState(manifest.document.digest, .stored)
      }
      if let naming { try publish(.naming(naming, like: derivation)) { _, _ in } }
    }
    try replaceDamagedPacks(ingest.check)
    if !ingest.sealed.isEmpty { try reviveNamedModels() }
    return added + saidBytes
  }

  /// Records how a model was made, the model, and its name; durable when it returns.
  ///
  /// - Parameter body: records what else there is; the state of the model.
  /// - Returns: the bytes of the derivation's document.
  func publish(
    _ derivation: Derivation, of manifest: Manifest, recipe: Document?, naming: Event.Naming?,
    _ body: (Publication) throws -> ModelState
  ) throws -> Int {
    let document = derivation.document
    guard let kind = DerivationKind(rawValue: derivation.kind) else {
      throw RepositoryError(.internal, "unknown kind of derivation \(derivation.kind)")
    }
    var event = Event(EventKind(kind), madeAt: derivation.madeAt, madeBy: derivation.madeBy)
    event.document = document
    event.others = [manifest.document] + (recipe.map { [$0] } ?? [])
    event.models = derivation.parents.map(\.model)
    event.namings = naming.map { [$0] } ?? []
    try publish(event) { publication, place in
      let state = try body(publication)
      try publication.insertModel(
        ModelRow(
          id: derivation.model, weightsID: manifest.weightsID, state: state, tensors: manifest.tensors.count,
          bytes: manifest.bytes, sequence: place.sequence, derivation: document.digest),
        sketch: derivation.sketch.map { Array($0.text.utf8) })
      try publication.insertDerivation(derivation.row(document.digest, at: place))
    }
    return document.bytes.count
  }

  private func isRecorded(_ parent: Derivation.Parent, of model: Digest) throws -> Bool {
    try lineage.derivations(of: model).contains { row in row.parents.contains { $0.parent == parent.model } }
  }
}

// What every publication does.
extension Repository {
  /// Names the objects of sealed packs.
  ///
  /// - Parameter rows: objects on record that get the frames in these packs.
  func record(
    _ packs: [Ingest.SealedPack], replacing rows: [Digest: ObjectRow] = [:], in publication: Publication
  ) throws {
    for pack in packs {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      for entry in pack.entries {
        let object = NewObject(entry, in: id)
        if let row = rows[entry.digest] {
          _ = try publication.replaceFrame(of: row, by: object, depthLimit: Self.depthLimit)
        } else {
          _ = try publication.insertObject(object, depthLimit: Self.depthLimit)
        }
      }
    }
  }

  /// Throws where the store cannot be written.
  func requireWritable() throws {
    if lineage.isReadOnly { throw Self.readOnly(layout) }
  }

  /// Throws where the disk has not even room for a compressed copy of so many bytes.
  ///
  /// - Parameter stored: what that has; nil where nobody can tell, for the least that it may have.
  func requireSpace(for bytes: Int, stored: Int? = nil) throws {
    if let free = freeBytes(at: layout.root), free < (stored ?? bytes / 16) + (1 << 20) {
      throw RepositoryError(
        .io, "\(layout.root): disk is nearly full: \(free) bytes free, \(bytes) bytes to store",
        hint: "free some space; nothing was written")
    }
  }

  /// What gives a new model its name; nil where there is none to give, or it has it already (the same work
  /// was done before, perhaps by a process that was killed right after).
  ///
  /// - Throws: `conflict` where a policy or an advisory refuses the name.
  func naming(
    _ name: String?, for manifest: Manifest, like derivation: Derivation, _ permission: Permission
  ) throws -> Event.Naming? {
    guard let name else { return nil }
    let model = manifest.document.digest
    if let row = try lineage.name(name), row.name == name, row.model == model { return nil }
    let allowed = try passName(name, for: subject(manifest, madeBy: derivation), permission)
    return Event.Naming(name: name, model: model, replacing: false, allowedFlagged: allowed)
  }
}

extension Event {
  /// An event that does nothing but give a name, by whoever made a derivation.
  static func naming(_ naming: Naming, like derivation: Derivation) -> Event {
    var event = Event(.name, madeAt: derivation.madeAt, madeBy: derivation.madeBy)
    event.namings = [naming]
    event.models = naming.model.map { [$0] } ?? []
    return event
  }
}

extension Derivation {
  /// The rows of this derivation.
  func row(_ digest: Digest, at place: EventPlace) -> DerivationRow {
    DerivationRow(
      digest: digest, model: model, kind: DerivationKind(rawValue: kind) ?? .import, madeAt: madeAt, madeBy: madeBy,
      tool: tool, recipe: recipe, event: place,
      parents: parents.map {
        ParentRow(
          role: $0.role, parent: $0.model, coefficient: $0.coefficient, claimed: $0.claimed, inferred: $0.isInferred,
          share: $0.share)
      })
  }
}
