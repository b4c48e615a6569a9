import Foundation
import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// Removes what nothing needs: bytes of models that are not kept, and files that crashes left behind.
  ///
  /// Kept: models with a name, and those that lost their last one, or were made, less than `olderThan` seconds ago;
  /// packs and documents that nothing names and that are younger; inputs of merges that are kept without their bytes, and theirs; bases of deltas that are
  /// kept. Of their other ancestors the lineage stays and the bytes go. Packs of which less than half is needed are
  /// written anew. Rows go before the files they named, and new packs are durable before rows name them. Needs the
  /// store to itself; `conflict` where another process is at work.
  ///
  /// - Parameter olderThan: seconds. With more than 0, nothing goes where this machine's clock is before the last event
  ///   or more than a year after it, which the report says.
  public func collect(dryRun: Bool = false, olderThan: Int = grace) throws(RepositoryError) -> CollectReport {
    try door {
      try requireWritable()
      return try withExclusiveLock {
        if !dryRun { try Reserve(layout: layout).spending { try lineage.publish { try history.adopt(in: $0) } } }
        let sweep = try planSweep(olderThan: olderThan)
        if sweep.refusal != nil { return sweep.report(dryRun: dryRun) }
        guard !dryRun else { return sweep.report(dryRun: true) }
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
        for path in layout.formerDatabases.kept {
          for suffix in ["", "-wal", "-shm"] where exists(path + suffix) { try storage.remove(path + suffix) }
        }
        try unlink(sweep.files)
        // Last, so that it has the space that all else has left.
        for group in sweep.rewrites { try unlink(rewrite(group.packs)) }
        Reserve(layout: layout).make()
        return sweep.report(dryRun: false)
      }
    }
  }

  func withExclusiveLock<T>(_ body: () throws -> T) throws -> T {
    lock.withLock { $0 = nil }
    defer {
      let shared = try? StoreLock(path: layout.lock, exclusive: false)
      lock.withLock { $0 = shared }
    }
    let exclusive = try Self.exclusiveLock(layout)
    try requireSameDatabase()
    return try withExtendedLifetime(exclusive) { try body() }
  }

  /// Writes what is left of packs into one new pack, which is durable before a row names it.
  ///
  /// - Returns: the files of the old packs, which nothing names any more.
  func rewrite(_ packs: [PackRow]) throws -> [String] {
    let writer = try PackWriter(storage: storage, path: temporaryPath(".pack"))
    let sealed: Ingest.SealedPack
    do {
      for pack in packs {
        let (file, path) = try packFiles.open(pack.digest)
        for row in try lineage.objects(inPack: pack.id) {
          try pool.checkInterruption()
          try writer.copyFrame(of: row.digest, in: file, path: path, offset: row.offset, length: row.length)
        }
      }
      sealed = try writer.seal(into: layout.packs)
    } catch {
      writer.discard()
      throw error
    }
    // The new pack may have the very bytes of one of the old, which then stays.
    let old = packs.filter { $0.digest != sealed.digest }
    try lineage.publish { publication in
      let id = try publication.insertPack(sealed.digest, bytes: sealed.size)
      for entry in sealed.entries { try publication.moveObject(entry.digest, to: id, offset: entry.offset) }
      try publication.deletePacks(old.map(\.id))
    }
    packFiles.closeAll()
    return old.map { layout.pack($0.digest.hex) }
  }

  private func unlink(_ files: [String]) throws {
    var folders: Set<String> = []
    for path in files {
      try storage.remove(path)
      folders.insert((path as NSString).deletingLastPathComponent)
    }
    for folder in folders.subtracting(files).sorted() { try storage.syncDirectory(folder) }
  }
}
