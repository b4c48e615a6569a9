internal import Tensors

/// Select, calculate, erase: the elements in which models differ most, weighted by each model's mean square change, of
/// those that agree with the elected sign.
///
/// Wan et al., "FuseChat: Knowledge Fusion of Chat Models", arXiv 2408.07990. `floor(count of non-zero variances ·
/// select_topk)` elements are kept, of equal variances those of lower index; all if `select_topk` is at least 1. As in
/// mergekit weights are equal where mean squares sum to less than 1e-6, and sums of weights below 1e-6 count as 1e-6.
struct Sce: BlockMethod {
  private let share: Double

  init(_ call: MethodCall) { share = call.settings["select_topk"] ?? 1 }

  /// Whether any elements are selected (0 or 1), threshold and index of the cut, then a weight for each model.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    let cut = try share < 1 ? cut(tensor) : Cut(threshold: 0, end: tensor.count)
    let models = tensor.models
    let selection = [cut == nil ? 0 : 1] + (cut ?? Cut(threshold: 0, end: 0)).measurements
    let squares = try tensor.finite(
      tensor.sums(models) { block, sums in
        block.withRoom(of: Wide.self, capacity: WideBlock<Wide>.chunk * (models + 1)) { memory in
          block.forEachChunk { local in
            Self.select(block, local, cut, share < 1, memory)
            for position in 0..<models {
              let changes = memory.baseAddress! + (position + 1) * WideBlock<Wide>.chunk
              sums[position] += Wide.products(changes, changes, local.count)
            }
          }
        }
      }
    ).map { $0 / Double(tensor.count) }
    let total = squares.reduce(0, +)
    return selection + squares.map { total < 1e-6 ? 1 / Double(models) : $0 / total }
  }

  /// Where variances are cut; nil where none is kept.
  @inline(__always)
  private func cut<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Cut? {
    let different = try tensor.counts(1) { block, tally in
      block.withRoom(of: Wide.self, capacity: WideBlock<Wide>.chunk) { memory in
        block.forEachChunk { local in
          Self.variances(block, local, into: memory.baseAddress!)
          for index in 0..<local.count where memory[index] != 0 { tally[0] &+= 1 }
        }
      }
    }
    let kept = Int(max(0, share) * Double(different[0]))
    if kept < 1 { return nil }
    return try RadixSelect.cuts([.init(series: 0, count: kept, largest: true)], of: tensor) {
      Self.variances($0, $2, into: $3.baseAddress!)
    }[0]
  }

  /// The population variance of the models' changes at each element.
  @inline(__always)
  private static func variances<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ local: Range<Int>, into out: UnsafeMutablePointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (models, b) = (Wide(block.others.count), base.baseAddress! + local.lowerBound)
    block.withRoom(of: Wide.self, capacity: WideBlock<Wide>.chunk) { memory in
      let mean = memory.baseAddress!
      for index in 0..<local.count { (mean[index], out[index]) = (0, 0) }
      for other in block.others {
        let x = other.baseAddress! + local.lowerBound
        for index in 0..<local.count { mean[index] = mean[index] + (x[index] - b[index]) }
      }
      for index in 0..<local.count { mean[index] = mean[index] / models }
      for other in block.others {
        let x = other.baseAddress! + local.lowerBound
        for index in 0..<local.count {
          let distance = (x[index] - b[index]) - mean[index]
          out[index] = out[index] + distance * distance
        }
      }
      for index in 0..<local.count { out[index] = out[index] / models }
    }
  }

  /// Fills portion `position + 1` of the memory with each model's selected changes, the first with working numbers.
  @inline(__always)
  private static func select<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ local: Range<Int>, _ cut: Cut?, _ partial: Bool,
    _ memory: UnsafeMutableBufferPointer<Wide>
  ) {
    let (chunk, count) = (WideBlock<Wide>.chunk, local.count)
    let variances = UnsafeMutableBufferPointer(rebasing: memory[..<count])
    if partial, let cut {
      Self.variances(block, local, into: variances.baseAddress!)
      // A kept variance is above zero, so that zero can stand for all others.
      cut.keepLargest(variances, from: block.elements.lowerBound + local.lowerBound)
    }
    for position in block.others.indices {
      let start = (position + 1) * chunk
      let changes = UnsafeMutableBufferPointer(rebasing: memory[start..<start + count])
      if cut == nil {
        changes.update(repeating: 0)
        continue
      }
      block.changes(position, local, into: changes)
      if partial {
        let (memory, variances) = (changes.baseAddress!, variances.baseAddress!)
        for index in 0..<count {
          memory[index] = memory[index].kept(variances[index] > 0)
        }
      }
    }
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (chunk, models) = (WideBlock<Wide>.chunk, block.others.count)
    let cut = measurements[0] == 1 ? Cut(measurements, at: 1) : nil
    let weights = measurements.suffix(models).map { Wide($0) }
    let least: Wide = 1e-6
    block.withRoom(of: Wide.self, capacity: chunk * (models + 3)) { memory in
      let votes = memory.baseAddress!
      let (sums, totals) = (votes + (models + 1) * chunk, votes + (models + 2) * chunk)
      block.forEachChunk { local in
        let count = local.count
        Self.select(block, local, cut, share < 1, memory)
        for index in 0..<count { (votes[index], sums[index], totals[index]) = (0, 0, 0) }
        for position in 0..<models {
          let changes = votes + (position + 1) * chunk
          for index in 0..<count { votes[index] = votes[index] + changes[index] }
        }
        // As signs: a change agrees where its product with the sign is positive.
        for index in 0..<count { votes[index] = votes[index] >= 0 ? 1 : -1 }
        for (position, weight) in weights.enumerated() {
          let changes = votes + (position + 1) * chunk
          for index in 0..<count {
            let change = changes[index]
            let (agrees, part) = (change * votes[index] > 0, change * weight)
            sums[index] = sums[index] + part.kept(agrees)
            totals[index] = totals[index] + weight.kept(agrees)
          }
        }
        let (target, b) = (out.baseAddress! + local.lowerBound, base.baseAddress! + local.lowerBound)
        for index in 0..<count {
          let total = totals[index]
          target[index] = b[index] + sums[index] / (total > least ? total : least)
        }
      }
    }
  }
}
