internal import Tensors

/// The largest elements of each task vector, those that agree with the elected sign, their weighted mean.
///
/// Yadav et al., "TIES-Merging: Resolving Interference When Merging Models", arXiv 2306.01708; as in mergekit a
/// tensor is trimmed alone and weighted changes vote. Of `n` elements `floor(density n)` are kept, at least one where
/// density is positive; of equal magnitudes those of lower index.
struct Ties: BlockMethod, Pruning {
  private let vectors: TaskVectors

  init(_ call: MethodCall) { vectors = TaskVectors(call) }

  /// Two numbers a model: threshold, and the index up to which elements at the threshold are kept; then factors.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    let trimmed = vectors.densities.indices.filter { vectors.densities[$0] > 0 && vectors.densities[$0] < 1 }
    let rankings = trimmed.map { position in
      let kept = Int(vectors.densities[position] * Double(tensor.count))
      return RadixSelect<Wide>.Ranking(series: position, count: max(1, kept), largest: true)
    }
    let cuts = try RadixSelect.cuts(rankings, of: tensor) { $0.changes($1, $2, into: $3) }
    var found = vectors.densities.map { _ in Cut(threshold: 0, end: 0) }
    for (position, cut) in zip(trimmed, cuts) { found[position] = cut }
    return try vectors.measure(tensor, self, found.flatMap(\.measurements))
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
    if density <= 0 { return changes.update(repeating: 0) }
    Cut(measurements, at: 2 * position).keepLargest(changes, from: block.elements.lowerBound + local.lowerBound)
  }
}
