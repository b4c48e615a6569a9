extension Repository {
  /// Codes stored objects anew where that saves bytes: with today's codecs, and as deltas on the tensors of models that
  /// are near in lineage. What a frame decodes to is compared with its digest before another takes its place.
  ///
  /// The frames that were there stay until `collect` takes them, so that whoever reads them goes on. Each pack is
  /// published when it is durable: a run that was cut off, and is started again, goes on where it was.
  /// - Parameters:
  ///   - dryRun: only says, from samples, what would be won.
  ///   - progress: told bytes done and bytes in all.
  public func repack(
    dryRun: Bool = false, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> RepackReport {
    try repack(dryRun: dryRun, batchBytes: Repack.batchBytes, progress: progress)
  }

  /// The same with batches of another size, for tests.
  func repack(
    dryRun: Bool, batchBytes: Int, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> RepackReport {
    try door {
      if !dryRun { try requireWritable() }
      let repack = try Repack(self, isDry: dryRun, batchBytes: batchBytes, progress: progress)
      try repack.run()
      return repack.report
    }
  }
}
