package import JSON

/// A data set with its counts and how it was made.
public struct DataSetReport: Sendable {
  public let id: String
  public let names: [String]
  /// The name of the file that holds the lines, its size, and its SHA-256.
  public let file: String
  public let bytes: Int
  public let sha256: String
  public let examples: Int
  /// By kind and by split, all that there are, in their order.
  public let kinds: [(name: String, count: Int)]
  public let splits: [(name: String, count: Int)]
  let record: JSONValue?
  /// The models that wrote it, as far as they are in the store.
  public let parents: [LineageReport.Parent]
  /// Frames of its lines.
  public let storedBytes: Int

  /// What the program that made it tells, a line each.
  public var recordLines: [(key: String, value: String)] {
    (record?.members ?? []).map { ($0.key, $0.value.text ?? String(decoding: $0.value.compact, as: UTF8.self)) }
  }

  package var json: JSONValue {
    func object(_ counts: [(name: String, count: Int)]) -> JSONValue {
      .object(counts.map { .init($0.name, .integer($0.count)) })
    }
    return [
      "id": .string(id), "names": .array(names.map(JSONValue.string)), "file": .string(file),
      "bytes": .integer(bytes), "sha256": .string(sha256), "examples": .integer(examples), "kinds": object(kinds),
      "splits": object(splits), "record": record ?? .null, "parents": .array(parents.map(\.json)),
      "stored_bytes": .integer(storedBytes),
    ]
  }
}
