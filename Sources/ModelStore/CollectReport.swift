package import JSON

/// What `gc` removed, or would remove.
public struct CollectReport: Sendable {
  public let dryRun: Bool
  /// Models that are forgotten.
  public let models: Int
  /// Models whose bytes go; their lineage stays, because models that are kept descend from them.
  public let modelsAbsent: Int
  public let objects: Int
  /// Packs of which nothing was needed.
  public let packs: Int
  /// Packs that were written anew because most of them was garbage.
  public let packsRewritten: Int
  public let documents: Int
  /// Won on the disk, the database aside.
  public let bytes: Int
  /// What has no name any more, and goes when its time is over; the first one comes first.
  public let waiting: [WaitingModel]
  /// Packs and documents that nothing names and that are too young to go.
  public let filesWaiting: Int
  public let fileBytesWaiting: Int
  /// Why nothing at all goes, where that is for the clock.
  public let refusal: String?

  package var json: JSONValue {
    [
      "waiting": .array(waiting.map(\.json)), "files_waiting": .integer(filesWaiting),
      "file_bytes_waiting": .integer(fileBytesWaiting), "refusal": .init(refusal),
      "dry_run": .bool(dryRun), "models": .integer(models), "models_absent": .integer(modelsAbsent),
      "objects": .integer(objects), "packs": .integer(packs), "packs_rewritten": .integer(packsRewritten),
      "documents": .integer(documents), "bytes": .integer(bytes),
    ]
  }
}

/// A model without a name that `collect` leaves for a while.
public struct WaitingModel: Sendable {
  public let id: String
  /// The last name that it had; nil for none.
  public let lastName: String?
  /// Of its files.
  public let bytes: Int
  /// When it was made, or lost its last name, as `2026-11-21T12:39:07Z`.
  public let since: String
  /// From when on it goes.
  public let until: String

  package var json: JSONValue {
    [
      "id": .string(id), "last_name": .init(lastName), "bytes": .integer(bytes), "since": .string(since),
      "until": .string(until),
    ]
  }
}
