internal import CKernels
internal import Glibc

/// linear, passthrough, model_stock, sce, ram, ramplus_tl and arcee_fusion of mergekit 0.1.5, one rounding an
/// operation.
enum StepOthers<Working: WorkingType> {
  typealias Step = Stepwise<Working>
  typealias Wide = Stepwise<WorkingF32>

  /// Fused multiply-adds in f32, one rounding at the end.
  static func linear(_ all: [[Float]], weights: [Double], normalizes: Bool) -> [Float] {
    let weights = weights.map { Float($0) }
    let sum = Wide.total(weights.count) { weights[$0] }
    return Step.each(all[0].count) { index in
      var total: Float = 0
      for model in all.indices { total = total.addingProduct(all[model][index], weights[model]) }
      return Step.r(normalizes ? total / sum : total)
    }
  }

  static func passthrough(_ values: [Float], scale: Double?) -> [Float] {
    guard let scale = scale.map({ Float($0) }) else { return values }
    return values.map { Step.r($0 * scale) }
  }

  static func modelStock(_ tensor: StepTensor, filterWise: Bool) -> [Float] {
    guard let base = tensor.base, tensor.others.count > 1 else { return tensor.base ?? [] }
    let models = tensor.others.count
    let changes = tensor.others.map { Step.difference($0, base) }
    let length = filterWise ? tensor.rowLength : tensor.count
    let count = Float(models)
    let floor = Step.r(1e-6)
    var out = base
    for (rowNumber, start) in stride(from: 0, to: tensor.count, by: max(1, length)).enumerated() {
      let row = start..<start + length
      let norms = changes.map { Step.r(Step.norm($0[row])) }
      var cosines: [Float] = []
      for a in 0..<models {
        for b in a + 1..<models {
          let dot = Step.r(Step.total(length) { Step.r(changes[a][start + $0] * changes[b][start + $0]) })
          cosines.append(Step.clamp(Step.r(dot / max(Step.r(norms[a] * norms[b]), floor)), -1, 1))
        }
      }
      // torch adds up the pairs of many rows at once.
      let isVector = rowNumber < Cascade.wholeColumns(of: tensor.count / length, isHalf: false)
      let sum = isVector ? Cascade.chain(cosines.count) { cosines[$0] } : Cascade.fours(cosines.count) { cosines[$0] }
      let cosine = Step.r(sum / Float(cosines.count))
      let divisor = Step.r(1 + Step.r((count - 1) * cosine))
      let t = divisor.magnitude < 1e-6 ? 0 : Step.r(Step.r(count * cosine) / divisor)
      let rest = Step.r(1 - t)
      for index in row {
        var total = tensor.others[0][index]
        for other in tensor.others.dropFirst() { total = Step.r(total + other[index]) }
        out[index] = Step.r(Step.r(t * Step.r(total / count)) + Step.r(rest * base[index]))
      }
    }
    return out
  }

  static func sce(_ tensor: StepTensor, share: Double) -> [Float] {
    let base = tensor.base ?? []
    let (count, models) = (base.count, tensor.others.count)
    var changes = tensor.others.map { Step.difference($0, base) }
    if share < 1 {
      let variances = Step.each(count) { index in
        // Welford's sums, as torch has them.
        var (mean, total) = (0.0, 0.0)
        for (model, change) in changes.enumerated() {
          let distance = Double(change[index]) - mean
          mean += distance / Double(model + 1)
          total += distance * (Double(change[index]) - mean)
        }
        return Step.r(Float(total / Double(models)))
      }
      let keep = Int(Float(variances.count { $0 != 0 }) * max(0, Float(share)))
      var chosen = [UInt32](repeating: 0, count: keep)
      ck_topk(variances, &chosen, count, keep)
      var mask = [Bool](repeating: false, count: count)
      for index in chosen { mask[Int(index)] = true }
      changes = changes.map { change in Step.each(count) { mask[$0] ? change[$0] : change[$0] * 0 } }
    }
    let squares = changes.map { change in
      Step.r(Wide.total(count) { Step.r(change[$0] * change[$0]) } / Float(count))
    }
    let total = Step.r(Step.total(models) { squares[$0] })
    let weights =
      total.magnitude < 1e-6
      ? squares.map { _ in Step.r(1 / Float(models)) } : squares.map { Step.r($0 / total) }
    let majority = Step.sum(changes, count: count).map { Step.r($0) >= 0 }
    let floor = Step.r(1e-6)
    func weight(_ model: Int, _ index: Int) -> Float {
      let value = changes[model][index]
      return (majority[index] ? value > 0 : value < 0) ? weights[model] : 0
    }
    let mixed = Step.sum(models, count: count) { Step.r(changes[$0][$1] * weight($0, $1)) }
    let divisor = Step.sum(models, count: count, weight)
    return Step.each(count) {
      Step.r(base[$0] + Step.r(Step.r(mixed[$0]) / max(Step.r(divisor[$0]), floor)))
    }
  }

  /// With `plus`, elements that one model alone changes are made larger; the result is then f32, not rounded.
  static func ram(
    _ tensor: StepTensor, epsilon: Double, plus: (rate: Double, alpha: Double)?
  ) -> [Float] {
    let base = tensor.base ?? []
    let count = base.count
    let threshold = Step.r(epsilon)
    let changes = tensor.others.map { Step.difference($0, base) }
    let active = Step.each(count) { index in
      changes.reduce(Float(0)) { $0 + ($1[index].magnitude > threshold ? 1 : 0) }
    }
    let factors: [Float] = changes.map { change in
      guard let plus else { return 1 }
      var (shared, alone): (Float, Float) = (0, 0)
      for index in 0..<count where change[index].magnitude > threshold {
        if active[index] > 1 { shared += 1 } else { alone += 1 }
      }
      return 1 + Float(plus.rate) * Step.clamp(shared / max(alone, Float(epsilon)), 0, Float(plus.alpha))
    }
    func term(_ model: Int, _ index: Int) -> Float {
      let value = changes[model][index]
      if value.magnitude <= threshold { return 0 }
      return active[index] > 1 ? Step.r(value / active[index]) : value * factors[model]
    }
    if plus != nil {
      let total = Wide.sum(changes.count, count: count, term)
      return Step.each(count) { base[$0] + total[$0] }
    }
    let total = Step.sum(changes.count, count: count, term)
    return Step.each(count) { Step.r(base[$0] + Step.r(total[$0])) }
  }

  /// The result is f32, not rounded.
  static func fusion(_ tensor: StepTensor, _ random: inout MersenneTwister) -> [Float] {
    let base = tensor.base ?? []
    let other = tensor.others[0]
    let (count, length) = (base.count, tensor.rowLength)
    let change = Step.difference(other, base)
    var scores = change.map(\.magnitude)
    for start in stride(from: 0, to: count, by: max(1, length)) {
      let p = Softmax.of(other[start..<start + length], isHalf: Working.isHalf).map {
        Step.r(Step.r($0) + Step.r(1e-8))
      }
      let q = Softmax.of(base[start..<start + length], isHalf: Working.isHalf).map { Step.r(Step.r($0) + Step.r(1e-8)) }
      let divergence = Step.r(
        Step.total(length) { Step.r(p[$0] * Step.r(logf(Step.r(p[$0] / q[$0])))) })
      for index in start..<start + length { scores[index] = Step.r(scores[index] * divergence) }
    }
    var sample = scores
    if count > 1_000_000 {
      sample = (0..<1_000_000).map { _ in scores[Int(random.next()) % count] }
    }
    sample.sort()
    func quantile(_ share: Float) -> Float { sample.isEmpty ? 0 : sample[Int(share * Float(sample.count - 1))] }
    let spread = Step.r(quantile(0.75) - quantile(0.25))
    let threshold = Step.r(quantile(0.5) + Step.r(1.5 * spread))
    return Step.each(count) { scores[$0] >= threshold ? base[$0] + change[$0] : base[$0] + change[$0] * 0 }
  }
}
