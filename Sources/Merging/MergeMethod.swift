/// A way to make a tensor: a merge method that recipes can name, or `copy` for what is no number to merge.
package enum MergeMethod: String, CaseIterable, Sendable {
  case linear
  case taskArithmetic = "task_arithmetic"
  case copy

  /// Those that recipes can name.
  static var inRecipes: [MergeMethod] { allCases.filter { $0 != .copy } }

  /// mergekit's methods that are not here yet.
  static let planned = [
    "ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties", "della", "della_linear", "slerp", "nuslerp",
    "multislerp", "karcher", "model_stock", "sce", "ram", "ramplus_tl", "arcee_fusion", "nearswap", "passthrough",
  ]

  /// True where a base_model must be given; it then needs no weight.
  var needsBase: Bool { self == .taskArithmetic }

  /// What a parameter must be, and where it may stand.
  struct ParameterRule: Sendable {
    enum Kind: Sendable { case number, flag }
    let name: String
    let kind: Kind
    /// True where each model may have its own value; the global one is then the fallback.
    let perModel: Bool
  }

  /// The parameters of this method. `int8_mask` and `rescale` are mergekit's and change nothing without pruning.
  var parameters: [ParameterRule] {
    let weight = ParameterRule(name: "weight", kind: .number, perModel: true)
    let normalize = ParameterRule(name: "normalize", kind: .flag, perModel: false)
    switch self {
    case .linear: return [weight, normalize]
    case .taskArithmetic:
      return [
        weight, normalize, ParameterRule(name: "lambda", kind: .number, perModel: false),
        ParameterRule(name: "int8_mask", kind: .flag, perModel: false),
        ParameterRule(name: "rescale", kind: .flag, perModel: false),
      ]
    case .copy: return []
    }
  }

  /// Parameters of the pruning methods: named as useless here rather than as unknown.
  static let pruning = ["density", "gamma", "epsilon"]
}
