import Lineage
import Objects
import Synchronization
import Tensors

/// All entries of a store, as they lie on disk.
struct HistoryReading: Sendable {
  /// In the order of all.
  private(set) var entries: [Entry] = []
  /// Entries that cannot be read, and why.
  private(set) var damaged: [(name: EntryFolder.Name, reason: String)] = []
  /// Files in `entries/` that are no entries.
  let strangers: [String]

  /// Reads every entry, on all workers.
  ///
  /// - Parameter throwing: throws where the disk fails, in place of calling the entry damaged.
  init(_ folder: EntryFolder, pool: WorkerPool, throwing: Bool = false) throws {
    let (names, strangers) = try folder.all()
    self.strangers = strangers
    let found = Mutex<[(Int, Entry?, String)]>([])
    // A piece of many small files a ticket.
    let piece = 64
    try pool.run((names.count + piece - 1) / piece) { ticket, _ in
      var read: [(Int, Entry?, String)] = []
      for index in ticket * piece..<min(names.count, (ticket + 1) * piece) {
        do { read.append((index, try folder.get(names[index]), "")) } catch {
          if throwing, error is StorageError { throw error }
          read.append((index, nil, RepositoryError(translating: error).message))
        }
      }
      found.withLock { $0 += read }
    }
    for (index, entry, reason) in found.withLock({ $0 }).sorted(by: { $0.0 < $1.0 }) {
      if let entry { entries.append(entry) } else { damaged.append((names[index], reason)) }
    }
  }

  /// For each document that an event deleted, the last event that did.
  var drops: [Digest: Entry] {
    var found: [Digest: Entry] = [:]
    for entry in entries { for document in entry.drops { found[document] = entry } }
    return found
  }

  /// What events of unknown kinds say that they need: models, documents or objects.
  var needsOfUnknownKinds: [Digest] {
    entries.filter { EventKind(rawValue: $0.kind) == nil || $0.version > 1 }
      .flatMap { $0.refers + [$0.document].compactMap(\.self) }
  }

  /// The entries that no other names, in their order.
  var heads: [Entry] {
    let named = Set(entries.flatMap(\.heads))
    return entries.filter { !named.contains($0.digest) }
  }
}
