internal import Tensors

/// The weighted mean, or sum, of models.
///
/// Wortsman et al., "Model soups", arXiv 2203.05482. `sum = Σ xᵢ wᵢ` in the order of inputs, divided by `Σ wᵢ` if
/// normalized. Weights and their sum are of the elements' type (f32, or f64); each operation is rounded on its own.
struct Linear {
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

  /// Adds the block of every input to `sum`, which holds zeros.
  func combine<Wide: WideElement>(
    _ block: BlockReader, into sum: UnsafeMutableBufferPointer<Wide>,
    scratch: MergeScratch
  ) throws {
    for (position, weight) in weights.enumerated() {
      let stored = try block.read(position, scratch.input)
      Wide.accumulate(stored, block.tensor.readDType(position), times: Wide(weight), into: sum)
    }
    if normalize { Wide.divide(sum, by: Self.sum(weights, as: Wide.self)) }
  }
}
