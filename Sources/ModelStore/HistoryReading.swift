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
    try pool.runInPieces(names.count) { index in
      let read: (Int, Entry?, String)
      do { read = (index, try folder.get(names[index]), "") } catch {
        if throwing, error is StorageError { throw error }
        read = (index, nil, RepositoryError(translating: error).message)
      }
      found.withLock { $0.append(read) }
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

  /// A change of a name.
  struct Change {
    let entry: Entry
    let naming: Entry.Naming
  }

  /// For each name, in lower case, the changes that no other replaces, greatest first: the first one holds the name.
  var openChanges: [String: [Change]] {
    var replaced: [String: Set<Digest>] = [:]
    var changes: [String: [Change]] = [:]
    for entry in entries {
      for naming in entry.names where Names.isValid(naming.name) {
        let name = naming.name.lowercased()
        changes[name, default: []].append(Change(entry: entry, naming: naming))
        replaced[name, default: []].formUnion(naming.replaces)
      }
    }
    return changes.mapValues { $0.reversed() }.reduce(into: [:]) { open, item in
      open[item.key] = item.value.filter { !(replaced[item.key]?.contains($0.entry.digest) ?? false) }
    }
  }

  /// Whether an entry was made upon another, directly or through others.
  func ancestry() -> (Entry, Entry) -> Bool {
    let isLine = zip(entries.dropFirst(), entries).allSatisfy { $0.heads == [$1.digest] }
    if isLine { return { $1 < $0 } }
    let heads = Dictionary(entries.map { ($0.digest, $0.heads) }, uniquingKeysWith: { first, _ in first })
    var known: [Digest: Set<Digest>] = [:]
    return { entry, other in
      if let found = known[entry.digest] { return found.contains(other.digest) }
      var found: Set<Digest> = []
      var queue = entry.heads
      while let next = queue.popLast() {
        if found.insert(next).inserted { queue += heads[next] ?? [] }
      }
      known[entry.digest] = found
      return found.contains(other.digest)
    }
  }

  /// Documents that are to be there: those of events of known kinds, and those that these refer to, unless a later
  /// event deleted them. For each the last event that names it.
  var documents: [Digest: Entry] {
    let drops = drops
    var found: [Digest: Entry] = [:]
    for entry in entries where EventKind(rawValue: entry.kind) != nil {
      // What was said about weights stays whatever becomes of the models that have them.
      if entry.isVerdict {
        if let document = entry.document { found[document] = entry }
        continue
      }
      for document in [entry.document].compactMap(\.self) + entry.refers {
        if let drop = drops[document], drop > entry { continue }
        found[document] = entry
      }
    }
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

extension Entry {
  /// Whether it says something about weights; nothing deletes its document.
  var isVerdict: Bool {
    switch EventKind(rawValue: kind) {
    case .evaluation, .advisory, .withdrawal, .allowance: true
    default: false
    }
  }
}
