package import JSON
import LinearAlgebra

/// What an extraction made, and what it leaves out.
public struct ExtractReport: Sendable {
  /// A weight that has factors.
  public struct Line: Sendable {
    public let tensor: String
    public let shape: [Int]
    public let rank: Int
    /// ‖Δ‖² and ‖Δ − BA‖², Frobenius.
    let squares: Double
    let residualSquares: Double

    /// ‖Δ − BA‖ / ‖Δ‖; 0 where Δ is.
    public var residual: Double { squares == 0 ? 0 : (residualSquares / squares).squareRoot() }
    /// The share of ‖Δ‖² that the factors hold.
    public var energy: Double { squares == 0 ? 1 : max(0, 1 - residualSquares / squares) }

    /// That of several weights together.
    static func residual(of lines: [Line]) -> Double {
      let squares = lines.reduce(0) { $0 + $1.squares }
      return squares == 0 ? 0 : (lines.reduce(0) { $0 + $1.residualSquares } / squares).squareRoot()
    }

    var json: JSONValue {
      [
        "tensor": .string(tensor), "shape": .array(shape.map(JSONValue.integer)), "rank": .integer(rank),
        "residual": .number(residual), "energy": .number(energy),
      ]
    }
  }

  /// The folder that was written; nil for none.
  public let path: String?
  public let lines: [Line]
  /// Tensors that are saved whole.
  public let whole: [String]
  /// Tensors that are the base's.
  public let equal: Int
  /// Of all files.
  public internal(set) var bytes: Int
  /// The adapter's id and name in the store, where it was imported.
  public internal(set) var model: String?
  public internal(set) var name: String?

  /// ‖Δ − BA‖ / ‖Δ‖ of all weights that have factors, as one vector.
  public var residual: Double { Line.residual(of: lines) }

  package var json: JSONValue {
    [
      "path": .init(path), "id": .init(model), "name": .init(name), "bytes": .integer(bytes),
      "residual": .number(residual), "energy": .number(max(0, 1 - residual * residual)),
      "tensors": .array(lines.map(\.json)), "saved_whole": .array(whole.map(JSONValue.string)),
      "equal": .integer(equal),
    ]
  }

  /// What the derivation keeps.
  func record(rank: Int, search: LowRankFit.Search) -> JSONValue {
    [
      "rank": .integer(rank), "seed": .integer(Int(search.seed)),
      "power_iterations": .integer(search.powerIterations), "directions": .integer(search.directions(rank: rank)),
      "residual": .number(residual),
      "tensors": .array(
        lines.map { .array([.string($0.tensor), .integer($0.rank), .number($0.residual)]) }),
    ]
  }
}
