internal import Tensors

/// A domain model and an aligned one, both seen from the pretrained base.
///
/// Thakkar et al., "Combining Domain and Alignment Vectors", arXiv 2411.06824: the models are the domain's and then the
/// aligned one, and the result `base + alpha (domain - base) + (1 - alpha) (aligned - base)`.
struct MergeAlign: BlockMethod {
  private let alpha: Double

  init(_ call: MethodCall) { alpha = call.settings["alpha"] ?? 0.5 }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    block.combination([alpha, 1 - alpha], into: out)
  }
}
