internal import Tensors

/// One model as it is, times `scale` where that is given; for stacking layers.
///
/// Goddard et al., "Arcee's MergeKit", arXiv 2403.13257.
struct Passthrough: BlockMethod {
  private let scale: Double?

  init(_ call: MethodCall) { scale = call.perInput["scale"]?.first }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    _ = out.update(from: block.others[0])
    if let scale { Wide.scale(out, by: Wide(scale)) }
  }
}
