import Foundation
import Glibc
import JSON
import Lineage
import Objects
import Synchronization
import Tensors

/// Makes the lineage database from entries, documents and packs, beside the old one, and puts it in its place when it
/// is whole. A store of format 1 gets its entries first.
final class Rebuild {
  private let layout: Layout
  private let storage: any Storage
  private let documents: DocumentFolder
  private let pool: WorkerPool
  private var damage: [String] = []
  private var remarks: [String] = []
  /// The documents that are there.
  private var present: Set<Digest> = []
  private var manifests: [Digest: Manifest] = [:]
  private var facts: [Digest: Replay.Fact] = [:]
  /// The entries of derivations that were deleted, and whose models nothing reaches.
  private var gone: Set<Digest> = []

  init(layout: Layout, storage: any Storage, pool: WorkerPool) {
    (self.layout, self.storage, self.pool) = (layout, storage, pool)
    documents = DocumentFolder(storage: storage, path: layout.documents, temporary: layout.temporary)
  }

  func run() throws -> RebuildReport {
    for folder in layout.folders { try storage.makeDirectory(folder) }
    if !exists(layout.config), let store = try StoreConfig.recovered(layout, storage) {
      try StoreConfig.write(store, layout, storage)
      remarks.append("\(layout.config) was missing; it is made again, for store \(store.hex)")
    }
    let config = try StoreConfig.read(layout)
    let store: StoreID
    if let id = config.store {
      store = id
    } else {
      let taken = try TakeOver(layout: layout, storage: storage).run()
      store = taken.store
      damage += taken.damage
    }
    try PacksMarker(layout: layout, storage: storage).unite(store)
    let history = History(store: store, layout: layout, storage: storage)
    let former = Self.formerEvents(layout)
    let check = try HistoryCheck(history, known: Self.events(in: layout.database) + former, pool: pool)
    let reading = check.reading
    damage += check.faults()
    remarks += check.remarks() + reading.strangers.map { "\($0): no entry by its name" }
    let named = Set(reading.documents.keys).union(reading.drops.keys).union(reading.needsOfUnknownKinds)
    present = Set(try documents.all().digests)
    let unnamed = present.count { !named.contains($0) }
    if unnamed > 0 {
      remarks.append(
        "\(unnamed) documents are of no event: their entries were not copied, or a crash left them; "
          + "gc takes them when they are 14 days old")
    }
    let draft = "\(layout.temporary)/rebuild-\(getpid()).sqlite"
    storage.removeDatabase(draft)
    do {
      let counts = try fill(draft, reading, store: store)
      // Before the switch, which nothing may fail after.
      try history.putHeads(reading.heads.map(\.name))
      try keepDatabase(unlessKnownBy: draft)
      try storage.rename(draft, to: layout.database)
      try storage.syncDirectory(layout.root)
      if config.store == nil { try StoreConfig.write(store, layout, storage) }
      return RebuildReport(
        models: counts.storedModels + counts.virtualModels + counts.absentModels, objects: counts.objects,
        names: counts.names, events: reading.entries.count, damage: damage, remarks: remarks)
    } catch {
      storage.removeDatabase(draft)
      throw error
    }
  }

  /// The events that a database knows; none where it cannot be read.
  static func events(in path: String) -> [EventRow] {
    guard exists(path), let database = try? LineageDatabase(path: path, readOnly: true) else { return [] }
    defer { try? database.close() }
    return (try? database.events()) ?? []
  }

  /// The events that the databases know which rebuilds have replaced.
  static func formerEvents(_ layout: Layout) -> [EventRow] { layout.formerDatabases.kept.flatMap(events) }

  /// What a database knows: events and objects, by their digests. Nil where it cannot be read.
  private func facts(of path: String) -> Set<Digest>? {
    guard let database = try? LineageDatabase(path: path, readOnly: true) else { return nil }
    defer { try? database.close() }
    return try? database.snapshot { database in
      var found = Set(try database.events().map(\.place.entry))
      try database.forEachObject { found.insert($0.digest) }
      return found
    }
  }

  /// Keeps the database that is replaced beside the new one: it may know of events that are gone, or where objects lie
  /// in a pack that cannot be read. It goes where the new one, or one that was kept before, knows all that it knows.
  private func keepDatabase(unlessKnownBy draft: String) throws {
    guard exists(layout.database), !isFolder(layout.database) else { return }
    // What is in the WAL goes into the file, where SQLite can read both.
    if let database = try? LineageDatabase(path: layout.database) { try? database.close() }
    let (kept, next) = layout.formerDatabases
    if !kept.isEmpty, let facts = facts(of: layout.database),
      ([draft] + kept).contains(where: { self.facts(of: $0).map(facts.isSubset) ?? false })
    {
      return storage.removeDatabase(layout.database)
    }
    try storage.rename(layout.database, to: next)
    for suffix in ["-wal", "-shm"] where exists(layout.database + suffix) {
      try storage.rename(layout.database + suffix, to: next + suffix)
    }
  }

  private func fill(_ draft: String, _ reading: HistoryReading, store: StoreID) throws -> LineageCounts {
    let trusted = try TrustFile.read(layout).union([store])
    let database = try LineageDatabase(path: draft, trusting: trusted)
    try database.migrate()
    try readFacts(reading)
    let packs = try readPacks()
    try database.publish { publication in
      let (objects, tooDeep) = try PackIndexes(layout: layout, storage: storage).insert(packs, in: publication)
      damage += tooDeep.map { "object \($0.hex): a frame on too long a chain is left out" }
      findGone(reading)
      try insert(reading, states: states(reading, objects: objects), in: publication)
      try judgeNames(in: publication)
    }
    let counts = try database.snapshot { try $0.counts() }
    try database.close()
    // On a full disk SQLite closes without writing its WAL back, and says nothing.
    if let size = try? storage.open(draft + "-wal").size(), size > 0 {
      throw StorageError(operation: "write", path: draft, code: ENOSPC)
    }
    return counts
  }

  /// Reads the indexes of all packs. What is whole in a damaged one, and in no other, is written into a new pack; the
  /// damaged one stays where it is. Packs of which no frame is in another are believed: `verify` reads them.
  private func readPacks() throws -> [PackIndexes.Found] {
    let indexes = PackIndexes(layout: layout, storage: storage)
    let (packs, faults) = try indexes.read()
    damage += faults
    var counts: [Digest: Int] = [:]
    for pack in packs { for entry in pack.entries { counts[entry.digest, default: 0] += 1 } }
    var whole: [PackIndexes.Found] = []
    var hurt: [PackIndexes.Found] = []
    for pack in packs {
      let doubtful = pack.entries.filter { counts[$0.digest]! > 1 }
      let isWhole = try pack.fault == nil && indexes.sound(doubtful, of: pack).count == doubtful.count
      if isWhole { whole.append(pack) } else { hurt.append(pack) }
    }
    var elsewhere = Set(whole.flatMap { $0.entries.map(\.digest) })
    for pack in hurt {
      let fault = pack.fault ?? "\(pack.path): a frame in it is damaged"
      let sound = try indexes.sound(pack.entries, of: pack)
      if sound.isEmpty { damage.append("\(fault); no object was found in it") }
      let left = sound.filter { !elsewhere.contains($0.digest) }
      elsewhere.formUnion(left.map(\.digest))
      if left.isEmpty { continue }
      let made = try indexes.copy(left, of: pack)
      remarks.append("\(fault); \(left.count) objects in it are whole, and are in pack \(made.digest.short) now")
      whole.append(made)
    }
    return whole
  }

  /// Reads what every event says.
  private func readFacts(_ reading: HistoryReading) throws {
    let drops = reading.drops
    let missing = reading.documents.filter { !present.contains($0.key) }
    damage += missing.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map { document, entry in
      "event \(entry.sequence) (\(HistoryCheck.text(entry))): document \(document.hex) is missing"
    }
    for (entry, result) in zip(reading.entries, try readDocuments(of: reading)) {
      switch result {
      case .success(let fact): facts[entry.digest] = fact
      case .failure(let error):
        // What an event after this one deleted is gone by right.
        let documents = [entry.document].compactMap(\.self) + entry.refers
        if !entry.isVerdict, documents.contains(where: { drops[$0].map { $0 > entry } ?? false }) { continue }
        if documents.contains(where: { missing[$0] != nil }) { continue }
        // A disk that fails, or a file that this user may not read, is no reason to leave anything out.
        if error is StorageError { throw error }
        let error = RepositoryError(translating: error)
        damage.append("event \(entry.sequence) (\(HistoryCheck.text(entry))): \(error.message)")
      }
    }
  }

  /// What each event says, or why it cannot be read; on all workers. Manifests that were read are kept.
  private func readDocuments(of reading: HistoryReading) throws -> [Result<Replay.Fact, any Error>] {
    let entries = reading.entries
    let results = Mutex<[Result<Replay.Fact, any Error>?]>(Array(repeating: nil, count: entries.count))
    let manifests = Mutex<[Digest: Manifest]>([:])
    let documents = documents
    try pool.runInPieces(entries.count) { index in
      let result = Result<Replay.Fact, any Error> {
        try Replay.fact(of: entries[index], in: documents) { model in
          if let known = manifests.withLock({ $0[model] }) { return Replay.ModelFacts(known) }
          let manifest = try Manifest(documents.get(model))
          manifests.withLock { $0[model] = manifest }
          return Replay.ModelFacts(manifest)
        }
      }
      results.withLock { $0[index] = result }
    }
    self.manifests = manifests.withLock { $0 }
    return results.withLock { $0.map { $0! } }
  }

  private func derivations(_ reading: HistoryReading) -> [(entry: Entry, derivation: Derivation)] {
    reading.entries.compactMap { entry in
      guard case .derivation(let derivation, _)? = facts[entry.digest] else { return nil }
      return (entry, derivation)
    }
  }

  /// Finds the derivations that were deleted, but for those that are needed after all: by names or models that another
  /// store, which did not know of the deletion, has given since.
  private func findGone(_ reading: HistoryReading) {
    let drops = reading.drops
    var parents: [Digest: [Digest]] = [:]
    var deleted: [(entry: Digest, model: Digest)] = []
    var remade: Set<Digest> = []
    var roots = Self.named(in: reading)
    for (entry, derivation) in derivations(reading) {
      parents[derivation.model, default: []] += derivation.parents.map(\.model)
      let drop = entry.document.flatMap { drops[$0] }
      if let drop, drop > entry {
        deleted.append((entry.digest, derivation.model))
      } else {
        roots.append(derivation.model)
        // What was deleted and came again keeps what was said of it since.
        if drops[derivation.model].map({ $0 < entry }) ?? false { remade.insert(derivation.model) }
      }
    }
    var needed: Set<Digest> = []
    while let next = roots.popLast() {
      if needed.insert(next).inserted { roots += parents[next] ?? [] }
    }
    for (entry, model) in deleted where !needed.contains(model) || remade.contains(model) { gone.insert(entry) }
  }

  /// The models that a name was given to by a change that no other replaces, or by one that those who deleted the model
  /// did not know of.
  private static func named(in reading: HistoryReading) -> [Digest] {
    let open = reading.openChanges.values.flatMap { $0.compactMap(\.naming.model) }
    let (drops, isMadeUpon) = (reading.drops, reading.ancestry())
    return open
      + reading.entries.flatMap { entry in
        entry.names.compactMap(\.model).filter { drops[$0].map { !isMadeUpon($0, entry) } ?? false }
      }
  }

  private func states(_ reading: HistoryReading, objects: Set<Digest>) -> [Digest: ModelState] {
    var presence = Presence()
    for (digest, manifest) in manifests { presence.add(digest, manifest) { objects.contains($0) } }
    let merges = derivations(reading).compactMap { entry, derivation -> DerivationRow? in
      guard derivation.kind == DerivationKind.merge.rawValue, let document = entry.document else { return nil }
      return gone.contains(entry.digest) ? nil : derivation.row(document, at: EventPlace(entry))
    }
    return presence.states(merges: merges)
  }

  private func insert(
    _ reading: HistoryReading, states: [Digest: ModelState], in publication: Publication
  ) throws {
    var replay = Replay(documents: documents, publication: publication)
    for (index, entry) in reading.entries.enumerated() {
      if index % 256 == 0 { try pool.checkInterruption() }
      try replay.apply(entry, gone.contains(entry.digest) ? nil : facts[entry.digest]) { states[$0] ?? .absent }
    }
    damage += replay.damage
  }

  /// Tells of names whose models cannot be given out, and of those that two stores gave otherwise.
  private func judgeNames(in publication: Publication) throws {
    for name in try publication.allNames() + publication.nameConflicts() {
      switch try publication.model(name.model)?.state {
      case nil: damage.append("name \(name.name): its model \(name.model.hex) cannot be read; the name is kept")
      case .absent: damage.append("model \(name.name), \(name.model.hex): not all of its objects are in packs")
      case .stored, .virtual: break
      }
    }
    for row in try publication.nameConflicts() {
      remarks.append("name \(row.name): two events gave it to different models; the other is \(row.conflictName)")
    }
  }
}

extension NameRow {
  /// What a conflict is called until someone decides: the name, and the beginning of the event's digest.
  var conflictName: String { "\(name)@conflict-\(entry.hex.prefix(8))" }
}
