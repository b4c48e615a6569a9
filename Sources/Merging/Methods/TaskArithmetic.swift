internal import Tensors

/// The base plus a weighted sum of task vectors.
///
/// Ilharco et al., "Editing Models with Task Arithmetic", arXiv 2212.04089. `sum = Σ (xᵢ - b) wᵢ` in the order of
/// inputs; if normalized, divided by `Σ wᵢ` (by 1 where that is below 1e-8); times lambda; the result is `b + sum`.
struct TaskArithmetic: BlockMethod, Pruning {
  private let vectors: TaskVectors

  init(_ call: MethodCall) { vectors = TaskVectors(call) }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    vectors.combine(block, measurements, self, into: out)
  }

  /// Prunes nothing.
  @inline(__always)
  func prune<Wide: WideElement>(
    _ changes: UnsafeMutableBufferPointer<Wide>, _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>,
    _ measurements: Measurements
  ) {}
}
