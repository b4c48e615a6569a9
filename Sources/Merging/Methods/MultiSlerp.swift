internal import Glibc
internal import Tensors

/// The weighted direction of several models, or of their changes from the base, with the weighted mean of their
/// lengths.
///
/// mergekit's barycentric interpolation on the hypersphere (Goddard et al., arXiv 2403.13257). It projects onto the
/// tangent space at the normalized mean with the same weights as made the mean; that projection is zero but for
/// rounding, so that what remains is the mean direction times `cos eps`.
struct MultiSlerp: BlockMethod {
  private let weights: [Double]
  private let normalize: Bool
  private let epsilon: Double

  init(_ call: MethodCall) {
    weights = call.perInput["weight"] ?? []
    normalize = call.settings["normalize_weights"] != 0
    epsilon = call.settings["eps"] ?? 1e-8
  }

  /// One coefficient a model.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    if weights.count == 1 { return [] }
    let total = weights.reduce(0, +)
    let weights = normalize ? weights.map { $0 / total } : weights
    let gram = try Gram.of(tensor)
    let directions = weights.indices.map { weights[$0] / (gram.norm($0) + epsilon) }
    let length = gram.norm(directions)
    guard length > 0, length >= epsilon else {
      if weights.count == 2 { return weights }
      if weights.indices.allSatisfy({ gram.norm($0) == 0 }) { return weights.map { _ in 0 } }
      throw MergeError.cancellingDirections(tensor: tensor.name)
    }
    let size = weights.indices.reduce(0) { $0 + weights[$1] * gram.norm($1) }
    return try tensor.finite(directions.map { $0 / length * cos(epsilon) * size })
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    if weights.count == 1 {
      _ = out.update(from: block.others[0])
    } else {
      block.combination(measurements, into: out)
    }
  }
}
