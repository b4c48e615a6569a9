import Glibc
import Lineage
import Objects
import Synchronization
import Tensors

/// What `collect` is about to do: decided as a whole before anything is done.
struct Sweep {
  /// Packs that are mostly garbage, and what becomes one new pack of them.
  struct Rewrite {
    var packs: [PackRow] = []
    var frames = 0
    var frameBytes = 0

    /// What it wins.
    var bytes: Int { packs.reduce(-Pack.size(frames: frames, frameBytes: frameBytes)) { $0 + $1.bytes } }
  }

  /// Models that are forgotten.
  var models: [Digest] = []
  /// Models whose bytes are no longer there, or are there after all.
  var states: [(model: Digest, state: ModelState)] = []
  var objects: [Digest] = []
  /// Packs of which nothing is needed.
  var packs: [PackRow] = []
  var rewrites: [Rewrite] = []
  /// Paths to unlink once the rows are gone.
  var files: [String] = []
  /// Paths that no row names, to unlink at once.
  var strays: [String] = []
  var documents = 0
  /// Documents that the history says are needed by what goes: the event says that they are deleted.
  var drops: [Digest] = []
  var bytes = 0
  /// Models without a name that are too young to go.
  var waiting: [WaitingModel] = []
  var filesWaiting = 0
  var fileBytesWaiting = 0
  /// Why nothing goes, where that is for the clock.
  var refusal: String?

  func report(dryRun: Bool) -> CollectReport {
    CollectReport(
      dryRun: dryRun, models: models.count, modelsAbsent: states.count { $0.state == .absent },
      objects: objects.count, packs: packs.count, packsRewritten: rewrites.reduce(0) { $0 + $1.packs.count },
      documents: documents, bytes: bytes, waiting: waiting, filesWaiting: filesWaiting,
      fileBytesWaiting: fileBytesWaiting, refusal: refusal)
  }
}

/// The objects on record, and which of them are needed.
private struct ObjectTable {
  var places: [Digest: (pack: Int64, length: Int, base: Digest?)] = [:]
  private(set) var needed: Set<Digest> = []
  /// Packs that go or are written anew.
  var touched: Set<Int64> = []

  func contains(_ object: Digest) -> Bool { places[object] != nil }

  /// Marks an object that is on record, and the bases in its chain.
  mutating func need(_ object: Digest) {
    var next: Digest? = object
    while let digest = next, let place = places[digest], needed.insert(digest).inserted { next = place.base }
  }

  /// Whether an object can still be read afterwards. What nobody needs is left too where its pack and bases are.
  func isLeft(_ object: Digest) -> Bool {
    guard let place = places[object] else { return false }
    return needed.contains(object) || !touched.contains(place.pack) && place.base.map(isLeft) ?? true
  }
}

extension Repository {
  /// Decides what goes.
  ///
  /// - Parameter age: seconds for which what has no name any more stays.
  func planSweep(olderThan age: Int) throws -> Sweep {
    let reading = try requireWholeHistory()
    var sweep = Sweep()
    let now = time(nil)
    sweep.refusal = age > 0 ? Self.doubt(about: now, after: reading.times.values.max()) : nil
    if sweep.refusal != nil { return sweep }
    /// The time before which files that nothing names have to be made, so that they go.
    let limit = age > 0 ? now - age : Int.max
    var objects = ObjectTable()
    try lineage.forEachObject { objects.places[$0.digest] = ($0.pack, $0.length, $0.base) }
    let models = try lineage.models()
    let states = Dictionary(models.map { ($0.model.id, $0.model.state) }, uniquingKeysWith: { first, _ in first })
    let derivations = try lineage.allDerivations()
    let makings = Dictionary(grouping: derivations, by: \.model)
    /// The models on record that are reached from some, these too.
    func reached(from roots: some Sequence<Digest>, by parents: (Digest) throws -> [ParentRow]) throws -> Set<Digest> {
      var found: Set<Digest> = []
      var queue = Array(roots)
      while let next = queue.popLast() {
        if states[next] != nil, found.insert(next).inserted { queue += try parents(next).map(\.parent) }
      }
      return found
    }
    // A model that is absent for a damage may be virtual again once the damage is mended, so its inputs stay.
    let unknown = reading.needsOfUnknownKinds
    let conflicts = try lineage.nameConflicts().map(\.model)
    let named = models.filter { !$0.names.isEmpty }.map(\.model.id)
    let uses = reading.lastUses(derivations)
    let young = models.filter { $0.names.isEmpty && uses[$0.model.id] ?? 0 > limit }.map(\.model.id)
    let live = try reached(from: named + conflicts + unknown + young) { model in
      let merges = makings[model, default: []].filter { $0.kind == .merge }
      guard states[model] != .stored, !merges.isEmpty else { return [] }
      return try manifest(of: model).objects.allSatisfy(objects.contains) ? [] : merges.flatMap(\.inputs)
    }
    // What open advisories reach is not forgotten: weights that come back are what they were.
    let flagged = Set(try lineage.reachOfAdvisories().map(\.weights))
    let flows = models.map(\.model).filter { flagged.contains($0.weightsID) }.map(\.id)
    let known = try reached(from: live.union(flows)) { makings[$0, default: []].flatMap(\.parents) }
    sweep.models = models.map(\.model.id).filter { !known.contains($0) }
    for object in try objectsNamed(by: Array(live)) { objects.need(object) }
    for object in unknown { objects.need(object) }
    try needStrangers(&objects, limit, of: models.map(\.model.id), &sweep)
    sweep.waiting = try waiting(young.filter { states[$0] != .absent }, uses, reading, age: age)
    try planPacks(&sweep, &objects, limit)
    sweep.objects = objects.places.keys.filter { !objects.isLeft($0) }
    try planDocuments(&sweep, derivations, reading, limit)
    for name in try storage.list(layout.temporary) { try addTree("\(layout.temporary)/\(name)", to: &sweep) }

    let presence = try presence(of: Array(known)) {
      live.contains($0) && states[$0] == .stored
    } isInPack: {
      objects.isLeft($0)
    }
    let merges = derivations.reversed().filter { $0.kind == .merge }
    sweep.states = presence.states(merges: merges).filter { states[$0.key] != $0.value }.map { ($0.key, $0.value) }
    return sweep
  }

  /// Marks objects in young packs that no model on record names: those of models whose entries were not copied here.
  private func needStrangers(
    _ objects: inout ObjectTable, _ limit: Int, of models: [Digest], _ sweep: inout Sweep
  ) throws {
    if limit == .max { return }
    let young = try lineage.packs().filter { isYoung(layout.pack($0.digest.hex), limit) }
    let packs = Set(young.map(\.id))
    let loose = objects.places.filter { packs.contains($0.value.pack) && !objects.needed.contains($0.key) }
    if loose.isEmpty { return }
    let named = try objectsNamed(by: models)
    let strange = loose.filter { !named.contains($0.key) }
    for object in strange.keys { objects.need(object) }
    let hosts = Set(strange.values.map(\.pack))
    sweep.filesWaiting += hosts.count
    sweep.fileBytesWaiting += young.filter { hosts.contains($0.id) }.reduce(0) { $0 + $1.bytes }
  }

  /// Why a clock cannot be trusted; nil where it can.
  static func doubt(about now: Int, after last: Int?) -> String? {
    guard let last else { return nil }
    if now < last {
      return "nothing was deleted: this machine's clock says \(text(ofTime: now)), before the last event, of "
        + text(ofTime: last)
    }
    if now > last + longSilence {
      return "nothing was deleted: this machine's clock says \(day(now)), and the last event is of \(day(last)), more "
        + "than a year before"
    }
    return nil
  }

  /// Models that are too young to go, the first to go first.
  private func waiting(
    _ models: [Digest], _ uses: [Digest: Int], _ reading: HistoryReading, age: Int
  ) throws -> [WaitingModel] {
    var names: [Digest: String] = [:]
    for entry in reading.entries {
      for naming in entry.names { if let model = naming.model { names[model] = naming.name } }
    }
    return try models.sorted { (uses[$0] ?? 0, $0) < (uses[$1] ?? 0, $1) }.map { model in
      WaitingModel(
        id: model.hex, lastName: names[model], bytes: try lineage.model(model)?.bytes ?? 0,
        since: text(ofTime: uses[model] ?? 0), until: text(ofTime: (uses[model] ?? 0) + age))
    }
  }

  /// The objects that models are made of, on record or not. Reads all manifests, on all workers.
  private func objectsNamed(by models: [Digest]) throws -> Set<Digest> {
    let found = Mutex<Set<Digest>>([])
    try pool.run(models.count) { ticket, _ in
      let objects = try manifest(of: models[ticket]).objects
      found.withLock { $0.formUnion(objects) }
    }
    return found.withLock { $0 }
  }

  private func presence(
    of models: [Digest], isStored: (Digest) -> Bool, isInPack: (Digest) -> Bool
  ) throws -> Presence {
    let found = Mutex(Presence())
    try pool.run(models.count) { ticket, _ in
      let model = models[ticket]
      if isStored(model) {
        found.withLock { $0.addStored(model) }
      } else {
        let manifest = try manifest(of: model)
        found.withLock { $0.add(model, manifest, isInPack: isInPack) }
      }
    }
    return found.withLock { $0 }
  }

  /// Packs that go or are written anew, and files in `packs/` that no row names.
  private func planPacks(_ sweep: inout Sweep, _ objects: inout ObjectTable, _ limit: Int) throws {
    var needed: [Int64: (frames: Int, bytes: Int)] = [:]
    var known: [Int64: (frames: Int, bytes: Int)] = [:]
    for (object, place) in objects.places {
      let before = known[place.pack] ?? (0, 0)
      known[place.pack] = (before.frames + 1, before.bytes + place.length)
      guard objects.needed.contains(object) else { continue }
      let part = needed[place.pack] ?? (0, 0)
      needed[place.pack] = (part.frames + 1, part.bytes + place.length)
    }
    var named: Set<Digest> = []
    let packs = try lineage.packs()
    let rows = Set(packs.map(\.digest))
    for pack in packs {
      guard let part = needed[pack.id] else {
        sweep.packs.append(pack)
        objects.touched.insert(pack.id)
        continue
      }
      named.insert(pack.digest)
      // Frames that no row names are evicted: were they left, `rebuild` would call their models stored.
      let isEvicted = known[pack.id].map { Pack.size(frames: $0.frames, frameBytes: $0.bytes) != pack.bytes } ?? false
      guard isEvicted || 2 * Pack.size(frames: part.frames, frameBytes: part.bytes) < pack.bytes else { continue }
      objects.touched.insert(pack.id)
      var group = Sweep.Rewrite()
      if let last = sweep.rewrites.last, last.frameBytes + part.bytes <= Pack.closingBytes {
        group = sweep.rewrites.removeLast()
      }
      group.packs.append(pack)
      group.frames += part.frames
      group.frameBytes += part.bytes
      sweep.rewrites.append(group)
    }
    sweep.bytes += sweep.rewrites.reduce(0) { $0 + $1.bytes }
    // Files that are no packs by their names are somebody else's.
    for (path, digest) in try PackIndexes(layout: layout, storage: storage).files() {
      guard let digest, !named.contains(digest) else { continue }
      // What a row named until now is told by its models.
      if !rows.contains(digest), wait(for: path, limit, &sweep) { continue }
      addFile(path, isStray: !rows.contains(digest), to: &sweep)
    }
  }

  /// Whether a file that nothing names is too young to go.
  private func wait(for path: String, _ limit: Int, _ sweep: inout Sweep) -> Bool {
    guard isYoung(path, limit) else { return false }
    sweep.filesWaiting += 1
    sweep.fileBytesWaiting += (try? storage.open(path).size()) ?? 0
    return true
  }

  /// Whether a file was written after a time.
  private func isYoung(_ path: String, _ limit: Int) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mtim.tv_sec > limit
  }

  /// Documents that no row will name, if no event that stays needs them.
  private func planDocuments(
    _ sweep: inout Sweep, _ derivations: [DerivationRow], _ reading: HistoryReading, _ limit: Int
  ) throws {
    let gone = Set(sweep.models)
    var documents = try lineage.snapshot { try $0.referencedDocuments() }.subtracting(gone)
    var recipes: [Digest: Bool] = [:]
    for row in derivations {
      if gone.contains(row.model) { documents.remove(row.digest) }
      if let recipe = row.recipe { recipes[recipe] = (recipes[recipe] ?? false) || !gone.contains(row.model) }
    }
    for row in try lineage.fileDigests() where gone.contains(row.model) { documents.remove(row.document) }
    for (recipe, isKept) in recipes where !isKept { documents.remove(recipe) }
    let isNamed = try lineage.snapshot { try $0.referencedDocuments() }
    sweep.drops = isNamed.subtracting(documents).sorted()
    // What an event refers to and no row names, nobody has decided about: it stays.
    let undecided = Set(reading.documents.keys).union(reading.needsOfUnknownKinds).subtracting(isNamed)
    for digest in try self.documents.all().digests where !documents.contains(digest) && !undecided.contains(digest) {
      if !isNamed.contains(digest), wait(for: self.documents.file(of: digest), limit, &sweep) { continue }
      sweep.documents += 1
      addFile(self.documents.file(of: digest), isStray: !isNamed.contains(digest), to: &sweep)
    }
  }

  /// A file in `tmp/`, or a folder after all that is in it. Links are not followed.
  private func addTree(_ path: String, to sweep: inout Sweep) throws {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      return addFile(path, isStray: true, to: &sweep)
    }
    for name in try storage.list(path) { try addTree("\(path)/\(name)", to: &sweep) }
    sweep.strays.append(path)
  }

  private func addFile(_ path: String, isStray: Bool, to sweep: inout Sweep) {
    if isStray { sweep.strays.append(path) } else { sweep.files.append(path) }
    // What cannot be opened for its size still goes if it can.
    sweep.bytes += (try? storage.open(path).size()) ?? 0
  }
}
