internal import Glibc
internal import Tensors

/// The Karcher (Riemannian) mean of the directions of all models, with the mean of their lengths.
///
/// Grove and Karcher, "How to conjugate C1-close group actions", Math. Z. 132, 1973, as in mergekit: `max_iter` steps
/// at most, until the step is shorter than `tol`. Models no longer than `tol` have no direction. One opposite to the
/// mean pulls nowhere and is passed over.
struct Karcher: BlockMethod {
  private let steps: Int
  private let tolerance: Double

  init(_ call: MethodCall) {
    steps = Int(call.settings["max_iter"] ?? 10)
    tolerance = call.settings["tol"] ?? 1e-5
  }

  /// One coefficient a model.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    try tensor.finite(coefficients(Gram.of(tensor)))
  }

  private func coefficients(_ gram: Gram) -> [Double] {
    let active = (0..<gram.count).filter { gram.norm($0) > tolerance }
    var found = [Double](repeating: 0, count: gram.count)
    if active.isEmpty { return found }
    var units = Gram(count: active.count)
    for (i, first) in active.enumerated() {
      for (j, second) in active.enumerated() where j >= i {
        units[i, j] = gram[first, second] / gram.norm(first) / gram.norm(second)
      }
    }
    let mean = direction(units)
    let length = (0..<gram.count).reduce(0) { $0 + gram.norm($1) } / Double(gram.count)
    for (i, position) in active.enumerated() { found[position] = mean[i] * length / gram.norm(position) }
    return found
  }

  /// The mean of unit vectors as a sum of them.
  private func direction(_ units: Gram) -> [Double] {
    let share = 1 / Double(units.count)
    var mean = [Double](repeating: share, count: units.count)
    let length = units.norm(mean)
    if length < tolerance {
      mean = mean.indices.map { $0 == 0 ? 1 : 0 }
    } else {
      mean = mean.map { $0 / length }
    }
    for _ in 0..<max(0, steps) {
      var tangent = [Double](repeating: 0, count: units.count)
      for i in 0..<units.count {
        let cosine = min(max(units.product(i, mean), -1), 1)
        let angle = acos(cosine)
        if angle < tolerance || sin(angle) < 1e-7 { continue }
        let pull = share * (angle / sin(angle))
        for j in 0..<units.count { tangent[j] += pull * ((i == j ? 1 : 0) - cosine * mean[j]) }
      }
      let step = units.norm(tangent)
      if step < tolerance { break }
      mean = zip(mean, tangent).map { cos(step) * $0 + sin(step) * ($1 / step) }
      let length = units.norm(mean)
      if length > tolerance { mean = mean.map { $0 / length } }
    }
    return mean
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    block.combination(measurements, into: out)
  }
}
