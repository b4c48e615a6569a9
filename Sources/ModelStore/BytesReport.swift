package import JSON

/// Where the bytes of packs are.
public struct BytesReport: Sendable {
  /// The blocks of one codec.
  public struct Codec: Sendable {
    /// `raw`, `planes` …; the number of one that this program does not know.
    public let name: String
    public let blocks: Int
    public let rawBytes: Int
    public let codedBytes: Int

    package var json: JSONValue {
      [
        "codec": .string(name), "blocks": .integer(blocks), "raw_bytes": .integer(rawBytes),
        "coded_bytes": .integer(codedBytes),
      ]
    }
  }

  /// The objects of one kind.
  public struct Kind: Sendable {
    /// `embedding`, `attention`, `mlp`, `norm`, `head`, `adapter`, `mask`, `other`, or `file`.
    public let name: String
    public let objects: Int
    public let rawBytes: Int
    /// Of whole frames.
    public let packedBytes: Int

    package var json: JSONValue {
      [
        "kind": .string(name), "objects": .integer(objects), "raw_bytes": .integer(rawBytes),
        "packed_bytes": .integer(packedBytes),
      ]
    }
  }

  /// Every codec that this program knows, and others that occur.
  public let codecs: [Codec]
  /// Every kind.
  public let kinds: [Kind]
}
