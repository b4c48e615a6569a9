internal import Tensors

/// A safety vector added to a fine-tune.
///
/// Bhardwaj et al., "Language Models are Homer Simpson!" (RESTA), arXiv 2402.11746: the models are the fine-tune and
/// then the aligned model, the base is the unaligned one, and the result `tuned + gamma (aligned - unaligned)`. Where
/// `density` is below 1, elements of the safety vector are kept with that probability and divided by it (DARE).
struct Resta: BlockMethod {
  private let gamma: Double
  private let density: Double

  init(_ call: MethodCall) {
    gamma = call.settings["gamma"] ?? 0.5
    density = call.settings["density"] ?? 1
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    let tuned = block.others[0]
    block.forEachChunk { local in
      let sums = UnsafeMutableBufferPointer(rebasing: out[local])
      block.changes(1, local, into: sums)
      if density < 1 {
        Draw(block.draws[1], density).keep(sums, local, of: block)
        if density > 0 { Wide.divide(sums, by: Wide(density)) }
      }
      Wide.scale(sums, by: Wide(gamma))
      Wide.add(UnsafeBufferPointer(rebasing: tuned[local]), to: sums)
    }
  }
}
