internal import Tensors

/// The mean of the models drawn towards the base, the more so the less their changes point the same way.
///
/// Jang, Yun and Han, "Model Stock: All we need is just a few fine-tuned models", arXiv 2403.19522. With the mean `c`
/// of the cosines of all pairs of changes, `t = N c / (1 + (N - 1) c)`; the result is `t mean + (1 - t) b`. As in
/// mergekit a product of norms below 1e-6 counts as 1e-6, and `t = 0` where the divisor is below 1e-6.
struct ModelStock: BlockMethod {
  private let filterWise: Bool

  /// Filter-wise each row has its own `t`, found again wherever a block is made.
  var needsRows: Bool { filterWise }

  init(_ call: MethodCall) { filterWise = call.settings["filter_wise"] == 1 }

  /// `t`, or nothing where it is filter-wise.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    filterWise ? [] : try tensor.finite([Self.share(Gram.of(tensor))])
  }

  private static func share(_ gram: Gram) -> Double {
    var (sum, pairs) = (0.0, 0.0)
    for i in 0..<gram.count {
      for j in i + 1..<max(i + 1, gram.count) {
        sum += min(max(gram[i, j] / max(gram.norm(i) * gram.norm(j), 1e-6), -1), 1)
        pairs += 1
      }
    }
    let (cosine, count) = (sum / pairs, Double(gram.count))
    let divisor = 1 + (count - 1) * cosine
    return divisor.magnitude < 1e-6 ? 0 : count * cosine / divisor
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    let size = filterWise ? block.rowLength : WideBlock<Wide>.chunk
    block.forEachChunk(size) { local in
      let share = filterWise ? Self.share(Gram.of(block, local)) : measurements[0]
      Self.draw(block, local, Wide(share), into: out)
    }
  }

  @inline(__always)
  private static func draw<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ local: Range<Int>, _ share: Wide, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (target, b) = (out.baseAddress! + local.lowerBound, base.baseAddress! + local.lowerBound)
    target.update(from: block.others[0].baseAddress! + local.lowerBound, count: local.count)
    for other in block.others.dropFirst() {
      let x = other.baseAddress! + local.lowerBound
      for index in 0..<local.count { target[index] = target[index] + x[index] }
    }
    let (count, rest) = (Wide(block.others.count), 1 - share)
    for index in 0..<local.count { target[index] = share * (target[index] / count) + rest * b[index] }
  }
}
