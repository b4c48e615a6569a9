import Lineage
import Objects
import Tensors

// What has to be true of a store before anything is deleted.
extension Repository {
  /// The history, if it is whole and the database says what it says: nothing is deleted on the word of a database, or
  /// of a history that is not whole.
  func requireWholeHistory() throws -> HistoryReading {
    let rows = try lineage.events()
    let check = try HistoryCheck(
      history, known: rows + Rebuild.formerEvents(layout), pool: pool, throwing: true)
    let reading = check.reading
    let fault =
      try check.faults().first ?? lineage.snapshot { try disagreement(of: $0, with: reading) } ?? packFault()
      ?? absentName()
    guard let fault else { return reading }
    throw RepositoryError(.corrupt, "nothing is collected: \(fault)", hint: "see: stemma verify, then: stemma rebuild")
  }

  /// What the database says otherwise than entries and documents do.
  func disagreement(of lineage: some LineageReading, with reading: HistoryReading) throws -> String? {
    let known = Set(try lineage.events().map(\.place.entry))
    if let strange = reading.entries.first(where: { !known.contains($0.digest) }) {
      return "event \(strange.sequence) (\(HistoryCheck.text(strange))) is not in the database"
    }
    let present = Set(try documents.all().digests)
    let expected = reading.documents
    if let (document, entry) = expected.filter({ !present.contains($0.key) }).min(by: { $0.value < $1.value }) {
      return "document \(document.hex) of event \(entry.sequence) (\(HistoryCheck.text(entry))) is missing"
    }
    let named = try lineage.referencedDocuments()
    for entry in reading.entries where EventKind(rawValue: entry.kind) != nil && entry.version == 1 {
      guard let document = entry.document, expected[document] != nil, entry.kind != EventKind.purge.rawValue else {
        continue
      }
      // Another copy deleted the model without knowing of these.
      if entry.kind == EventKind.digests.rawValue, try entry.refers.allSatisfy({ try lineage.model($0) == nil }) {
        continue
      }
      if !named.contains(document) {
        return "the database lacks what event \(entry.sequence) (\(HistoryCheck.text(entry))) says"
      }
    }
    var names: Set<NameRow> = []
    for open in reading.openChanges.values {
      var models: Set<Digest> = []
      for change in open {
        guard let model = change.naming.model, models.insert(model).inserted else { continue }
        names.insert(
          NameRow(
            name: change.naming.name, model: model, sequence: change.entry.sequence, entry: change.entry.digest))
      }
    }
    let found = Set(try lineage.allNames() + lineage.nameConflicts())
    if let row = names.symmetricDifference(found).min(by: { $0.name < $1.name }) {
      return "name \(row.name) is not what the history says it is"
    }
    return nil
  }

  /// A pack that cannot be read, or that has not what the database says of it.
  private func packFault() throws -> String? {
    let (packs, damage) = try PackIndexes(layout: layout, storage: storage).read(throwing: true)
    if let fault = damage.first { return fault }
    let rows = Set(try lineage.packs().map(\.digest))
    for pack in packs {
      guard let fault = pack.fault else { continue }
      // Once all that can be read in a damaged pack is in others too, it is garbage.
      if try rows.contains(pack.digest) || !pack.entries.allSatisfy({ try lineage.object($0.digest) != nil }) {
        return fault
      }
    }
    var frames: [Digest: [Digest: Pack.Entry]] = [:]
    var sizes: [Digest: Int] = [:]
    for pack in packs {
      frames[pack.digest] = Dictionary(pack.entries.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
      sizes[pack.digest] = pack.size
    }
    var digests: [Int64: Digest] = [:]
    for pack in try lineage.packs() {
      guard sizes[pack.digest] == pack.bytes else {
        return "\(layout.pack(pack.digest.hex)): a pack of \(pack.bytes) bytes expected, "
          + (sizes[pack.digest].map { "found \($0)" } ?? "none found")
      }
      digests[pack.id] = pack.digest
    }
    var fault: String?
    try lineage.forEachObject { row in
      let frame = digests[row.pack].flatMap { frames[$0]?[row.digest] }
      if frame?.offset != row.offset || frame?.length != row.length {
        fault = "object \(row.digest.hex): not where the database says, at byte \(row.offset) of its pack"
      }
    }
    return fault
  }

  /// A name whose model is not there whole.
  private func absentName() throws -> String? {
    for name in try lineage.allNames() + lineage.nameConflicts() {
      switch try lineage.model(name.model)?.state {
      case nil: return "the model of name \(name.name) is not on record"
      case .absent: return "not all bytes of model \(name.name) are in packs that can be read"
      case .stored, .virtual: break
      }
    }
    return nil
  }
}
