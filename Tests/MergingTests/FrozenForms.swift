import Tensors

@testable import Merging

/// What holds of any method: dtypes in and out, sizes, masks, subspaces, adapters, slices, vocabularies.
extension FrozenCase {
  static let all = methods + dtypes + sizes + nonfinite + realigned + adapted + sliced + rows

  /// One call of each method. Whoever adds a method is asked for one by the compiler.
  static func usual(_ method: MergeMethod, _ name: String, _ stage: Stage, more: String = "") -> FrozenCase? {
    func make(
      base: String? = "base", _ models: [String], _ parameters: String = "", stemma: String = ""
    ) -> FrozenCase {
      FrozenCase(name, method.rawValue, base: base, models, parameters, stemma: stemma, more: more, stage: stage)
    }
    let pruned = ["weight: 0.5, density: 0.4", "weight: 0.3, density: 0.6"]
    switch method {
    case .copy: return nil
    case .somf: return make(["", ""], stemma: "mask: mask")
    case .safeLora: return make([""], "threshold: 1", stemma: "subspace: space")
    case .safeMerge: return make(["", ""], "threshold: 1", stemma: "subspace: space")
    case .linear: return make(base: nil, ["weight: 0.5", "weight: 0.3", "weight: 0.4"])
    case .taskArithmetic, .ties, .dareLinear, .dareTies, .della, .dellaLinear, .breadcrumbs, .breadcrumbsTies:
      return make(pruned)
    case .slerp: return make(["far|"], "t: 0.3")
    case .nuslerp: return make(["weight: 0.5", "weight: 0.3"], "nuslerp_flatten: false")
    case .multislerp: return make(["weight: 0.5", "weight: 0.3", "weight: 0.4"])
    case .karcher: return make(base: nil, ["", "", "far|"])
    case .nearswap: return make([""], "t: 0.02")
    case .modelStock: return make(["", ""])
    case .sce: return make(["", ""], "select_topk: 0.4")
    case .ram, .ramPlus: return make(["", ""])
    case .arceeFusion: return make([""])
    case .passthrough: return make(base: nil, ["scale: 0.7"])
    case .resta: return make(["", ""], "density: 0.5")
    case .prePost: return make([""], "lambda: 0.3")
    case .mergeAlign: return make(["", ""], "alpha: 0.7")
    }
  }

  private static let floats = [DType.f16, .f32, .f64]

  private static let dtypes =
    MergeMethod.allCases.compactMap {
      usual($0, "\($0.rawValue) of F16, F32 and F64", .models(.small, floats.map { .pure($0) }))
    }
    + ["float16", "bfloat16", "float32", "float64"].flatMap { dtype in
      ["dtype", "out_dtype"].compactMap { key in
        usual(
          key == "dtype" ? .linear : .slerp, "\(key) \(dtype)",
          .models(.small, mixes + floats.map { .pure($0) }), more: "\(key): \(dtype)")
      }
    }

  private static let sizes =
    MergeMethod.allCases.filter { ![.somf, .safeLora, .safeMerge].contains($0) }.compactMap {
      usual($0, "large \($0.rawValue)", .models(.large, [.brain]))
    }
    + [MergeMethod.ties, .breadcrumbs, .sce, .arceeFusion, .slerp, .linear].flatMap { method in
      floats.compactMap {
        usual(method, "large \(method.rawValue) of \($0.rawValue)", .models(.large, [.pure($0)]))
      }
    }
    + [
      FrozenCase(
        "large nuslerp, columns", "nuslerp", ["weight: 0.5", "weight: 0.3"],
        "nuslerp_flatten: false, nuslerp_row_wise: true", stage: .models(.large, [.brain])),
      FrozenCase(
        "large model_stock, filter-wise", "model_stock", ["", ""], "filter_wise: true",
        stage: .models(.large, [.brain])),
    ]
    + [MergeMethod.linear, .ties, .della, .slerp, .passthrough, .arceeFusion].compactMap {
      usual($0, "tiny \($0.rawValue)", .models(.tiny, mixes))
    }

  /// Where the recipe allows it, NaN and infinity go through: every NaN as the canonical one of the output's dtype.
  private static let nonfinite =
    ["float16", "bfloat16", "float32", "float64"].flatMap { dtype in
      [
        FrozenCase(
          "nonfinite linear to \(dtype)", "linear", base: nil, ["weight: 0.5", "weight: -0.3", "weight: 0.4"],
          stemma: "allow_nonfinite: true", more: "dtype: \(dtype)", stage: .models(.wild, wildMixes)),
        FrozenCase(
          "nonfinite task_arithmetic to \(dtype)", "task_arithmetic", ["weight: 0.5", "weight: -0.3"], "lambda: 1.5",
          stemma: "allow_nonfinite: true", more: "dtype: \(dtype)", stage: .models(.wild, wildMixes)),
      ]
    }
    + [
      ("passthrough", nil, ["scale: -0.7"], ""), ("nearswap", "base", [""], "t: 0.02"),
      ("pre_post", "base", [""], "lambda: 0.3"), ("merge_align", "base", ["", ""], "alpha: 0.7"),
      ("resta", "base", ["", ""], "density: 0.5"), ("ram", "base", ["", ""], ""),
      ("dare_ties", "base", ["weight: 0.5, density: 0.4", "weight: 0.3, density: 0.6"], "rescale: false"),
    ].map { (method: String, base: String?, models: [String], parameters: String) in
      FrozenCase(
        "nonfinite \(method)", method, base: base, models, parameters, stemma: "allow_nonfinite: true",
        stage: .models(.wild, wildMixes))
    }

  private static let wildMixes = mixes + floats.map { FrozenModels.Mix.pure($0) }

  private static let realigned =
    [
      ("mask", "mask: mask"), ("mask, rescale none", "mask: {name: mask, rescale: none}"),
      ("onto", "project: {onto: space}"), ("out", "project: {out: space}"),
      ("mask and out", "mask: {name: mask, rescale: none}, project: {out: space}"),
      ("mask and onto", "mask: mask, project: {onto: space}"),
    ].flatMap { label, stemma in
      [
        FrozenCase("realigned ties, \(label)", "ties", ["weight: 0.5", "weight: 0.3"], "density: 0.6", stemma: stemma),
        FrozenCase(
          "realigned linear, \(label)", "linear", ["weight: 0.5", "weight: 0.3", "base|weight: 0.2"], stemma: stemma),
      ]
    } + [
      FrozenCase(
        "realigned, one of two",
        "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a, parameters: {weight: 0.5}, stemma: "
          + "{mask: false}}, {model: b, parameters: {weight: 0.4}, stemma: {mask: {name: mask, rescale: none}}}]\n"
          + "stemma: {mask: mask}\n")
    ]

  private static let adapted =
    FrozenAdapter.all.map {
      FrozenCase("adapter \($0.name)", "passthrough", base: nil, ["base+\($0.name)|"], more: "out_dtype: float32")
    } + [
      FrozenCase("adapters, linear", "linear", base: nil, ["base+lora|weight: 0.5", "base+rank|weight: 0.4"]),
      FrozenCase(
        "adapters, ties", "ties",
        ["base+lora|weight: 0.5", "base+dora|weight: 0.4", "base+columns|weight: 0.3"], "density: 0.5"),
      FrozenCase("adapters, dare_linear", "dare_linear", ["base+turned|weight: 0.5, density: 0.5", "weight: 0.4"]),
      FrozenCase(
        "adapters, behind a mask", "ties", ["base+dora|weight: 0.5"], stemma: "mask: mask, project: {out: space}"),
    ]
    + [("mean", "mask: factors"), ("none", "mask: {name: factors, rescale: none}")].flatMap { rescale, stemma in
      [
        FrozenCase("factors, somf, rescale \(rescale)", "somf", ["base+lora|weight: 0.8"], stemma: stemma),
        FrozenCase(
          "factors, from an adapter, rescale \(rescale)", "task_arithmetic", base: "base+safe",
          ["base+lora|weight: 0.8"],
          stemma: stemma),
      ]
    }

  private static let sliced = [
    FrozenCase(
      "slices, stacked",
      """
      merge_method: passthrough
      slices:
        - sources: [{model: base, layer_range: [0, 2]}]
        - sources: [{model: a, layer_range: [1, 3], parameters: {scale: [{filter: mlp, value: [0.5, 1.5]}]}}]
        - sources: [{model: b, layer_range: [0, 1]}]
      """),
    FrozenCase(
      "slices, gradients and random numbers",
      """
      merge_method: dare_ties
      base_model: base
      parameters: {density: 0.5, normalize: [true, false]}
      slices:
        - sources:
            - {model: base, layer_range: [0, 3]}
            - {model: a, layer_range: [0, 3], parameters: {weight: [0, 1]}}
            - {model: b, layer_range: [0, 3], parameters: {weight: [1, 0.3, 0]}}
        - sources:
            - {model: base, layer_range: [1, 2]}
            - {model: c, layer_range: [0, 1], parameters: {weight: 0.4}}
            - {model: a, layer_range: [2, 3], parameters: {weight: 0.7, density: [0.1, 0.9]}}
          parameters: {lambda: 0.8}
      """),
    FrozenCase(
      "slices, a base of their own",
      """
      merge_method: slerp
      slices:
        - base_model: a
          sources: [{model: base, layer_range: [0, 2]}, {model: a, layer_range: [1, 3]}]
          parameters: {t: [0, 0.5, 1]}
        - base_model: b
          sources: [{model: b, layer_range: [0, 1]}, {model: far, layer_range: [2, 3]}]
          parameters: {t: [{filter: mlp, value: 0.7}, {value: 0.2}]}
      """),
  ]

  private static let rows = ExactCase.all.enumerated().map {
    FrozenCase("rows \($0), \($1.testDescription.prefix { $0 != "," })", $1.yaml, .vocabularies)
  }
}
