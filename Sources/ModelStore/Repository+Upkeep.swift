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
