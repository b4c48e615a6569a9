internal import Tensors

/// Task vectors without their largest and their smallest elements: `breadcrumbs`, and with elected signs
/// `breadcrumbs_ties`.
///
/// Davari and Belilovsky, "Model Breadcrumbs", arXiv 2312.06795. In rising order of magnitude, equal ones by index, the
/// `floor(density n)` elements before the `floor(gamma n)` largest are kept.
struct Breadcrumbs: BlockMethod, Pruning {
  private let vectors: TaskVectors
  private let gammas: [Double]

  init(_ call: MethodCall) {
    vectors = TaskVectors(call)
    gammas = call.perInput["gamma"] ?? []
  }

  /// The positions kept in rising order of magnitude.
  private func kept(_ position: Int, of count: Int) -> Range<Int> {
    let keep = Int(max(0, vectors.densities[position]) * Double(count))
    let start = max(0, count - keep - Int(min(max(gammas[position], -1), 1) * Double(count)))
    return min(start, count)..<min(start + keep, count)
  }

  /// Four numbers a model: the cut above the smallest, the cut below the largest; then factors.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    var found = [Cut](repeating: Cut(threshold: 0, end: 0), count: 2 * vectors.densities.count)
    var places: [Int] = []
    var rankings: [RadixSelect<Wide>.Ranking] = []
    for (position, density) in vectors.densities.enumerated() where density < 1 {
      let kept = kept(position, of: tensor.count)
      if kept.isEmpty { continue }
      // Every finite number is below the largest, or at it.
      found[2 * position + 1] = Cut(threshold: Double(Wide.greatestFiniteMagnitude), end: tensor.count)
      if kept.lowerBound > 0 {
        places.append(2 * position)
        rankings.append(.init(series: position, count: kept.lowerBound, largest: false))
      }
      if kept.upperBound < tensor.count {
        places.append(2 * position + 1)
        rankings.append(.init(series: position, count: kept.upperBound, largest: false))
      }
    }
    let cuts = try RadixSelect.cuts(rankings, of: tensor) { $0.changes($1, $2, into: $3) }
    for (place, cut) in zip(places, cuts) { found[place] = cut }
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
    if vectors.densities[position] >= 1 { return }
    let start = block.elements.lowerBound + local.lowerBound
    Cut(measurements, at: 4 * position + 2).keepSmallest(changes, from: start)
    Cut(measurements, at: 4 * position).dropSmallest(changes, from: start)
  }
}
