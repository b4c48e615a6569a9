package import JSON

/// What `evict` dropped or `materialise` stored.
public struct ResidenceReport: Sendable {
  public let id: String
  /// The model's first name, or the short form of its id.
  public let label: String
  /// `stored` or `virtual`, as it is now.
  public let state: String
  /// Tensors that went or came.
  public let tensors: Int
  /// Of their frames.
  public let bytes: Int

  package var json: JSONValue {
    [
      "id": .string(id), "state": .string(state), "tensors": .integer(tensors), "bytes": .integer(bytes),
    ]
  }
}
