internal import Tensors

/// Task vectors with elements dropped at random: `dare_linear`, and with elected signs `dare_ties`.
///
/// Yu et al., "Language Models are Super Mario", arXiv 2311.03099, rescaled by L1 norms as in mergekit unless a recipe
/// asks for the paper's `1 / density`. An element is kept where its 32 random bits are below `floor(density 2³²)`.
struct Dare: BlockMethod, Pruning {
  private let vectors: TaskVectors

  init(_ call: MethodCall) {
    vectors = TaskVectors(call)
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    try vectors.measure(tensor, self, [])
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    vectors.combine(block, measurements, self, into: out)
  }

  @inline(__always)
  func prune<Wide: WideElement>(
    _ changes: UnsafeMutableBufferPointer<Wide>, _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>,
    _ measurements: Measurements
  ) {
    let density = vectors.densities[position]
    if density >= 1 { return }
    Draw(block.draws[position], density).keep(changes, local, of: block)
    if vectors.rescalesByPaper, density > 0 {
      Wide.divide(changes, by: Wide(density))
    }
  }

  @inline(__always)
  func magnitudes<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>
  ) -> (all: Double, kept: Double)? {
    Draw(block.draws[position], vectors.densities[position]).magnitudes(position, local, of: block)
  }

  @inline(__always)
  func weigh<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>, times factor: Wide, times weight: Wide,
    into changes: UnsafeMutableBufferPointer<Wide>, and sums: UnsafeMutablePointer<Wide>
  ) -> Bool {
    let density = vectors.densities[position]
    return density < 1 && !vectors.rescalesByPaper
      && Draw(block.draws[position], density).weigh(
        position, local, of: block, times: factor, times: weight, into: changes, and: sums)
  }
}
