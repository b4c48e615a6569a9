internal import CKernels

/// One tensor of the models of a merge, as mergekit sees it after loading.
struct StepTensor {
  /// The extents; a scalar has none.
  let shape: [Int]
  /// Values of the base, where the method has one.
  let base: [Float]?
  /// Values of the other models in the order of the recipe.
  let others: [[Float]]

  var count: Int { others.first?.count ?? base?.count ?? 0 }
  /// The length of vectors along the last axis; a scalar is one vector of one element.
  var rowLength: Int { shape.last ?? 1 }
  var rowCount: Int { shape.dropLast().reduce(1, *) }
}

/// How the task-vector family prunes.
enum StepPruning {
  case none
  /// Keeps the largest, as TIES does.
  case magnitude(density: [Double])
  /// Drops the largest and the smallest, as Model Breadcrumbs does.
  case outliers(density: [Double], gamma: [Double])
  /// Keeps at random, as DARE does.
  case random(density: [Double])
  /// Keeps at random, the larger the likelier, as DELLA does.
  case ranked(density: [Double], epsilon: [Double])
}

/// task_arithmetic, ties, dare_linear, dare_ties, della, della_linear, breadcrumbs, breadcrumbs_ties of mergekit 0.1.5,
/// one rounding an operation.
struct StepTasks<Working: WorkingType> {
  typealias Step = Stepwise<Working>
  typealias Draw = Stepwise<Working.Drawing>

  let weights: [Double]
  let pruning: StepPruning
  let hasConsensus: Bool
  let normalizes: Bool
  let rescales: Bool
  let lambda: Double

  func merge(_ tensor: StepTensor, _ random: inout MersenneTwister) -> [Float] {
    let base = tensor.base ?? []
    guard !tensor.others.isEmpty else { return base }
    let count = base.count
    var changes: [[Float]] = []
    for (index, other) in tensor.others.enumerated() {
      let change = prune(Step.difference(other, base), index, tensor, &random)
      let weight = Step.r(weights[index])
      changes.append(Step.each(count) { Step.r(change[$0] * weight) })
    }
    let rounded = weights.map { Step.r($0) }
    var mixed: [Float]
    var divisor: [Float]
    if hasConsensus {
      (mixed, divisor) = elect(changes, rounded, count)
    } else {
      mixed = Step.sum(changes, count: count).map { Step.r($0) }
      let sum = Step.r(Step.total(rounded.count) { rounded[$0] })
      divisor = [sum.magnitude < Step.r(1e-8) ? 1 : sum]
    }
    if normalizes {
      let isScalar = divisor.count == 1 && !hasConsensus
      mixed = Step.each(count) { Step.r(mixed[$0] / (isScalar ? divisor[0] : divisor[$0])) }
    }
    if lambda != 1 {
      let factor = Float(lambda)
      mixed = Step.each(count) { Step.r(mixed[$0] * factor) }
    }
    return Step.addition(base, mixed)
  }

  /// The sum of the changes whose sign is that of the sum of all, and the sum of their weights.
  private func elect(_ changes: [[Float]], _ weights: [Float], _ count: Int) -> ([Float], [Float]) {
    let majority = Step.sum(changes, count: count).map { Step.r($0) >= 0 }
    func agrees(_ model: Int, _ index: Int) -> Bool {
      majority[index] ? changes[model][index] > 0 : changes[model][index] < 0
    }
    var mixed = Step.sum(changes.count, count: count) { agrees($0, $1) ? changes[$0][$1] : changes[$0][$1] * 0 }
    var divisor = Step.sum(changes.count, count: count) { agrees($0, $1) ? weights[$0] : 0 }
    for index in 0..<count {
      mixed[index] = Step.r(mixed[index])
      divisor[index] = Step.r(divisor[index])
      if divisor[index] == 0 { divisor[index] = 1 }
    }
    return (mixed, divisor)
  }

  private func prune(
    _ change: [Float], _ model: Int, _ tensor: StepTensor, _ random: inout MersenneTwister
  ) -> [Float] {
    switch pruning {
    case .none: return change
    case .magnitude(let density):
      let density = density[model]
      if density >= 1 { return change }
      let keep = density <= 0 || change.isEmpty ? 0 : max(1, Int(density * Double(change.count)))
      return rescaled(change, keeping: positions(change, descending: true)[..<keep])
    case .outliers(let density, let gamma):
      if density[model] >= 1 { return change }
      let count = change.count
      let keep = Int(max(0, density[model]) * Double(count))
      let top = Int(min(max(gamma[model], -1), 1) * Double(count))
      let bottom = max(0, count - keep - top)
      let order = positions(change, descending: false)
      return rescaled(change, keeping: order[min(bottom, count)..<min(bottom + keep, count)])
    case .random(let density):
      if density[model] >= 1 { return change }
      let probability = Draw.r(density[model])
      return rescaled(change, mask: change.map { _ in random.isBelow(probability) }, as: Working.Drawing.self)
    case .ranked(let density, let epsilon):
      if density[model] >= 1 { return change }
      if density[model] <= 0 { return change.map { $0 * 0 } }
      let odds = Self.odds(change, tensor, density: density[model], epsilon: epsilon[model])
      return rescaled(change, mask: odds.map { random.isBelow($0) }, as: Working.Drawing.self)
    }
  }

  private func positions(_ change: [Float], descending: Bool) -> [UInt32] {
    let keys = change.map(\.magnitude)
    return [UInt32](unsafeUninitializedCapacity: keys.count) { order, initialized in
      ck_order(keys, order.baseAddress, keys.count, descending ? 1 : 0)
      initialized = keys.count
    }
  }

  private func rescaled(_ change: [Float], keeping kept: ArraySlice<UInt32>) -> [Float] {
    var mask = [Bool](repeating: false, count: change.count)
    for position in kept { mask[Int(position)] = true }
    return rescaled(change, mask: mask, as: Working.self)
  }

  /// The kept elements, made larger by the share of the L1 norm that was lost where the method rescales.
  private func rescaled<Type: WorkingType>(_ change: [Float], mask: [Bool], as _: Type.Type) -> [Float] {
    typealias Wide = Stepwise<Type>
    let kept = Step.each(change.count) { mask[$0] ? change[$0] : change[$0] * 0 }
    guard rescales else { return kept }
    let before = Wide.r(Wide.total(change.count) { change[$0].magnitude })
    let after = Wide.r(Wide.total(change.count) { kept[$0].magnitude })
    if min(before, after) < Wide.r(1e-7) { return kept }
    let factor = Wide.r(before / after)
    return Step.each(change.count) { Step.r(kept[$0] * factor) }
  }

  /// DELLA's probability of keeping each element: by its rank in its row, ranks themselves rounded.
  private static func odds(
    _ change: [Float], _ tensor: StepTensor, density: Double, epsilon: Double
  ) -> [Float] {
    let length = tensor.rowLength
    let (factor, lowest) = (Float(epsilon), Draw.r(density - epsilon))
    var odds = [Float](repeating: 0, count: change.count)
    var order = [UInt32](repeating: 0, count: length)
    var keys = [Float](repeating: 0, count: length)
    var ranks = keys
    for row in 0..<(length == 0 ? 0 : change.count / length) {
      for column in 0..<length { keys[column] = change[row * length + column].magnitude }
      ck_order(keys, &order, length, 0)
      for (rank, column) in order.enumerated() { ranks[Int(column)] = Draw.r(Draw.r(Float(rank)) + 1) }
      let (low, high) = (ranks.min()!, ranks.max()!)
      let span = Draw.r(high - low)
      for column in 0..<length {
        let place = Draw.clamp(Draw.r(Draw.r(ranks[column] - low) / span), 0, 1)
        odds[row * length + column] = Draw.r(Draw.r(Draw.r(place * 2) * factor) + lowest)
      }
    }
    return odds
  }
}
