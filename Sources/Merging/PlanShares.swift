internal import Tensors

extension Plan {
  /// How much of the result comes from each of `inputs`, from 0 to 1; together 1.
  ///
  /// Of a tensor each input has `|w| / Σ|w|` of the coefficients that its method applies, as the plan has them after
  /// gradients and filters; tensors count by their elements. Coefficients are
  /// - the weights; of a base that stands apart 1, because the result is expressed against it, beside weights times
  ///   lambda and, where they are normalized, divided by their sum;
  /// - of `slerp` 1 - t and t, and of `resta`, `pre_post` and `merge_align` what their formulas have;
  /// - 1 for each input where a method has none, or where all are 0.
  ///
  /// A weight that an adapter changes is one part the base's and one part the adapter's. Tensors that are copied
  /// because they are equal everywhere are left out, unless there are no others. Densities, masks and signs are not
  /// looked at: this says how much a model was asked for, not how many of its numbers got through.
  package var shares: [Double] {
    let merged = tensors.filter { !$0.isCopied }
    var shares = [Double](repeating: 0, count: inputs.count)
    var total = 0.0
    for tensor in merged.isEmpty ? tensors : merged {
      let elements = Double(tensor.shape.elementCount ?? 0)
      let coefficients = tensor.coefficients
      let sum = coefficients.reduce(0, +)
      for (input, coefficient) in zip(tensor.inputs, coefficients) {
        let part = elements * (sum > 0 && sum.isFinite ? coefficient / sum : 1 / Double(coefficients.count))
        let holders = [input.model] + (input.change.map { [$0.adapter] } ?? [])
        for holder in holders { shares[holder] += part / Double(holders.count) }
      }
      total += elements
    }
    guard total > 0 else { return inputs.map { _ in 1 / Double(inputs.count) } }
    // Sums of many parts may end an ulp above 1.
    return shares.map { min(1, $0 / total) }
  }
}

extension PlannedTensor {
  /// The size of what the method multiplies each input by.
  fileprivate var coefficients: [Double] {
    let places = inputs.indices.filter { $0 != method.base }
    if let weights = method.perInput["weight"], weights.count == places.count {
      var found = [Double](repeating: 1, count: inputs.count)
      let sum = abs(weights.reduce(0, +))
      let isNormalized =
        ["normalize", "normalize_weights"].contains { method.settings[$0] == 1 }
        || method.name == .nuslerp
      let scale = (isNormalized && sum > 1e-8 ? 1 / sum : 1) * abs(method.settings["lambda"] ?? 1)
      for (position, weight) in zip(places, weights) { found[position] = abs(weight) * scale }
      return found
    }
    if method.name == .slerp, let base = method.base, let t = method.settings["t"] {
      return inputs.indices.map { abs($0 == base ? 1 - t : t) }
    }
    func others(_ values: [Double], base: Double) -> [Double] {
      var found = [Double](repeating: 0, count: inputs.count)
      for (position, value) in zip(places, values) { found[position] = abs(value) }
      if let place = method.base { found[place] = abs(base) }
      return found
    }
    func setting(_ name: String) -> Double { method.settings[name] ?? 0 }
    switch method.name {
    case .resta: return others([1, setting("gamma")], base: setting("gamma"))
    case .prePost: return others([setting("lambda")], base: 1 - setting("lambda"))
    case .mergeAlign: return others([setting("alpha"), 1 - setting("alpha")], base: 1)
    default: return inputs.map { _ in 1 }
    }
  }
}
