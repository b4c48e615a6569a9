import JSON
import Merging

/// What a merge is asked for beside its recipe.
public struct MergeOptions: Sendable {
  /// The arithmetic: `exact-1`, or `mergekit-0.1.5` to get that program's bytes.
  public var arithmetic: String
  /// The seed of mergekit's generator (its `--random-seed`); nil for 0, and without meaning in exact arithmetic.
  public var seed: UInt32?
  /// Whether the result gets a model card in place of the donor's README.md.
  public var writesCard: Bool
  /// How the numbers of the recipe were found, for the derivation; nil where a person wrote them.
  var search: JSONValue?
  /// Data sets of the store that they were found on.
  var data: [Derivation.Parent] = []

  /// - Parameter arithmetic: nil for the exact one.
  public init(arithmetic: String? = nil, seed: UInt32? = nil, writesCard: Bool = true) {
    self.arithmetic = arithmetic ?? Plan.exact1
    self.seed = seed
    self.writesCard = writesCard
  }
}

extension Planner {
  static func plan(
    recipe: Recipe, _ models: [MergeSource], _ auxiliaries: AuxiliaryInputs, _ options: MergeOptions,
    vocabulary: OutputVocabulary?
  ) throws -> Plan {
    try plan(
      recipe: recipe, inputs: models.map { try $0.describedInput }, masks: auxiliaries.masks,
      subspaces: auxiliaries.subspaces, arithmetic: options.arithmetic, seed: options.seed,
      vocabulary: vocabulary)
  }
}
