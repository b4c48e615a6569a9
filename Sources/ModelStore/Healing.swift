import Glibc
import Lineage
import Objects
import Synchronization
import Tensors

// How an import heals: what it finds on record is proven to be readable, and what is not is written anew.

/// What `body` gives; nil where it finds stored bytes damaged or missing. Other errors pass.
func readable<T>(_ body: () throws -> T?) throws -> T? {
  do { return try body() } catch {
    guard isDamage(error) else { throw error }
    return nil
  }
}

/// Whether an error says that stored bytes are damaged, missing, or cannot be read from the disk.
func isDamage(_ error: any Error) -> Bool {
  if let error = error as? StorageError { return error.code == ENOENT || error.code == EIO }
  return RepositoryError(translating: error).kind == .corrupt
}

extension Repository {
  /// What a look at the frames of objects has found.
  struct FrameCheck {
    /// Objects that cannot be read back: their own frame is damaged or missing, or one that it rests on.
    var damaged: [Digest: ObjectRow] = [:]
    /// The packs that were looked into, and those of them that hold a damaged frame.
    var packs: Set<Int64> = []
    var damagedPacks: Set<Int64> = []
  }

  /// Reads every frame on the chains of objects once, on all workers; checks checksums and decodes nothing.
  func checkFrames(of objects: some Sequence<Digest>) throws -> FrameCheck {
    var rows: [Digest: ObjectRow] = [:]
    var chains: [Digest: [Digest]] = [:]
    for object in objects where chains[object] == nil {
      var chain: [Digest] = []
      var next = Optional(object)
      while let step = next, !chain.contains(step), let row = try rows[step] ?? lineage.object(step) {
        rows[step] = row
        chain.append(step)
        next = row.base
      }
      chains[object] = chain
    }
    // In the order in which they lie.
    let frames = rows.values.sorted { ($0.pack, $0.offset) < ($1.pack, $1.offset) }
    let damaged = Mutex<Set<Digest>>([])
    try pool.run(frames.count) { ticket, _ in
      let row = frames[ticket]
      do {
        let (file, path) = try packFiles.open(row.packDigest)
        try Pack.checkFrame(of: row.digest, in: file, path: path, offset: row.offset, length: row.length)
      } catch {
        guard isDamage(error) else { throw error }
        damaged.withLock { _ = $0.insert(row.digest) }
      }
    }
    let bad = damaged.withLock { $0 }
    var check = FrameCheck()
    for row in frames {
      check.packs.insert(row.pack)
      if bad.contains(row.digest) { check.damagedPacks.insert(row.pack) }
    }
    if bad.isEmpty { return check }
    for (object, chain) in chains where chain.contains(where: bad.contains) { check.damaged[object] = rows[object] }
    return check
  }

  /// Replaces packs with damaged frames, and packs whose index cannot be read: what is still needed of each is written
  /// into a new one. The old file stays until `gc`. A pack of which something needed is damaged too stays as it is.
  func replaceDamagedPacks(_ check: FrameCheck) throws {
    for pack in try lineage.packs() where check.packs.contains(pack.id) {
      let path = layout.pack(pack.digest.hex)
      let rows = try lineage.objects(inPack: pack.id)
      if !check.damagedPacks.contains(pack.id) {
        let isWhole = try readable { () throws -> Bool? in
          let file = try storage.open(path)
          _ = try Pack.readIndex(of: file, path: path)
          return try file.size() == pack.bytes
        }
        if isWhole == true { continue }
      }
      if rows.isEmpty {
        try lineage.publish { try $0.deletePacks([pack.id]) }
      } else {
        _ = try readable { try rewrite([pack]) }
      }
    }
  }

  /// Records objects of named models that lie in packs but could not be recorded, as something that they rest on was
  /// missing; and calls these models stored. Costs nothing where all named models are there; else the indexes of all
  /// packs are read.
  func reviveNamedModels() throws {
    let named = Set(try lineage.allNames().map(\.model) + lineage.nameConflicts().map(\.model))
    let absent = try named.filter { try lineage.model($0)?.state == .absent }
    if absent.isEmpty { return }
    let manifests = try absent.compactMap { model in try readable { (model, try manifest(of: model)) } }
    try lineage.publish { publication in
      let wanted = Set(manifests.flatMap(\.1.objects))
      try PackIndexes(layout: layout, storage: storage).insertMissing(wanted, in: publication)
      for (model, manifest) in manifests {
        let objects = Set(manifest.objects)
        if try publication.stored(objects).count == objects.count { try publication.setState(model, .stored) }
      }
    }
  }
}
