/// A way to make a tensor: a merge method that recipes can name, or `copy` for what is no number to merge.
package enum MergeMethod: String, CaseIterable, Sendable {
  case linear
  case taskArithmetic = "task_arithmetic"
  case ties
  case dareLinear = "dare_linear"
  case dareTies = "dare_ties"
  case della
  case dellaLinear = "della_linear"
  case breadcrumbs
  case breadcrumbsTies = "breadcrumbs_ties"
  case slerp
  case nuslerp
  case multislerp
  case karcher
  case nearswap
  case modelStock = "model_stock"
  case sce
  case ram
  case ramPlus = "ramplus_tl"
  case arceeFusion = "arcee_fusion"
  case passthrough
  case somf
  case resta
  case safeLora = "safe_lora"
  case safeMerge = "safemerge"
  case prePost = "pre_post"
  case mergeAlign = "merge_align"
  case copy

  /// Those that recipes can name.
  static var inRecipes: [MergeMethod] { allCases.filter { $0 != .copy } }

  /// What a method makes of `base_model`.
  enum BaseUse {
    /// An input like the others.
    case ordinary
    /// Apart from the others where it is given.
    case optional
    /// Must be given.
    case required
  }

  /// Parameters, `base_model` and number of inputs are mergekit's, defaults included.
  var baseUse: BaseUse {
    switch self {
    case .linear, .karcher, .passthrough, .copy: .ordinary
    case .nuslerp, .multislerp: .optional
    default: .required
    }
  }

  /// True where a base_model must be given; it then needs no parameters of its own.
  var needsBase: Bool { baseUse == .required }

  /// True where task vectors are pruned by random numbers.
  var prunesAtRandom: Bool { [.dareLinear, .dareTies, .della, .dellaLinear, .somf, .resta].contains(self) }

  /// True for the methods about safety, which mergekit does not have.
  package var isOwn: Bool { [.somf, .resta, .safeLora, .safeMerge, .prePost, .mergeAlign].contains(self) }

  /// True where only task vectors of the elected sign are mixed.
  var electsSigns: Bool { [.ties, .dareTies, .della, .breadcrumbsTies].contains(self) }

  /// How many inputs besides a base that stands apart.
  var inputCount: ClosedRange<Int> {
    switch self {
    case .passthrough, .slerp, .nearswap, .arceeFusion, .safeLora, .prePost: 1...1
    case .nuslerp, .resta, .safeMerge, .mergeAlign: 2...2
    case .modelStock: 2...Int.max
    case .linear, .karcher, .copy, .multislerp, .somf: 1...Int.max
    default: 0...Int.max
    }
  }

  /// What a parameter must be, and where it may stand.
  struct ParameterRule: Sendable {
    enum Kind: Sendable { case number, flag }
    /// What holds where a recipe says nothing.
    enum Fallback: Sendable, Equatable {
      case required
      case value(Double)
      /// Nothing: the method goes without.
      case absent
    }
    let name: String
    let kind: Kind
    /// True where each model may have its own value; the global one is then the fallback.
    let perModel: Bool
    let fallback: Fallback

    static func perModel(_ name: String, _ fallback: Fallback = .required) -> ParameterRule {
      ParameterRule(name: name, kind: .number, perModel: true, fallback: fallback)
    }

    static func number(_ name: String, _ fallback: Fallback = .required) -> ParameterRule {
      ParameterRule(name: name, kind: .number, perModel: false, fallback: fallback)
    }

    static func flag(_ name: String, _ value: Bool) -> ParameterRule {
      ParameterRule(name: name, kind: .flag, perModel: false, fallback: .value(value ? 1 : 0))
    }
  }

  /// The parameters of this method. `int8_mask` changes nothing: in mergekit it is the type in which masks are kept.
  var parameters: [ParameterRule] {
    switch self {
    case .linear: [.perModel("weight"), .flag("normalize", true)]
    case .taskArithmetic: taskParameters(normalize: false, rescale: false)
    case .ties: taskParameters(normalize: true, rescale: false)
    case .dareLinear, .dareTies: taskParameters(normalize: false, rescale: true)
    case .dellaLinear: taskParameters(normalize: false, rescale: true) + [.perModel("epsilon", .value(0.15))]
    case .della: taskParameters(normalize: true, rescale: true) + [.perModel("epsilon", .value(0.15))]
    case .breadcrumbs, .breadcrumbsTies:
      taskParameters(normalize: false, rescale: false) + [.perModel("gamma", .value(0.01))]
    case .slerp, .nearswap: [.number("t")]
    case .nuslerp: [.perModel("weight"), .flag("nuslerp_flatten", true), .flag("nuslerp_row_wise", false)]
    case .multislerp: [.perModel("weight"), .flag("normalize_weights", true), .number("eps", .value(1e-8))]
    case .karcher: [.number("max_iter", .value(10)), .number("tol", .value(1e-5))]
    case .modelStock: [.flag("filter_wise", false)]
    case .sce: [.number("select_topk", .value(1)), .flag("int8_mask", false)]
    case .ram: [.number("epsilon", .value(1e-5))]
    case .ramPlus: [.number("epsilon", .value(1e-5)), .number("r", .value(0.1)), .number("alpha", .value(0.2))]
    case .passthrough: [.perModel("scale", .absent)]
    case .somf: [.perModel("weight", .absent), .perModel("density", .absent), .number("lambda", .absent)]
    case .resta: [.number("gamma", .value(0.5)), .number("density", .value(1))]
    case .safeLora: [.number("threshold", .absent), .number("count", .absent)]
    case .safeMerge: [.number("threshold", .value(0.35)), .number("weight", .value(0.2))]
    case .prePost: [.number("lambda", .value(0.5))]
    case .mergeAlign: [.number("alpha", .value(0.5))]
    case .arceeFusion, .copy: []
    }
  }

  private func taskParameters(normalize: Bool, rescale: Bool) -> [ParameterRule] {
    [
      .perModel("weight"), .perModel("density", .value(1)), .flag("normalize", normalize), .flag("rescale", rescale),
      .number("lambda", .value(1)), .flag("int8_mask", false),
    ]
  }
}
