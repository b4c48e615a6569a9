package import JSON

/// A subspace with what was measured of it.
public struct SubspaceReport: Sendable {
  /// One matrix.
  public struct Line: Sendable {
    public let tensor: String
    public let shape: [Int]
    public let rank: Int
    /// The share of the squares of the change that the basis holds.
    public let energy: Double
    /// The largest |UᵀU − I|, measured on the stored bases in f64.
    public let orthonormality: Double

    var json: JSONValue {
      [
        "tensor": .string(tensor), "shape": .array(shape.map(JSONValue.integer)), "rank": .integer(rank),
        "energy": .number(energy), "orthonormality_error": .number(orthonormality),
      ]
    }
  }

  public let id: String
  public let names: [String]
  /// The rule and ranks in a few words.
  public let rule: String
  public let parents: [LineageReport.Parent]
  public let lines: [Line]
  /// Frames of its bases.
  public let storedBytes: Int

  package var json: JSONValue {
    [
      "id": .string(id), "names": .array(names.map(JSONValue.string)), "side": "left", "rule": .string(rule),
      "parents": .array(parents.map(\.json)), "stored_bytes": .integer(storedBytes),
      "tensors": .array(lines.map(\.json)),
    ]
  }
}

/// How far two subspaces are the same.
public struct SubspaceOverlap: Sendable {
  /// One matrix.
  public struct Line: Sendable {
    public let tensor: String
    public let rankA: Int
    public let rankB: Int
    /// ‖AᵀB‖² / min(k): 1 where one lies in the other, 0 where they are orthogonal (MSO, arXiv 2505.14185).
    public let overlap: Double
    /// What random subspaces of these ranks have on average: max(k) / d.
    public let chance: Double

    var json: JSONValue {
      [
        "tensor": .string(tensor), "rank_a": .integer(rankA), "rank_b": .integer(rankB), "mso": .number(overlap),
        "chance": .number(chance),
      ]
    }
  }

  public let a: String
  public let b: String
  public let lines: [Line]

  /// Means over the matrices.
  public var overlap: Double { lines.reduce(0) { $0 + $1.overlap } / Double(max(1, lines.count)) }
  public var chance: Double { lines.reduce(0) { $0 + $1.chance } / Double(max(1, lines.count)) }

  package var json: JSONValue {
    [
      "a": .string(a), "b": .string(b), "mean_mso": .number(overlap), "mean_chance": .number(chance),
      "tensors": .array(lines.map(\.json)),
    ]
  }
}
