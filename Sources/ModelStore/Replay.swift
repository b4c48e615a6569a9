import Lineage
import Objects

/// Makes rows of entries and their documents: of all of them in `rebuild`, of one that a crash left in the next writer.
struct Replay {
  /// What an event says, read from its document.
  enum Fact {
    case derivation(Derivation, manifest: ModelFacts?)
    case verdict(Verdict)
    case digests(FileDigests)
    /// Nothing but its envelope: names, deletions, kinds that this program does not know.
    case envelope
  }

  /// What the rows need of a manifest.
  struct ModelFacts {
    let weightsID: Digest
    let tensors: Int
    let bytes: Int

    init(_ manifest: Manifest) {
      (weightsID, tensors, bytes) = (manifest.weightsID, manifest.tensors.count, manifest.bytes)
    }
  }

  let documents: DocumentFolder
  let publication: Publication
  /// What could not be read or made a row, a line each.
  private(set) var damage: [String] = []

  init(documents: DocumentFolder, publication: Publication) {
    (self.documents, self.publication) = (documents, publication)
  }

  /// Reads what an event says.
  ///
  /// - Parameter readManifest: for a derivation's model.
  static func fact(
    of entry: Entry, in documents: DocumentFolder, readManifest: (Digest) throws -> ModelFacts?
  ) throws -> Fact {
    // Of a later version of a kind only the envelope can be understood.
    guard let kind = EventKind(rawValue: entry.kind), entry.version == 1, let digest = entry.document else {
      return .envelope
    }
    switch kind {
    case .import, .merge, .adapter, .extract, .mask, .subspace, .dataset:
      let derivation = try Derivation(documents.get(digest))
      return .derivation(derivation, manifest: try readManifest(derivation.model))
    case .evaluation, .advisory, .withdrawal, .allowance: return .verdict(try Verdict(documents.get(digest)))
    case .digests: return .digests(try FileDigests(documents.get(digest)))
    case .name, .collect, .purge: return .envelope
    }
  }

  /// Records an entry, and what it says.
  ///
  /// - Parameters:
  ///   - fact: nil where its document is gone or cannot be read.
  ///   - state: of a model, where its derivation is recorded.
  mutating func apply(_ entry: Entry, _ fact: Fact?, state: (Digest) throws -> ModelState) throws {
    try publication.insertEntry(entry)
    let place = EventPlace(entry)
    switch fact {
    case .derivation(let derivation, let model?)?:
      guard let document = entry.document else { break }
      try publication.insertModel(
        ModelRow(
          id: derivation.model, weightsID: model.weightsID, state: try state(derivation.model),
          tensors: model.tensors, bytes: model.bytes, sequence: entry.sequence, derivation: document),
        sketch: derivation.sketch.map { Array($0.text.utf8) })
      try publication.insertDerivation(derivation.row(document, at: place))
    case .verdict(let verdict)?:
      guard let document = entry.document else { break }
      if let fault = try verdict.insert(document, at: place, in: publication) { damage.append(fault) }
    case .digests(let digests)?:
      guard let document = entry.document, try publication.model(digests.model) != nil else { break }
      try publication.insertFileDigests(document, of: digests.model, event: place)
    case .derivation(_, manifest: nil)?, .envelope?, nil:
      if entry.kind == EventKind.advisory.rawValue { try flag(entry) }
    }
    try publication.recordNames(of: entry, where: Names.isValid)
  }

  /// An advisory whose document is gone, or that a later version wrote, still holds, on the models that its entry
  /// names.
  private func flag(_ entry: Entry) throws {
    for model in entry.refers {
      guard let row = try publication.model(model) else { continue }
      try publication.insertAdvisory(
        AdvisoryRow(
          digest: entry.document ?? entry.digest, weightsID: row.weightsID, model: model, kind: "unreadable",
          reason: "the document of event \(entry.sequence) is missing, damaged or of a later version",
          madeAt: entry.madeAt, madeBy: entry.madeBy, event: EventPlace(entry)))
    }
  }

  /// Takes in the entry that a crash left, whose documents and packs are durable.
  mutating func adopt(_ entry: Entry) throws {
    var manifests: [Digest: Manifest] = [:]
    let fact = try Self.fact(of: entry, in: documents) { model in
      let manifest = try Manifest(documents.get(model))
      manifests[model] = manifest
      return ModelFacts(manifest)
    }
    let publication = publication
    try apply(entry, fact) { model in
      guard case .derivation(let derivation, _) = fact, let manifest = manifests[model] else { return .absent }
      return try publication.state(of: model, manifest, madeBy: derivation.row(model, at: EventPlace(entry)))
    }
    try publication.deleteModels(entry.drops)
  }
}

extension Publication {
  /// Where a model's bytes can come from, by what is in packs and by one of its derivations.
  fileprivate func state(of model: Digest, _ manifest: Manifest, madeBy row: DerivationRow) throws -> ModelState {
    var presence = Presence()
    let objects = Set(manifest.objects)
    let isThere = try Dictionary(uniqueKeysWithValues: objects.map { ($0, try object($0) != nil) })
    presence.add(model, manifest) { isThere[$0] ?? false }
    for input in row.inputs where row.kind == .merge {
      let state = try self.model(input.parent)?.state
      if state == .stored || state == .virtual { presence.addStored(input.parent) }
    }
    return presence.states(merges: row.kind == .merge ? [row] : [])[model] ?? .absent
  }
}
