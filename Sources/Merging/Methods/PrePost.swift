internal import Tensors

/// The model before a fine-tune and after it, on a straight line.
///
/// Farn et al., "Safeguard Fine-Tuned LLMs Through Pre- and Post-Tuning Model Merging", arXiv 2412.19512: the base is
/// the model before, and the result `(1 - lambda) before + lambda after`.
struct PrePost: BlockMethod {
  private let lambda: Double

  init(_ call: MethodCall) { lambda = call.settings["lambda"] ?? 0.5 }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (after, share, rest) = (block.others[0], Wide(lambda), 1 - Wide(lambda))
    for index in 0..<out.count { out[index] = rest * base[index] + share * after[index] }
  }
}
