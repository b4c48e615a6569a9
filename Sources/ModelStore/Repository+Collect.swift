import Foundation
import Glibc
import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// Removes what nothing needs: bytes of models that are not kept, and files that crashes left behind.
  ///
  /// Kept: models with a name, and those that lost their last one, or were made, less than `olderThan` seconds ago;
  /// inputs of merges that are kept without their bytes, and theirs; bases of deltas that are kept; packs and documents
  /// that nothing names and that are younger. Of their other ancestors the lineage stays and the bytes go. Packs of
  /// which less than half is needed are written anew. Rows go before the files they named, and new packs are durable
  /// before rows name them.
  ///
  /// It is planned beside others' work; only the deleting needs the store to itself.
  ///
  /// - Parameters:
  ///   - olderThan: seconds. With more than 0, nothing goes where this machine's clock is before the last event or more
  ///     than a year after it, which the report says.
  ///   - waiting: waits for the store as long as it takes; else ten seconds.
  /// - Throws: `conflict` where another process is at work for long, `corrupt` where the store is not whole.
  public func collect(
    dryRun: Bool = false, olderThan: Int = grace, waiting: Bool = false
  ) throws(RepositoryError) -> CollectReport {
    try door {
      try requireWritable()
      if !dryRun { try Reserve(layout: layout).spending { try lineage.publish { try history.adopt(in: $0) } } }
      let version = try lineage.dataVersion()
      // Where others are in the middle of an event it may look like damage: alone it is judged for certain.
      let planned: Sweep?
      do { planned = try planSweep(olderThan: olderThan) } catch let error where isDamage(error) { planned = nil }
      if let planned, dryRun || planned.refusal != nil { return planned.report(dryRun: dryRun) }
      let sweep = try withExclusiveLock(waiting: waiting) {
        // What others did meanwhile may need what was to go.
        let isCurrent = try lineage.dataVersion() == version
        let sweep = try isCurrent ? planned ?? planSweep(olderThan: olderThan) : planSweep(olderThan: olderThan)
        if !dryRun, sweep.refusal == nil { try apply(sweep) }
        return sweep
      }
      if dryRun || sweep.refusal != nil { return sweep.report(dryRun: dryRun) }
      // Last, so that it has the space that all else has left.
      let replaced = try sweep.rewrites.flatMap { try rewrite($0.packs) }
      if !replaced.isEmpty {
        do { try withExclusiveLock(waiting: waiting) { try unlink(replaced) } } catch let error as RepositoryError
          where error.kind == .conflict
        {
          // Others came in between. Nothing names these files any more, and the next run takes them.
        }
      }
      Reserve(layout: layout).make()
      return sweep.report(dryRun: false)
    }
  }

  /// Deletes what a plan says, but for packs that are written anew. The store is this process's alone.
  private func apply(_ sweep: Sweep) throws {
    // First what no row names, which makes room for the event.
    try unlink(sweep.strays)
    func drop(_ publication: Publication) throws {
      try publication.deleteObjects(sweep.objects)
      try publication.deletePacks(sweep.packs.map(\.id))
      try publication.deleteModels(sweep.models)
      for (model, state) in sweep.states { try publication.setState(model, state) }
    }
    if sweep.drops.isEmpty {
      try Reserve(layout: layout).spending { try lineage.publish(drop) }
    } else {
      var event = Event(.collect, madeBy: whoami())
      event.drops = sweep.drops
      try publish(event) { publication, _ in try drop(publication) }
    }
    packFiles.closeAll()
    // The store is whole: nothing is left that only a database of before a rebuild could tell.
    for path in layout.formerDatabases.kept { storage.removeDatabase(path) }
    try unlink(sweep.files)
  }

  /// Runs something with the store to itself; afterwards the shared lock is held again.
  func withExclusiveLock<T>(waiting: Bool = false, _ body: () throws -> T) throws -> T {
    lock.withLock { $0 = nil }
    let exclusive: StoreLock
    do { exclusive = try Self.exclusiveLock(layout, waiting: waiting, pool: pool) } catch {
      let shared = try Self.sharedLock(layout)
      lock.withLock { $0 = shared }
      throw error
    }
    defer {
      exclusive.share()
      lock.withLock { $0 = exclusive }
    }
    try requireSameDatabase()
    return try body()
  }

  /// Writes what is left of packs into one new pack, which is durable before a row names it.
  ///
  /// - Returns: the files of the old packs, which nothing names any more.
  func rewrite(_ packs: [PackRow]) throws -> [String] {
    let writer = try PackWriter(storage: storage, path: temporaryPath(".pack"))
    let sealed: Ingest.SealedPack
    var rows: [ObjectRow] = []
    do {
      for pack in packs {
        let (file, path) = try packFiles.open(pack.digest)
        for row in try lineage.objects(inPack: pack.id) {
          try pool.checkInterruption()
          rows.append(row)
          try writer.copyFrame(of: row.digest, in: file, path: path, offset: row.offset, length: row.length)
        }
      }
      sealed = try writer.seal(into: layout.packs)
    } catch {
      writer.discard()
      throw error
    }
    let known = Dictionary(rows.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    let old = try lineage.publish { publication -> [PackRow] in
      let id = try publication.insertPack(sealed.digest, bytes: sealed.size)
      for entry in sealed.entries {
        // What has another frame by now keeps that.
        guard let row = known[entry.digest] else { continue }
        _ = try publication.replaceFrame(of: row, by: NewObject(entry, in: id), depthLimit: Self.depthLimit)
      }
      // The new pack may have the very bytes of one of the old, which then stays.
      let old = try packs.filter { pack in
        try pack.digest != sealed.digest && publication.objects(inPack: pack.id).isEmpty
      }
      try publication.deletePacks(old.map(\.id))
      return old
    }
    packFiles.closeAll()
    return old.map { layout.pack($0.digest.hex) }
  }

  func unlink(_ files: [String]) throws {
    var folders: Set<String> = []
    for path in files {
      // What another has taken away meanwhile is as good as gone.
      do { try storage.remove(path) } catch { if error.code != ENOENT { throw error } }
      folders.insert((path as NSString).deletingLastPathComponent)
    }
    for folder in folders.subtracting(files).sorted() { try storage.syncDirectory(folder) }
  }
}
