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
    Draw(block.draws[position], density).keep(changes, from: block.elements.lowerBound + local.lowerBound)
    if vectors.rescalesByPaper, density > 0 {
      Wide.divide(changes, by: Wide(density))
    }
  }

  @inline(__always)
  func magnitudes<Wide: WideElement>(
    _ changes: UnsafeMutableBufferPointer<Wide>, _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>,
    _ measurements: Measurements
  ) -> (all: Double, kept: Double) {
    Draw(block.draws[position], vectors.densities[position])
      .magnitudes(changes, from: block.elements.lowerBound + local.lowerBound)
  }
}

/// Elements kept with one probability: sixteen random bits decide, and sixteen more where those equal the limit's.
private struct Draw {
  private let philox: Philox
  private let high: UInt16
  private let low: UInt16

  init(_ philox: Philox, _ probability: Double) {
    let limit = UInt32(max(0, probability) * 0x1p32)
    self.philox = philox
    high = UInt16(truncatingIfNeeded: limit >> 16)
    low = UInt16(truncatingIfNeeded: limit)
  }

  /// Zeroes what is not kept of the elements from number `first` on.
  @inline(__always)
  func keep<Wide: WideElement>(_ values: UnsafeMutableBufferPointer<Wide>, from first: Int) {
    philox.withHalves(values.count, from: first) { halves in
      if !isUndecided(halves, values.count) { return Wide.keep(values, where: halves, below: high) }
      let kept = values.indices.filter { halves[$0] == high && philox.furtherHalf(of: first + $0) < low }
      let saved = kept.map { values[$0] }
      Wide.keep(values, where: halves, below: high)
      for (index, value) in zip(kept, saved) { values[index] = value }
    }
  }

  /// Sums of magnitudes before and after `keep`, which may be done to them or not.
  @inline(__always)
  func magnitudes<Wide: WideElement>(
    _ values: UnsafeMutableBufferPointer<Wide>, from first: Int
  ) -> (all: Double, kept: Double) {
    let sums: (all: Double, kept: Double)? = philox.withHalves(values.count, from: first) { halves in
      if isUndecided(halves, values.count) { return nil }
      return Wide.magnitudes(values.baseAddress!, values.count, where: halves, below: high)
    }
    if let sums { return sums }
    let all = Wide.magnitudes(values.baseAddress!, values.count)
    keep(values, from: first)
    return (all, Wide.magnitudes(values.baseAddress!, values.count))
  }

  private func isUndecided(_ halves: UnsafePointer<UInt16>, _ count: Int) -> Bool {
    low > 0 && Philox.any(of: halves, count, are: high)
  }
}
