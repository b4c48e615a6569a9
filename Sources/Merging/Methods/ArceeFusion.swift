internal import Glibc
internal import Tensors

/// The other model's elements where they matter most, the base elsewhere.
///
/// Arcee's Fusion (Goddard et al., "Arcee's MergeKit", arXiv 2403.13257). An element's score is the size of its change
/// times the Kullback-Leibler divergence of its rows' softmax distributions (never below zero); elements at or above
/// `median + 1.5 (q3 - q1)` of all scores, none sampled, are taken.
struct ArceeFusion: BlockMethod {
  init(_ call: MethodCall) {}

  var needsRows: Bool { true }

  /// The least score that is taken, then the divergence of each row.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    let blocks = try tensor.map { block in
      var found: [Double] = []
      block.forEachChunk(block.rowLength) { local in found.append(Self.divergence(block, local)) }
      return found
    }
    let divergences = try tensor.finite(Array(blocks.joined()))
    let rankings = [0.25, 0.5, 0.75].map { share in
      RadixSelect<Wide>.Ranking(series: 0, count: Int(share * Double(tensor.count - 1)) + 1, largest: false)
    }
    let quartiles = try RadixSelect.cuts(rankings, of: tensor) { block, _, local, scores in
      block.changes(0, local, into: scores)
      let start = block.elements.lowerBound + local.lowerBound
      for index in 0..<local.count {
        scores[index] = scores[index].magnitude * Wide(divergences[(start + index) / block.rowLength])
      }
    }.map { Wide($0.threshold) }
    let spread = 1.5 * (quartiles[2] - quartiles[0])
    return [Double(quartiles[1] + spread)] + divergences
  }

  /// Of the other model's row from the base's: `Σ p log(p / q)` where 1e-8 is added to each probability.
  @inline(__always)
  private static func divergence<Wide: WideElement>(_ block: WideBlock<Wide>, _ local: Range<Int>) -> Double {
    guard let base = block.base else { return 0 }
    let (x, b) = (block.others[0].baseAddress! + local.lowerBound, base.baseAddress! + local.lowerBound)
    let count = local.count
    func largest(_ row: UnsafePointer<Wide>) -> Double {
      Double((0..<count).reduce(row[0]) { max($0, row[$1]) })
    }
    let (top, baseTop) = (largest(x), largest(b))
    let sum = (0..<count).reduce(0) { $0 + exp(Double(x[$1]) - top) }
    let baseSum = (0..<count).reduce(0) { $0 + exp(Double(b[$1]) - baseTop) }
    let divergence = (0..<count).reduce(0) { total, index -> Double in
      let p = exp(Double(x[index]) - top) / sum + 1e-8
      let q = exp(Double(b[index]) - baseTop) / baseSum + 1e-8
      return total + p * log(p / q)
    }
    return divergence < 0 ? 0 : divergence
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (x, threshold) = (block.others[0], Wide(measurements[0]))
    let row = block.elements.lowerBound / block.rowLength
    block.forEachChunk(block.rowLength) { local in
      let divergence = Wide(measurements[1 + row + local.lowerBound / block.rowLength])
      for index in local {
        let change = x[index] - base[index]
        let taken: Wide = change.magnitude * divergence >= threshold ? change : 0
        out[index] = base[index] + taken
      }
    }
  }
}
