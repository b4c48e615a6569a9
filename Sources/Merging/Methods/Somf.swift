/// Masked task vectors added to the aligned model.
///
/// Yi et al., "A safety realignment framework via subspace-oriented model fusion", arXiv 2405.09055: the base is the
/// aligned model, every model needs a mask, and the masked and rescaled task vectors are fused by one of the methods
/// that there are, with the numbers of the authors' program where the recipe has none.
package enum Somf {
  /// How the masked task vectors are fused.
  package enum Variant: String, CaseIterable, Sendable {
    /// One model, weight 1.
    case single
    /// Weights 0.3.
    case taskArithmetic = "task_arithmetic"
    /// The largest 20 % of each tensor (the authors': of the whole model), the sum of those that agree, times 0.4.
    case ties
    /// 20 % dropped at random, divided by 0.8, weights 0.3.
    case dare
    /// Weights 1 / number of models.
    case average
  }

  /// The method that a call of `somf` stands for.
  /// - Parameter variant: nil for `single` of one model, and `task_arithmetic` of several.
  static func call(_ call: MethodCall, _ variant: Variant?, models: Int) throws(MergeError) -> MethodCall {
    let variant = variant ?? (models == 1 ? .single : .taskArithmetic)
    guard variant != .single || models == 1 else {
      throw .misfit(
        place: "method somf, variant single", expected: "1 model besides the base", found: "\(models)", line: nil)
    }
    func each(_ name: String, _ value: Double) throws(MergeError) -> [Double] {
      let own = call.perInput[name] ?? []
      guard own.isEmpty || own.count == models else {
        throw .misfit(
          place: "method somf", expected: "a \(name) for every model or for none", found: "\(own.count) of \(models)",
          line: nil)
      }
      return own.isEmpty ? Array(repeating: value, count: models) : own
    }
    var settings = ["normalize": 0, "rescale": 0, "lambda": call.settings["lambda"] ?? 1]
    if let allow = call.settings["allow_nonfinite"] { settings["allow_nonfinite"] = allow }
    switch variant {
    case .single, .taskArithmetic, .average:
      if call.perInput["density"] != nil {
        throw .misfit(
          place: "method somf, variant \(variant.rawValue)", expected: "no density: nothing is pruned", found: "one",
          line: nil)
      }
      let weight = variant == .single ? 1 : variant == .average ? 1 / Double(models) : 0.3
      return MethodCall(
        .taskArithmetic, base: call.base, perInput: ["weight": try each("weight", weight)], settings: settings)
    case .ties:
      settings["lambda"] = call.settings["lambda"] ?? 0.4
      let perInput = ["weight": try each("weight", 1), "density": try each("density", 0.2)]
      return MethodCall(.ties, base: call.base, perInput: perInput, settings: settings)
    case .dare:
      settings["rescale"] = 1
      settings["rescale_paper"] = call.settings["rescale_paper"] ?? 1
      if let seed = call.settings["seed"] { settings["seed"] = seed }
      let perInput = ["weight": try each("weight", 0.3), "density": try each("density", 0.8)]
      return MethodCall(.dareLinear, base: call.base, perInput: perInput, settings: settings)
    }
  }
}
