package import JSON

/// What a search for the numbers of a recipe is asked for.
public struct TuneRequest: Sendable {
  /// How numbers are found.
  public enum Method: String, Sendable, CaseIterable {
    /// Those that the recipe marks, by CMA-ES.
    case cmaes
    /// The weights of a linear mixture, by each model's own loss.
    case cocktail
  }

  /// A file of examples, or a data set of the store by its name, and what its loss counts for.
  public struct Data: Sendable {
    public let path: String
    public let weight: Double

    /// - Parameter weight: 0 is recorded and does not count.
    public init(path: String, weight: Double = 1) {
      self.path = path
      self.weight = weight
    }
  }

  /// The recipe's text, and the folder that relative paths start from.
  public var recipe: String
  public var directory: String
  public var data: [Data]
  /// A shell command that speaks the evaluators' protocol.
  public var evaluator: String
  public var method = Method.cmaes
  /// How many candidates CMA-ES may have scored, the start included.
  public var budget = 100
  public var seed: UInt32 = 0
  /// Of the cocktail's softmax.
  public var temperature = 1.0
  /// The folder that holds what is needed to go on after an end of any kind.
  public var work: String
  /// What to call the fused model; nil makes none.
  public var name: String?
  /// A new file for the recipe.
  public var out: String?
  public var options = MergeOptions()
  public var madeBy: String?
  /// Whether inputs may be flagged, and what holds for the name.
  public var permission = Permission()

  public init(recipe: String, directory: String, data: [Data], evaluator: String, work: String) {
    self.recipe = recipe
    self.directory = directory
    self.data = data
    self.evaluator = evaluator
    self.work = work
  }
}

/// What a search found.
public struct TuneReport: Sendable {
  /// A number that was searched.
  public struct Parameter: Sendable {
    /// `weight of math`, `weight of math, block 2 of 4`.
    public let label: String
    public let value: Double
  }

  public let method: String
  public let seed: UInt32
  /// How many were scored, in earlier runs too.
  public let candidates: Int
  /// The winner's place among them, from 0.
  public let winner: Int
  public let parameters: [Parameter]
  /// The weighted sum of losses, of the winner; nil where it was not scored (a cocktail).
  public let cost: Double?
  /// Of the start; nil where there is none or it is not a finite number.
  public let startCost: Double?
  /// By data set: the winner's.
  public let losses: [(data: String, loss: Double)]
  /// The winner, a recipe without marks.
  public let recipe: String
  /// The work folder; the recipe lies there as `winner.yml`.
  public let work: String
  public let out: String?
  /// The fused model, where a name was asked for.
  public let model: MergeReport?

  package var json: JSONValue {
    [
      "method": .string(method), "seed": .integer(Int(seed)), "candidates": .integer(candidates),
      "winner": .integer(winner),
      "parameters": .array(parameters.map { ["label": .string($0.label), "value": .number($0.value)] }),
      "cost": cost.map(JSONValue.number) ?? .null, "start_cost": startCost.map(JSONValue.number) ?? .null,
      "losses": .object(losses.map { .init($0.data, .number($0.loss)) }), "recipe": .string(recipe),
      "work": .string(work), "out": .init(out), "model": model?.json ?? .null,
    ]
  }
}
