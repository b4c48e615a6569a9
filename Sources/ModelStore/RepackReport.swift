package import JSON

/// What `repack` did, or would do.
public struct RepackReport: Sendable {
  public let isDry: Bool
  /// Objects on record, all of which were looked at.
  public let objects: Int
  /// Objects that have a new frame.
  public internal(set) var recoded = 0
  /// Of these the ones that are deltas on another base than before, or have one for the first time, or none any more.
  public internal(set) var rebased = 0
  /// Bytes of the frames of all objects, before and after; after a dry run by samples.
  public let bytesBefore: Int
  public internal(set) var bytesAfter: Int

  init(isDry: Bool, objects: Int, bytesBefore: Int, bytesAfter: Int) {
    self.isDry = isDry
    self.objects = objects
    self.bytesBefore = bytesBefore
    self.bytesAfter = bytesAfter
  }

  /// Takes note of a new frame that saves so many bytes.
  mutating func count(_ saved: Int, isMoved: Bool) {
    recoded += 1
    rebased += isMoved ? 1 : 0
    bytesAfter -= saved
  }

  package var json: JSONValue {
    [
      "dry_run": .bool(isDry), "objects": .integer(objects), "recoded": .integer(recoded),
      "rebased": .integer(rebased), "bytes_before": .integer(bytesBefore), "bytes_after": .integer(bytesAfter),
    ]
  }
}
