internal import Tensors

extension MethodCall {
  /// Refuses values that give no result whatever the weights are: odds outside 0 to 1, weights that cannot be
  /// normalized, counts that are none. Done when planning, before weights are read.
  ///
  /// - Parameter working: the type that mergekit's arithmetic rounds to; nil in exact arithmetic.
  func check(tensor: String, working: DType? = nil) throws(MergeError) {
    switch name {
    case .linear:
      if settings["normalize"] == 1 { try checkSum(perInput["weight"] ?? [], tensor) }
    case .multislerp:
      // One model is taken as it is.
      guard settings["normalize_weights"] == 1, let weights = perInput["weight"], weights.count > 1 else { return }
      try checkSum(
        weights.map {
          switch working {
          case .bf16: Double(WorkingBF16.round(Float($0)))
          case .f16: Double(WorkingF16.round(Float($0)))
          default: $0
          }
        }, tensor)
    case .karcher:
      if let steps = settings["max_iter"], Int(exactly: steps) == nil {
        throw .parameterRange("max_iter", value: steps, tensor: tensor, expected: "a whole number")
      }
    case .dareLinear, .dareTies:
      for density in perInput["density"] ?? [] where density < 0 {
        throw .parameterRange("density", value: density, tensor: tensor, expected: "a probability from 0 to 1")
      }
    case .della, .dellaLinear:
      for (density, epsilon) in zip(perInput["density"] ?? [], perInput["epsilon"] ?? [])
      where density > 0 && density < 1 {
        guard density - epsilon.magnitude > 0, density + epsilon.magnitude < 1 else {
          throw .keepProbability(tensor: tensor, density: density, epsilon: epsilon)
        }
      }
    case .resta:
      if let density = settings["density"], !(0...1).contains(density) {
        throw .parameterRange("density", value: density, tensor: tensor, expected: "a probability from 0 to 1")
      }
    case .safeLora:
      guard let count = settings["count"] else { return }
      if Int(exactly: count) ?? -1 < 0 {
        throw .parameterRange("count", value: count, tensor: tensor, expected: "a whole number, 0 or more")
      }
      if settings["threshold"] != nil {
        throw .misfit(
          place: "method safe_lora", expected: "one of the parameters 'threshold' and 'count'", found: "both",
          line: nil)
      }
    default: break
    }
  }

  private func checkSum(_ weights: [Double], _ tensor: String) throws(MergeError) {
    let sum = Linear.sum(weights, as: Float.self)
    if sum == 0 || !sum.isFinite { throw .weightsSumToZero(tensor: tensor, weights: perInput["weight"] ?? []) }
  }
}
