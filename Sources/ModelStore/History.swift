import Glibc
import Lineage
import Objects

/// The history on disk: the folder `entries/` and the small file `heads`, and what keeps them and the database alike.
struct History: Sendable {
  let store: StoreID
  let entries: EntryFolder
  let documents: DocumentFolder
  private let layout: Layout
  private let storage: any Storage

  init(store: StoreID, layout: Layout, storage: any Storage) {
    (self.store, self.layout, self.storage) = (store, layout, storage)
    entries = EntryFolder(storage: storage, path: layout.entries, temporary: layout.temporary)
    documents = DocumentFolder(storage: storage, path: layout.documents, temporary: layout.temporary)
  }

  /// Writes an entry and names it as the head. Durable when it returns. The caller holds the database's write lock and
  /// commits next, so that writers take turns here too; an entry whose commit never came is a head as good as any.
  func put(_ entry: Entry) throws {
    try entries.put(entry)
    try putHeads([entry.name])
  }

  /// Takes back an entry whose transaction failed, if nothing has come of it. Where that cannot be done the entry stays
  /// and is adopted by the next writer.
  func takeBack(_ entry: Entry, in lineage: LineageDatabase) {
    try? lineage.publish { publication in
      guard try publication.event(entry.digest) == nil else { return }
      try putHeads(publication.heads().map(\.place.name))
      try entries.withdraw(entry)
    }
  }

  /// Replaces the file `heads`: a line with number and digest for each. Lines of entries that are missing stay: perhaps
  /// nothing else knows of them. Durable when it returns.
  func putHeads(_ heads: [EntryFolder.Name]) throws {
    let missing = try namedHeads().filter { !exists(entries.file(of: $0)) && !heads.contains($0) }
    let lines = (heads + missing).sorted().map { "\($0.sequence) \($0.digest.hex)\n" }.joined()
    try storage.replaceDurably(
      layout.heads, by: Array(lines.utf8), folder: layout.root,
      draft: "\(layout.temporary)/heads-\(UInt64.random(in: 0 ... .max))")
  }

  /// What the file `heads` says; nothing where there is none. Lines that cannot be read are left out.
  func namedHeads() throws -> [EntryFolder.Name] {
    guard exists(layout.heads) else { return [] }
    let file = try storage.open(layout.heads)
    let bytes = try file.bytes(at: 0, count: try file.size(atMost: 64 << 20, path: layout.heads), path: layout.heads)
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == 2, let sequence = Int(words[0]), let digest = Digest(hex: String(words[1])) else {
        return nil
      }
      return EntryFolder.Name(sequence: sequence, digest: digest)
    }
  }

  /// Throws `corrupt` where an entry that the next one is to be made upon is gone.
  func requirePresent(_ heads: [EventRow]) throws {
    for head in heads where !exists(entries.file(of: head.place.name)) {
      throw RepositoryError(
        .corrupt,
        "nothing more is recorded: event \(head.place.sequence) (\(head.kind), \(head.madeAt)) is missing in "
          + layout.entries,
        hint: "restore the folder entries/ from a backup; see: stemma verify")
    }
  }

  /// Throws `corrupt` where the database lacks more events than a crash leaves: it is older than the folder.
  func requireCurrent(_ lineage: some LineageReading) throws {
    guard try readable(above: lineage.lastSequence()).count > 1 else { return }
    // Others may have written between the two looks: now the folder is looked at before the database.
    let found = try readable(above: lineage.lastSequence())
    let later = try lineage.lastSequence()
    let missing = found.filter { $0.sequence > later }
    if missing.count > 1 { throw Self.older(missing, than: later) }
  }

  /// The entries with numbers above `last`. Damaged ones are left out: no rebuild takes them in either, and `verify`
  /// tells them.
  func readable(above last: Int) throws -> [Entry] {
    try entries.above(last).compactMap { name in
      do { return try entries.get(name) } catch is ObjectsError { return nil } catch let error as StorageError {
        // Its writer may have taken it back.
        if error.code == ENOENT || error.code == EFBIG || error.code == EINVAL { return nil }
        throw error
      }
    }
  }

  /// Takes in the one entry that a crash may have left without rows. Inside the transaction of the next writer.
  ///
  /// - Throws: `corrupt` where there are others: the database is older than the folder.
  func adopt(in publication: Publication) throws {
    let last = try publication.lastSequence()
    let found = try readable(above: last)
    guard let entry = found.first else { return }
    let heads = Set(try publication.heads().map(\.place.entry))
    guard found.count == 1, Set(entry.heads) == heads else { throw Self.older(found, than: last) }
    if entry.kind == EventKind.collect.rawValue {
      // A crash came before anything was deleted; what this database knows is there, and nothing named was meant.
      let isWhole = try publication.packs().allSatisfy { exists(layout.pack($0.digest.hex)) }
      let named = Set(try (publication.allNames() + publication.nameConflicts()).map(\.model))
      guard isWhole, named.isDisjoint(with: entry.drops) else { throw Self.older(found, than: last) }
    }
    try PackIndexes(layout: layout, storage: storage).adopt(in: publication)
    var replay = Replay(documents: documents, publication: publication)
    try replay.adopt(entry)
    if let fault = replay.damage.first {
      throw RepositoryError(.corrupt, "nothing more is recorded: \(fault)", hint: "see: stemma verify")
    }
  }

  private static func older(_ missing: [Entry], than last: Int) -> RepositoryError {
    let first = missing.first?.sequence ?? 0
    let final = missing.last?.sequence ?? 0
    return RepositoryError(
      .corrupt,
      "the database is older than the history: it ends with event \(last), and the folder entries/ has "
        + (first == final ? "event \(first)" : "events \(first) to \(final)") + ", which it does not know",
      hint: "run: stemma rebuild")
  }
}

extension EventPlace {
  /// The place of its entry in `entries/`.
  var name: EntryFolder.Name { EntryFolder.Name(sequence: sequence, digest: entry) }
}
