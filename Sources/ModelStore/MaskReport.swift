package import JSON
import Checkpoints

/// A mask with its counts.
public struct MaskReport: Sendable {
  /// One tensor.
  public struct Line: Sendable {
    public let tensor: String
    public let shape: [Int]
    public let elements: Int
    public let ones: Int
    /// n H(ones / n) bits, in bytes: what a coder that knows only the density needs.
    public let entropyBytes: Double
    /// The frame that holds the bits; nil where it is in no pack.
    public let storedBytes: Int?

    var json: JSONValue {
      [
        "tensor": .string(tensor), "shape": .array(shape.map(JSONValue.integer)), "elements": .integer(elements),
        "ones": .integer(ones), "entropy_bytes": .number(entropyBytes),
        "stored_bytes": storedBytes.map(JSONValue.integer) ?? .null,
      ]
    }
  }

  public let id: String
  public let names: [String]
  /// `weight` or `lora_factor`.
  public let space: String
  /// In a few words.
  public let rule: String
  let ruleJSON: JSONValue
  public let elements: Int
  public let ones: Int
  public let density: Double
  public let lines: [Line]
  /// Files that it was learnt on, with their SHA-256.
  public let data: [(name: String, sha256: String)]
  let training: JSONValue?
  /// What it was made of.
  public let parents: [LineageReport.Parent]
  /// Frames of its bits, each once.
  public let storedBytes: Int

  public var entropyBytes: Double { lines.reduce(0) { $0 + $1.entropyBytes } }

  /// What the program that learnt it tells, a line each; nothing for other masks.
  public var trainingLines: [(key: String, value: String)] {
    (training?.members ?? []).map { member in
      let text = member.value.text ?? String(decoding: member.value.compact, as: UTF8.self)
      return (member.key, text.count <= 60 ? text : text.prefix(59) + "…")
    }
  }

  package var json: JSONValue {
    [
      "id": .string(id), "names": .array(names.map(JSONValue.string)), "space": .string(space), "rule": ruleJSON,
      "elements": .integer(elements), "ones": .integer(ones), "density": .number(density),
      "entropy_bytes": .number(entropyBytes), "stored_bytes": .integer(storedBytes),
      "data": .array(data.map { ["name": .string($0.name), "sha256": .string($0.sha256)] }),
      "training": training ?? .null, "parents": .array(parents.map(\.json)), "tensors": .array(lines.map(\.json)),
    ]
  }
}

/// How far the bits of two masks are the same.
public struct MaskOverlap: Sendable {
  /// Counts of one tensor, or of all.
  public struct Line: Sendable {
    /// Nil for all tensors together.
    public let tensor: String?
    public var elements = 0
    public var both = 0
    public var onlyA = 0
    public var onlyB = 0
    /// Bits that would be in both by chance: n · (a / n) · (b / n), tensor by tensor.
    public var expectedBoth = 0.0

    /// Both over either; 1 where neither has any.
    public var jaccard: Double {
      let either = both + onlyA + onlyB
      return either == 0 ? 1 : Double(both) / Double(either)
    }

    /// The same of what chance would make.
    public var expectedJaccard: Double {
      let either = Double(2 * both + onlyA + onlyB) - expectedBoth
      return either == 0 ? 1 : expectedBoth / either
    }

    var json: JSONValue {
      [
        "tensor": .init(tensor), "elements": .integer(elements), "both": .integer(both), "only_a": .integer(onlyA),
        "only_b": .integer(onlyB), "jaccard": .number(jaccard), "expected_both": .number(expectedBoth),
        "expected_jaccard": .number(expectedJaccard),
      ]
    }
  }

  public let a: String
  public let b: String
  public let lines: [Line]
  public let all: Line

  package var json: JSONValue {
    ["a": .string(a), "b": .string(b), "all": all.json, "tensors": .array(lines.map(\.json))]
  }
}
