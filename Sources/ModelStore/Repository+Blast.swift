package import JSON
import Lineage
import Objects

/// What descends from a model, and how much of it is in each.
public struct BlastReport: Sendable {
  /// One step down: a model that was made from the one before.
  public struct Step: Sendable {
    public let id: String
    public let name: String?
    /// What the one before was to it: `base`, `input`, `adapter` …
    public let role: String
    public let share: Double
    /// `made` where Stemma did it, `declared` where somebody said so, `inferred` where weights were compared.
    public let kinship: String
    /// Declared, but the bytes do not rest on it.
    public let claimed: Bool

    package var json: JSONValue {
      [
        "id": .string(id), "name": .init(name), "role": .string(role), "share": .number(share),
        "kinship": .string(kinship), "claimed": .bool(claimed),
      ]
    }
  }

  /// A way down.
  public struct Path: Sendable {
    /// The product of the shares on it.
    public let mass: Double
    public let steps: [Step]

    /// The weakest of its steps: `inferred`, else `declared`, else `made`.
    public var kinship: String {
      ["inferred", "declared"].first { word in steps.contains { $0.kinship == word } } ?? "made"
    }

    package var json: JSONValue {
      ["mass": .number(mass), "kinship": .string(kinship), "steps": .array(steps.map(\.json))]
    }
  }

  /// A model that was reached.
  public struct Descendant: Sendable {
    public let id: String
    public let names: [String]
    public let state: String
    /// The sum over all paths of the products of shares, 0 to 1.
    public let mass: Double
    /// The heaviest paths, the heaviest first.
    public let paths: [Path]
    /// Whether there are more.
    public let hasMorePaths: Bool
    /// Whether any advisory holds for it.
    public let flagged: Bool

    package var json: JSONValue {
      [
        "id": .string(id), "names": .array(names.map(JSONValue.string)), "state": .string(state),
        "mass": .number(mass), "flagged": .bool(flagged), "paths": .array(paths.map(\.json)),
        "more_paths": .bool(hasMorePaths),
      ]
    }
  }

  public let id: String
  public let name: String?
  public let weightsID: String
  /// Other models with the same weights: advisories on one are on all of them.
  public let sameWeights: [String]
  /// The heaviest first.
  public let descendants: [Descendant]

  package var json: JSONValue {
    [
      "id": .string(id), "name": .init(name), "weights_id": .string(weightsID),
      "same_weights": .array(sameWeights.map(JSONValue.string)),
      "descendants": .array(descendants.map(\.json)),
    ]
  }
}

extension Repository {
  /// Lists what descends from a model's weights, with the paths and the mass that reached each, whether or not there
  /// is an advisory. Costs one recursive query and a walk over its rows.
  public func blast(_ reference: String) throws(RepositoryError) -> BlastReport {
    try door {
      let subject = try subject(resolve(reference))
      let models = try lineage.models()
      let byID = Dictionary(models.map { ($0.model.id, $0) }, uniquingKeysWith: { first, _ in first })
      let descent = try lineage.descent(from: subject.weightsID)
      let blast = Blast(from: descent?.start ?? 0, ways: descent?.ways ?? [])
      var numbers: [Digest: Int] = [:]
      for way in blast.ways {
        if let weights = byID[way.model]?.model.weightsID { numbers[weights] = way.below }
      }
      func mass(_ entry: NamedModel) -> Double { numbers[entry.model.weightsID].flatMap { blast.masses[$0] } ?? 0 }
      // Of equal masses the older model goes first.
      let reached = models.filter { numbers[$0.model.weightsID] != nil && $0.model.weightsID != subject.weightsID }
        .sorted { (-mass($0), $0.model.sequence) < (-mass($1), $1.model.sequence) }
      let standings = try standings(of: reached.map(\.model))
      let descendants = reached.map { entry in
        let number = numbers[entry.model.weightsID] ?? 0
        return BlastReport.Descendant(
          id: entry.model.id.hex, names: entry.names, state: entry.model.state.rawValue,
          mass: mass(entry),
          paths: (blast.paths[number] ?? []).map { path in
            BlastReport.Path(mass: path.mass, steps: path.steps.map { Self.step(blast.ways[$0], byID) })
          }, hasMorePaths: blast.crowded.contains(number),
          flagged: standings[entry.model.id].map { !$0.open.isEmpty } ?? false)
      }
      return BlastReport(
        id: subject.model.hex, name: byID[subject.model]?.names.first, weightsID: subject.weightsID.hex,
        sameWeights: models.filter { $0.model.weightsID == subject.weightsID && $0.model.id != subject.model }
          .map(\.model.id.hex),
        descendants: descendants)
    }
  }

  private static func step(_ way: DescentRow, _ models: [Digest: NamedModel]) -> BlastReport.Step {
    let isSaid = way.kind == .import || way.kind == .adapter
    return BlastReport.Step(
      id: way.model.hex, name: models[way.model]?.names.first, role: way.role, share: way.share,
      kinship: isSaid ? (way.inferred ? "inferred" : "declared") : "made", claimed: way.claimed)
  }
}
