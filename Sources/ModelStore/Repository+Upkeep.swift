import Foundation
import Lineage
import Objects
import Tensors

extension Repository {
  /// Counts and bytes. Reads no weights.
  ///
  /// - Parameters:
  ///   - bytes: also tells what codecs and kinds of tensors the bytes are in, which reads the trailers of all frames.
  ///   - repack: also tells what a repack would save, which reads samples of all weights.
  ///   - progress: told bytes sampled and bytes in all.
  public func stats(
    bytes: Bool = false, repack: Bool = false, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> StatsReport {
    try door {
      let tables = bytes ? try self.bytes() : nil
      let promise = repack ? try self.repack(dryRun: true, progress: progress) : nil
      return try lineage.snapshot { snapshot in
        let counts = try snapshot.counts()
        let models = try snapshot.models().filter { $0.model.state != .absent }
        let documents = try documents.all().digests
        return StatsReport(
          models: models.count, virtualModels: counts.virtualModels, names: counts.names, objects: counts.objects,
          deltaObjects: counts.deltas, modelBytes: models.reduce(0) { $0 + $1.model.bytes },
          objectBytes: counts.rawBytes, packBytes: counts.packBytes,
          garbageBytes: counts.packBytes - Pack.size(frames: counts.objects, frameBytes: counts.frameBytes)
            - (counts.packs - 1) * Pack.size(frames: 0, frameBytes: 0),
          documentBytes: try documents.reduce(0) { try $0 + size(self.documents.file(of: $1)) },
          databaseBytes: try size(layout.database), bytes: tables, repack: promise)
      }
    }
  }

  private func size(_ path: String) throws -> Int { try storage.open(path).size() }

  /// Copies the whole store into a new or empty folder, which then is a store itself; returns the bytes copied.
  ///
  /// The database is copied first, as one transaction sees it; packs and documents that it names never change.
  public func backup(to path: String) throws(RepositoryError) -> Int {
    try door {
      let output = try OutputFolder(target: path)
      do {
        let bytes = try copyStore(to: output)
        try output.publish()
        return bytes
      } catch {
        output.discard()
        throw error
      }
    }
  }

  private func copyStore(to output: OutputFolder) throws -> Int {
    let database = try output.place(of: ".stemma/stemma.sqlite")
    try lineage.backup(to: database)
    var files = [(layout.config, ".stemma/config.yml"), (layout.lock, ".stemma/lock")]
    for path in [layout.policy, layout.trust] where exists(path) { files.append((path, relative(path))) }
    for marker in try storage.list(layout.packs) where PacksMarker.isMarker(marker) {
      files.append(("\(layout.packs)/\(marker)", ".stemma/packs/\(marker)"))
    }
    let copy = try LineageDatabase(path: database, readOnly: true)
    for pack in try copy.packs() {
      files.append((layout.pack(pack.digest.hex), relative(layout.pack(pack.digest.hex))))
    }
    // Events of unknown kinds have documents that no row names.
    var needed = try copy.snapshot { try $0.referencedDocuments() }
    let present = Set(try documents.all().digests)
    for event in try copy.events() {
      let path = history.entries.file(of: event.place.name)
      // What is missing here is missing there, and told there too.
      guard exists(path) else { continue }
      files.append((path, relative(path)))
      let entry = try history.entries.get(event.place.name)
      needed.formUnion((entry.refers + [entry.document].compactMap(\.self)).filter(present.contains))
    }
    for digest in needed.sorted() {
      files.append((documents.file(of: digest), relative(documents.file(of: digest))))
    }
    for path in layout.formerDatabases.kept { files.append((path, relative(path))) }
    let missing = try history.namedHeads().filter { !exists(history.entries.file(of: $0)) }
    let heads = try (copy.heads().map(\.place.name) + missing).map { "\($0.sequence) \($0.digest.hex)\n" }.joined()
    try copy.close()
    try output.create(".stemma/heads", size: heads.utf8.count)
    try Array(heads.utf8).withUnsafeBytes { try output.write(".stemma/heads", $0, at: 0) }
    var total = try size(database)
    for (source, target) in files {
      try pool.checkInterruption()
      let file = try storage.open(source)
      let size = try file.size()
      try output.create(target, size: size)
      try spaces.withWorkspace { space in
        var at = 0
        while at < size {
          try pool.checkInterruption()
          let buffer = space.buffer(41, count: min(1 << 20, size - at))
          guard try file.read(into: buffer, at: at) == buffer.count else {
            throw ObjectsError.truncated(path: source, offset: at, wanted: buffer.count, available: 0)
          }
          try output.write(target, UnsafeRawBufferPointer(buffer), at: at)
          at += buffer.count
        }
      }
      total += size
    }
    for folder in ["packs", "documents", "entries", "tmp"] { try output.makeFolder(".stemma/\(folder)") }
    try output.syncAll()
    return total
  }

  private func relative(_ path: String) -> String { ".stemma" + path.dropFirst(layout.root.count) }

  /// Makes the database again from entries, documents and packs alone. Needs the store to itself.
  ///
  /// A document or pack that cannot be read is reported and left where it is.
  ///
  /// - Parameter interruption: is given what stops the work; it throws then, and the database stays as it was.
  public static func rebuild(
    at path: String, waiting: Bool = false, interruption: ((@escaping @Sendable () -> Void) -> Void)? = nil
  ) throws(RepositoryError) -> RebuildReport {
    try door {
      let layout = Layout(root: path)
      if try exists(layout.config) || StoreConfig.recovered(layout, LocalStorage()) == nil {
        _ = try StoreConfig.read(layout)
      }
      if isReadOnly(layout) { throw readOnly(layout) }
      let pool = WorkerPool(width: defaultWorkers(nil))
      interruption? { pool.interrupt() }
      let lock = try exclusiveLock(layout, waiting: waiting, pool: pool)
      return try withExtendedLifetime(lock) {
        try Reserve(layout: layout).spending {
          try Rebuild(layout: layout, storage: LocalStorage(), pool: pool).run()
        }
      }
    }
  }
}
