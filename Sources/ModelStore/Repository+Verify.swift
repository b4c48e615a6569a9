import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// Checks everything: the history, the database, every byte of every pack and document, and — with `full` — that
  /// every object decodes to its digest. Damage and the models it hurts are reported, not thrown; so is garbage, which
  /// is harmless.
  ///
  /// - Parameter heads: heads that were kept outside (`head()`): a store without them was rolled back.
  public func verify(
    full: Bool = true, since heads: [String] = [], progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> VerifyReport {
    try door {
      var findings = Findings()
      for fault in try lineage.integrityCheck() { findings.damage(fault) }
      let reading = try checkHistory(since: heads, &findings)
      try checkPacks(&findings, full: full, progress: progress)
      try checkDocuments(reading, &findings)
      try checkNames(&findings)
      try checkRows(&findings)
      let hurt = try hurtModels(findings)
      for name in try storage.list(layout.temporary) { findings.garbage.append("tmp/\(name)") }
      return VerifyReport(
        models: findings.models, objects: findings.objects, packs: findings.packs, documents: findings.documents,
        events: reading.entries.count, bytes: findings.bytes,
        damage: findings.faults.map { fault in
          .init(
            what: fault.what, models: Set(fault.models + fault.objects.flatMap { hurt[$0] ?? [] }).sorted(),
            heals: fault.heals)
        }, remarks: findings.remarks, garbage: findings.garbage)
    }
  }

  /// What a check has found so far.
  private struct Findings {
    struct Fault {
      let what: String
      var objects: [Digest] = []
      var models: [String] = []
      /// What to do about it.
      var heals: String?
    }

    var faults: [Fault] = []
    var remarks: [String] = []
    var garbage: [String] = []
    var models = 0
    var objects = 0
    var packs = 0
    var documents = 0
    var bytes = 0

    mutating func damage(_ what: String, objects: [Digest] = [], models: [String] = [], heals: String? = nil) {
      faults.append(Fault(what: what, objects: objects, models: models, heals: heals))
    }
  }

  private func checkPacks(
    _ findings: inout Findings, full: Bool, progress: (@Sendable (Int, Int) -> Void)?
  ) throws {
    let known = try lineage.packs()
    let total = known.reduce(0) { $0 + $1.bytes }
    for pack in known {
      let rows = try lineage.objects(inPack: pack.id).sorted { $0.offset < $1.offset }
      findings.packs += 1
      findings.objects += rows.count
      findings.bytes += pack.bytes
      try check(pack, rows: rows, full: full, &findings)
      progress?(findings.bytes, total)
    }
    let digests = Set(known.map(\.digest))
    for (path, digest) in try PackIndexes(layout: layout, storage: storage).files() {
      if let digest, digests.contains(digest) { continue }
      findings.garbage.append(String(path.dropFirst(layout.root.utf8.count + 1)))
    }
  }

  /// One pack: its own digest, its index, every frame's trailer and blocks; with `full` every object's digest.
  private func check(_ pack: PackRow, rows: [ObjectRow], full: Bool, _ findings: inout Findings) throws {
    let path = layout.pack(pack.digest.hex)
    let file: any StorageFile
    do {
      file = try packFiles.open(pack.digest).0
    } catch {
      findings.damage(
        "\(path): pack is missing, with \(rows.count) objects", objects: rows.map(\.digest), heals: Self.importHeals)
      return
    }
    let faults = Mutex<[(Int, String)]>([])
    try pool.run(rows.count) { index, _ in
      let row = rows[index]
      do {
        try checkObject(row, file: file, path: path, full: full)
      } catch {
        let error = RepositoryError(translating: error)
        // What a newer program wrote is no damage.
        if error.kind == .unsupported { throw error }
        faults.withLock { $0.append((index, error.message)) }
      }
    }
    let found = faults.withLock { $0 }.sorted { $0.0 < $1.0 }
    if let (first, text) = found.first {
      let count =
        found.count == 1 ? "an object is damaged" : "\(found.count) of \(rows.count) objects are damaged, first"
      // Most errors name the pack themselves.
      let reason = text.hasPrefix(path + ": ") ? String(text.dropFirst(path.count + 2)) : text
      findings.damage(
        "\(path): \(count), \(rows[first].digest.hex): \(reason)", objects: found.map { rows[$0.0].digest },
        heals: Self.importHeals)
      return
    }
    let digest = try digestOfFile(file)
    if digest != pack.digest {
      findings.damage(
        "\(path): its bytes have the digest \(digest.short); all objects in it are whole", objects: rows.map(\.digest),
        heals: "import one of these models again, or run: stemma rebuild")
    } else {
      do { _ = try Pack.readIndex(of: file, path: path) } catch {
        findings.damage(RepositoryError(translating: error).message, objects: rows.map(\.digest))
      }
    }
  }

  private static let importHeals = "import these models again from their files, or restore the file from a backup"

  private func checkObject(_ row: ObjectRow, file: any StorageFile, path: String, full: Bool) throws {
    guard full else {
      try Pack.checkFrame(of: row.digest, in: file, path: path, offset: row.offset, length: row.length)
      return
    }
    guard let reader = try openObject(row.digest) else { return }
    try spaces.withWorkspace { space in
      var hash = RunningDigest()
      for block in reader.trailer.blocks.indices {
        let range = reader.trailer.rawRange(ofBlock: block)
        let bytes = space.buffer(40, count: range.count)
        try reader.read(at: range.lowerBound, into: bytes, space)
        hash.update(UnsafeRawBufferPointer(bytes))
      }
      guard hash.finish() == row.digest else {
        throw RepositoryError(.corrupt, "its bytes have the digest \(hash.finish().short)")
      }
    }
  }

  private func digestOfFile(_ file: any StorageFile) throws -> Digest {
    try spaces.withWorkspace { space in
      var hash = RunningDigest()
      let size = try file.size()
      var at = 0
      while at < size {
        let bytes = space.buffer(41, count: min(1 << 20, size - at))
        let found = try file.read(into: bytes, at: at)
        if found == 0 { break }
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[0..<found]))
        at += found
      }
      return hash.finish()
    }
  }

  private func checkDocuments(_ reading: HistoryReading, _ findings: inout Findings) throws {
    let events = reading.documents
    let unknown = Set(reading.needsOfUnknownKinds)
    let named = try lineage.snapshot { try $0.referencedDocuments() }.union(events.keys)
    func text(_ digest: Digest) -> String {
      let event = events[digest].map { " of event \($0.sequence) (\(HistoryCheck.text($0)))" } ?? ""
      return "document \(digest.hex)\(event)"
    }
    let (found, strangers) = try documents.all()
    findings.models = try lineage.models().count
    findings.documents = named.count
    findings.garbage += strangers
    let present = Set(found)
    let hurt = try modelsByDocument()
    let list = named.sorted()
    let faults = Mutex<[Int: String]>([:])
    try pool.runInPieces(list.count) { index in
      do { try Verdict.check(try documents.get(list[index])) } catch {
        let message = RepositoryError(translating: error).message
        faults.withLock { $0[index] = message }
      }
    }
    for (index, message) in faults.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
      let digest = list[index]
      let models = try (hurt[digest] ?? []).map { try label($0) }
      let isManifest = hurt[digest]?.contains(digest) ?? false
      findings.damage(
        present.contains(digest) ? "\(text(digest)): \(message)" : "\(text(digest)) is missing", models: models,
        heals: isManifest ? Self.importHeals : "restore the file from a backup, or from another copy of the store")
    }
    for digest in found where !named.contains(digest) && !unknown.contains(digest) {
      findings.garbage.append("documents: \(digest.hex)")
    }
  }

  /// What the history lacks, and what the database lacks of it.
  private func checkHistory(since heads: [String], _ findings: inout Findings) throws -> HistoryReading {
    let rows = try lineage.events()
    let check = try HistoryCheck(
      history, known: rows + Rebuild.formerEvents(layout), pool: pool)
    let reading = check.reading
    for fault in check.faults() { findings.damage(fault) }
    findings.remarks += check.remarks()
    findings.garbage += reading.strangers
    let known = Set(rows.map(\.place.entry))
    // Before the others are looked at: one that is committed meanwhile was above it.
    let last = try lineage.lastSequence()
    let strange = try reading.entries.filter { entry in
      // Others may have written it since, or taken it back.
      try !known.contains(entry.digest) && lineage.event(entry.digest) == nil
        && exists(history.entries.file(of: entry.name))
    }
    // The one that a crash leaves above all others is adopted by the next writer.
    if strange.count == 1, strange[0].sequence > last {
      findings.remarks.append(
        "event \(strange[0].sequence) (\(HistoryCheck.text(strange[0]))) was cut off by a crash; "
          + "the next writer adopts it"
      )
    } else if let first = strange.first {
      let more = strange.count > 1 ? " and \(strange.count - 1) more" : ""
      findings.damage(
        "event \(first.sequence) (\(HistoryCheck.text(first)))\(more) in entries/, but not in the database: "
          + "files of another copy, or put in afterwards; run: stemma rebuild")
    }
    for text in heads {
      guard let head = HeadReference(text) else {
        throw RepositoryError(
          .invalidInput, "--since \(text): a head as 'stemma log --head' prints it expected",
          hint: "it is a number, a dash and 64 hex digits")
      }
      if reading.entries.contains(where: { $0.digest == head.digest && $0.sequence == head.sequence }) { continue }
      findings.damage(
        "the history does not contain head \(head.text): the store was rolled back to before it, or is another store")
    }
    return reading
  }

  /// Whether the database says what the history says. Where others keep writing meanwhile nothing is told.
  private func checkRows(_ findings: inout Findings) throws {
    if !findings.faults.isEmpty { return }
    for _ in 0..<5 {
      let reading = try HistoryReading(history.entries, pool: pool)
      let answer = try lineage.snapshot { snapshot -> String?? in
        guard Set(try snapshot.events().map(\.place.entry)) == Set(reading.entries.map(\.digest)) else { return nil }
        return .some(try disagreement(of: snapshot, with: reading))
      }
      guard let answer else { continue }
      if let fault = answer { findings.damage("\(layout.database): \(fault); run: stemma rebuild") }
      return
    }
  }

  /// Names that lead to nothing, and those that diverged.
  private func checkNames(_ findings: inout Findings) throws {
    let conflicts = try lineage.nameConflicts()
    for name in try lineage.allNames() + conflicts {
      let state = try lineage.model(name.model)?.state
      if state == .absent {
        findings.damage(
          "name \(name.name): not all bytes of its model \(name.model.hex) are in packs that can be read",
          models: [name.name])
      }
      guard state == nil else { continue }
      findings.damage(
        "name \(name.name): its model \(name.model.hex) is not on record; its manifest or derivation is missing",
        models: [name.name])
    }
    for row in conflicts {
      findings.remarks.append(
        "name \(row.name) was given to different models in copies that went on apart; the other is "
          + "\(row.conflictName): decide with: stemma tag MODEL \(row.name) --force")
    }
  }

  /// For each document the models that need it.
  private func modelsByDocument() throws -> [Digest: [Digest]] {
    var found: [Digest: [Digest]] = [:]
    for entry in try lineage.models() { found[entry.model.id, default: []].append(entry.model.id) }
    for row in try lineage.allDerivations() {
      found[row.digest, default: []].append(row.model)
      if let recipe = row.recipe { found[recipe, default: []].append(row.model) }
    }
    for row in try lineage.fileDigests() { found[row.document, default: []].append(row.model) }
    for row in try lineage.evaluations() { found[row.digest, default: []].append(row.model) }
    for row in try lineage.advisories() {
      for document in [row.digest, row.withdrawal?.document].compactMap(\.self) {
        found[document, default: []].append(row.model)
      }
    }
    return found
  }

  /// For each damaged object the models that need it: directly, through deltas, or through merges.
  private func hurtModels(_ findings: Findings) throws -> [Digest: [String]] {
    let damaged = Set(findings.faults.flatMap(\.objects))
    guard !damaged.isEmpty else { return [:] }
    // Every object with the damaged ones in its chain.
    var reach: [Digest: Set<Digest>] = [:]
    for object in damaged {
      var queue = [object]
      while let next = queue.popLast() {
        guard reach[next, default: []].insert(object).inserted else { continue }
        queue += try lineage.deltas(on: next).map(\.digest)
      }
    }
    var hurt: [Digest: Set<Digest>] = [:]
    for entry in try lineage.models() {
      guard let manifest = try? manifest(of: entry.model.id) else { continue }
      for object in manifest.objects {
        for cause in reach[object] ?? [] { hurt[cause, default: []].insert(entry.model.id) }
      }
    }
    var names: [Digest: [String]] = [:]
    for (object, models) in hurt {
      var all = models
      for model in models {
        for row in try lineage.descendants(of: model) where row.kind == .merge { all.insert(row.model) }
      }
      names[object] = try all.map { try label($0) }.sorted()
    }
    return names
  }
}
