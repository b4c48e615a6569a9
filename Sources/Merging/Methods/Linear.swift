internal import Tensors

/// The weighted mean, or sum, of models.
///
/// Wortsman et al., "Model soups", arXiv 2203.05482. `sum = Σ xᵢ wᵢ` in the order of inputs, divided by `Σ wᵢ` if
/// normalized. Weights and their sum are of the elements' type (f32, or f64); each operation is rounded on its own.
struct Linear: BlockMethod {
  let weights: [Double]
  let normalize: Bool

  init(_ call: MethodCall) {
    weights = call.perInput["weight"] ?? []
    normalize = call.settings["normalize"] == 1
  }

  /// The sum of weights as arithmetic sees it: rounded to `Wide`, in order.
  static func sum<Wide: WideElement>(_ weights: [Double], as type: Wide.Type) -> Wide {
    weights.reduce(0) { $0 + Wide($1) }
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    out.update(repeating: 0)
    for (position, weight) in weights.enumerated() {
      block.accumulate(position, 0..<block.count, times: Wide(weight), into: out)
    }
    if normalize { Wide.divide(out, by: Self.sum(weights, as: Wide.self)) }
  }
}
