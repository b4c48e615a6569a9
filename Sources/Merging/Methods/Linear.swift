internal import Tensors

/// The weighted mean, or sum, of models.
///
/// Wortsman et al., "Model soups", arXiv 2203.05482. `sum = Σ xᵢ wᵢ` in the order of inputs, divided by `Σ wᵢ` if
/// normalized. Weights and their sum are f32; each operation is rounded on its own.
struct Linear {
  let weights: [Double]
  let normalize: Bool

  static func measure() throws -> Measurements { [] }

  /// The sum of weights as arithmetic sees it: f32, in order.
  static func sum(_ weights: [Double]) -> Float { weights.reduce(0) { $0 + Float($1) } }

  /// Adds the block of every input to `sum`, which holds zeros.
  func combine<Wide: WideElement>(
    _ block: BlockReader, _ measurements: Measurements, into sum: UnsafeMutableBufferPointer<Wide>,
    scratch: borrowing MergeScratch
  ) throws {
    for (position, weight) in weights.enumerated() {
      let stored = try block.read(position, scratch.input)
      Wide.accumulate(stored, block.tensor.inputDTypes[position], times: Wide(Float(weight)), into: sum)
    }
    if normalize { Wide.divide(sum, by: Wide(Self.sum(weights))) }
  }
}
