@testable import Merging

/// Every method, and each of its parameters at values that take each way there is.
extension FrozenCase {
  static let methods = tasks + random + plain + spheres + selections + own

  private static let taskMethods: [(method: String, normalizes: Bool, rescales: Bool, more: [String])] = [
    ("task_arithmetic", false, false, ["", "", ""]), ("ties", true, false, ["", "", ""]),
    ("dare_linear", false, true, ["", "", ""]), ("dare_ties", false, true, ["", "", ""]),
    ("della_linear", false, true, ["epsilon: 0.1", "epsilon: 0.15", "epsilon: 0.2"]),
    ("della", true, true, ["epsilon: 0.1", "epsilon: 0.15", "epsilon: 0.2"]),
    ("breadcrumbs", false, false, ["gamma: 0.05", "gamma: 0.01", "gamma: 0"]),
    ("breadcrumbs_ties", false, false, ["gamma: 0.05", "gamma: 0.01", "gamma: 0"]),
  ]

  private static let tasks = taskMethods.flatMap { method, normalizes, rescales, more -> [FrozenCase] in
    func models(_ values: [(Double, Double)]) -> [String] {
      zip(values, more).map { values, more in
        "weight: \(values.0), density: \(values.1)" + (more.isEmpty ? "" : ", ") + more
      }
    }
    let usual = models([(0.5, 0.5), (0.3, 0.4), (-0.2, 0.7)])
    return [
      FrozenCase(method, method, usual),
      FrozenCase("\(method), normalize \(!normalizes)", method, usual, "normalize: \(!normalizes)"),
      FrozenCase("\(method), rescale \(!rescales)", method, usual, "rescale: \(!rescales)"),
      FrozenCase("\(method), lambda 0.7", method, usual, "lambda: 0.7"),
      FrozenCase("\(method), int8_mask", method, usual, "int8_mask: true"),
      FrozenCase("\(method), all and none", method, models([(1, 1), (0.5, 0), (0.25, 0.6)])),
      FrozenCase("\(method), weights that cancel", method, models([(0.5, 0.3), (-0.5, 0.7)]), "normalize: true"),
      FrozenCase("\(method), defaults", method, ["weight: 1", "weight: 1"]),
    ]
  }

  private static let random =
    ["dare_linear", "dare_ties", "della_linear", "della"].flatMap { method -> [FrozenCase] in
      let models = ["weight: 0.5, density: 0.5", "weight: 0.3, density: 0.37"]
      return [
        FrozenCase("\(method), seed 0", method, models),
        FrozenCase("\(method), seed 7", method, models, stemma: "seed: 7"),
        FrozenCase("\(method), seed 4294967295", method, models, stemma: "seed: 4294967295"),
        FrozenCase("\(method), rescale as in its paper", method, models, stemma: "rescale: paper"),
        FrozenCase("\(method), rescale l1, signs normalized", method, models, "normalize: true", stemma: "rescale: l1"),
      ]
    } + [
      FrozenCase("ties, one kept", "ties", ["weight: 0.5, density: 0.00001", "weight: 1, density: 0.001"]),
      FrozenCase("ties, rescaled, normalized not", "ties", ["weight: 1, density: 0.2"], "normalize: 0, rescale: 1"),
    ]

  private static let plain =
    [
      FrozenCase("linear", "linear", base: nil, ["weight: 0.5", "weight: 0.3", "weight: 0.4"]),
      FrozenCase(
        "linear, sum", "linear", base: nil, ["weight: 0.5", "weight: 0.3", "weight: -0.4"], "normalize: false"),
      FrozenCase("linear, one model", "linear", base: nil, ["weight: 0.7"]),
      FrozenCase(
        "linear, gradients and filters", "linear", base: nil,
        [
          "weight: [0.1, 0.9, 0.4]",
          "weight: [{filter: mlp, value: 0.3}, {filter: norm, value: [0, 1]}, {value: 0.6}]",
        ]),
      FrozenCase("passthrough", "passthrough", base: nil, [""], more: "out_dtype: float32"),
      FrozenCase("passthrough, bytes", "passthrough", base: nil, [""]),
      FrozenCase("passthrough, scale 0.7", "passthrough", base: nil, ["scale: 0.7"]),
      FrozenCase("passthrough, scale 0", "passthrough", base: nil, ["scale: 0"]),
      FrozenCase("nearswap, t 0.0001", "nearswap", [""], "t: 0.0001"),
      FrozenCase("nearswap, t 0.02", "nearswap", [""], "t: 0.02"),
      FrozenCase("nearswap, t -1", "nearswap", [""], "t: -1"),
      FrozenCase("model_stock", "model_stock", ["", "", ""]),
      FrozenCase("model_stock, two", "model_stock", ["", ""], "filter_wise: false"),
      FrozenCase("model_stock, filter-wise", "model_stock", ["", "", ""], "filter_wise: true"),
      FrozenCase("model_stock, unchanged", "model_stock", ["", "zero|"]),
      FrozenCase("model_stock, opposite changes", "model_stock", base: "zero", ["base|", "opposite|"]),
      FrozenCase("arcee_fusion", "arcee_fusion", [""]),
      FrozenCase("arcee_fusion, far", "arcee_fusion", ["far|"]),
    ]

  private static let spheres =
    [("0", "a"), ("1", "a"), ("0.3", "a"), ("0.3", "near"), ("0.3", "opposite"), ("0.3", "zero"), ("0.8", "far")].map {
      FrozenCase("slerp, t \($0.0), \($0.1)", "slerp", ["\($0.1)|"], "t: \($0.0)")
    } + [
      FrozenCase("slerp, t by layers", "slerp", ["far|"], "t: [{filter: norm, value: [0, 0.5, 1]}, {value: 0.25}]")
    ]
    + [true, false].flatMap { hasBase -> [FrozenCase] in
      let (base, label) = (hasBase ? "base" : nil, hasBase ? ", from the base" : "")
      let three = ["weight: 0.5", "weight: 0.3", "weight: 0.4"]
      return [("flatten", true, false), ("rows", false, false), ("columns", false, true)].map {
        FrozenCase(
          "nuslerp, \($0.0)\(label)", "nuslerp", base: base, ["weight: 0.5", "weight: 0.3"],
          "nuslerp_flatten: \($0.1), nuslerp_row_wise: \($0.2)")
      } + [
        FrozenCase("nuslerp, weights cancel\(label)", "nuslerp", base: base, ["weight: 0.5", "weight: -0.5"]),
        FrozenCase(
          "nuslerp, flat before row-wise\(label)", "nuslerp", base: base, ["weight: 0.5", "far|weight: 0.2"],
          "nuslerp_row_wise: true"),
        FrozenCase("multislerp\(label)", "multislerp", base: base, three),
        FrozenCase("multislerp, sum\(label)", "multislerp", base: base, three, "normalize_weights: false"),
        FrozenCase("multislerp, eps 0.01\(label)", "multislerp", base: base, three, "eps: 0.01"),
        FrozenCase("multislerp, one\(label)", "multislerp", base: base, ["weight: 0.5"]),
      ]
    } + [
      FrozenCase("nuslerp, near", "nuslerp", base: nil, ["base|weight: 1", "near|weight: 3"]),
      FrozenCase("nuslerp, zero", "nuslerp", base: nil, ["a|weight: 1", "zero|weight: 3"], "nuslerp_flatten: false"),
      FrozenCase(
        "multislerp, directions cancel", "multislerp", base: nil, ["base|weight: 1", "opposite|weight: 1"]),
      FrozenCase("karcher", "karcher", base: nil, ["", "", ""]),
      FrozenCase("karcher, far", "karcher", base: nil, ["", "", "far|"]),
      FrozenCase("karcher, max_iter 1", "karcher", base: nil, ["", "", "far|"], "max_iter: 1"),
      FrozenCase("karcher, max_iter 0", "karcher", base: nil, ["", "", "far|"], "max_iter: 0"),
      FrozenCase("karcher, tol 0.1", "karcher", base: nil, ["", "", "far|"], "tol: 0.1"),
      FrozenCase("karcher, opposite", "karcher", base: nil, ["base|", "opposite|", "far|"]),
      FrozenCase("karcher, zero", "karcher", base: nil, ["", "zero|", "far|"], "tol: 0.001"),
    ]

  private static let selections =
    ["1", "0.5", "0.01", "0"].map {
      FrozenCase("sce, select_topk \($0)", "sce", ["", "", ""], "select_topk: \($0)")
    } + [
      FrozenCase("sce, int8_mask", "sce", ["", "", ""], "select_topk: 0.5, int8_mask: true"),
      FrozenCase("sce, one model", "sce", [""], "select_topk: 0.5"),
      FrozenCase("ram", "ram", ["", ""]),
      FrozenCase("ram, epsilon 0.05", "ram", ["", "", ""], "epsilon: 0.05"),
      FrozenCase("ram, epsilon 0", "ram", ["", "", ""], "epsilon: 0"),
      FrozenCase("ramplus_tl", "ramplus_tl", ["", ""]),
      FrozenCase("ramplus_tl, epsilon 0.05", "ramplus_tl", ["", "", ""], "epsilon: 0.05, alpha: 2"),
      FrozenCase("ramplus_tl, epsilon 0", "ramplus_tl", ["", "", ""], "epsilon: 0"),
      FrozenCase("ramplus_tl, r 0.5", "ramplus_tl", ["", ""], "r: 0.5"),
      FrozenCase("ramplus_tl, r -0.5", "ramplus_tl", ["", ""], "r: -0.5"),
      FrozenCase("ramplus_tl, alpha 5", "ramplus_tl", ["", ""], "alpha: 5"),
      FrozenCase("ramplus_tl, alpha 0", "ramplus_tl", ["", ""], "alpha: 0"),
    ]

  private static let own =
    [nil, "task_arithmetic", "average", "ties", "dare"].map { (variant: String?) in
      FrozenCase(
        "somf, \(variant ?? "of two")", "somf", ["", ""],
        stemma: "mask: mask" + (variant.map { ", variant: \($0)" } ?? ""))
    } + [
      FrozenCase("somf, single", "somf", [""], stemma: "mask: mask, variant: single"),
      FrozenCase("somf, single, rescale none", "somf", [""], stemma: "mask: {name: mask, rescale: none}"),
      FrozenCase("somf, weights", "somf", ["weight: 0.4", "weight: 0.7"], "lambda: 0.6", stemma: "mask: mask"),
      FrozenCase("somf, ties, density", "somf", ["", ""], "density: 0.4", stemma: "mask: mask, variant: ties"),
      FrozenCase(
        "somf, ties, all its own", "somf", ["weight: 0.4, density: 0.3", "weight: 0.8, density: 0.6"], "lambda: 1",
        stemma: "mask: mask, variant: ties"),
      FrozenCase(
        "somf, dare, density, seed 7", "somf", ["", ""], "density: 0.5, weight: 0.5",
        stemma: "mask: mask, variant: dare, seed: 7"),
      FrozenCase("somf, dare, seed 9", "somf", ["", ""], stemma: "mask: mask, variant: dare, seed: 9"),
      FrozenCase("somf, dare, rescale l1", "somf", ["", ""], stemma: "mask: mask, variant: dare, rescale: l1"),
      FrozenCase("resta", "resta", ["", ""]),
      FrozenCase("resta, gamma 1", "resta", ["", ""], "gamma: 1"),
      FrozenCase("resta, gamma 0.3", "resta", ["", ""], "gamma: 0.3"),
      FrozenCase("resta, density 0.6", "resta", ["", ""], "density: 0.6"),
      FrozenCase("resta, density 0", "resta", ["", ""], "density: 0"),
      FrozenCase("resta, density 0.6, seed 7", "resta", ["", ""], "density: 0.6", stemma: "seed: 7"),
      FrozenCase("safe_lora", "safe_lora", [""], stemma: "subspace: space"),
      FrozenCase("safe_lora, threshold 1", "safe_lora", [""], "threshold: 1", stemma: "subspace: space"),
      FrozenCase("safe_lora, threshold -1", "safe_lora", [""], "threshold: -1", stemma: "subspace: space"),
      FrozenCase("safe_lora, count 0", "safe_lora", [""], "count: 0", stemma: "subspace: space"),
      FrozenCase("safe_lora, count 2", "safe_lora", [""], "count: 2", stemma: "subspace: space"),
      FrozenCase("safe_lora, behind a mask", "safe_lora", [""], "count: 3", stemma: "subspace: space, mask: mask"),
      FrozenCase("safemerge", "safemerge", ["", ""], stemma: "subspace: space"),
      FrozenCase("safemerge, threshold 1", "safemerge", ["", ""], "threshold: 1", stemma: "subspace: space"),
      FrozenCase("safemerge, threshold -1", "safemerge", ["", ""], "threshold: -1", stemma: "subspace: space"),
      FrozenCase(
        "safemerge, weight 0.6", "safemerge", ["", ""], "threshold: 1, weight: 0.6", stemma: "subspace: space"),
      FrozenCase("safemerge, weight 1", "safemerge", ["", ""], "threshold: 1, weight: 1", stemma: "subspace: space"),
      FrozenCase("pre_post", "pre_post", [""]),
      FrozenCase("pre_post, lambda 0.3", "pre_post", [""], "lambda: 0.3"),
      FrozenCase("pre_post, lambda 1", "pre_post", [""], "lambda: 1"),
      FrozenCase("merge_align", "merge_align", ["", ""]),
      FrozenCase("merge_align, alpha 0.7", "merge_align", ["", ""], "alpha: 0.7"),
      FrozenCase("merge_align, alpha 0", "merge_align", ["", ""], "alpha: 0"),
    ]
}
