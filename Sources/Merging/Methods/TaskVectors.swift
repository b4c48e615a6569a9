internal import Tensors

/// Zeroes a part of task vectors.
protocol Pruning {
  /// Zeroes elements of the task vector of the model at `position` among those that are not the base.
  ///
  /// `changes` holds the elements at `local` of the block: whole rows where the method needs rows. `measurements` are
  /// those of the pruning, perhaps followed by others.
  func prune<Wide: WideElement>(
    _ changes: UnsafeMutableBufferPointer<Wide>, _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>,
    _ measurements: Measurements)

  /// The sums of magnitudes of such elements before and after pruning, in one step; nil where there is none for them.
  func magnitudes<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>
  ) -> (all: Double, kept: Double)?

  /// Fills `changes` with such elements, pruned and times two factors, and adds them to the sums, in one step; false
  /// where there is none for them, and nothing was done.
  func weigh<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>, times factor: Wide, times weight: Wide,
    into changes: UnsafeMutableBufferPointer<Wide>, and sums: UnsafeMutablePointer<Wide>
  ) -> Bool
}

extension Pruning {
  @inline(__always)
  func magnitudes<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>
  ) -> (all: Double, kept: Double)? { nil }

  @inline(__always)
  func weigh<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>, times factor: Wide, times weight: Wide,
    into changes: UnsafeMutableBufferPointer<Wide>, and sums: UnsafeMutablePointer<Wide>
  ) -> Bool { false }
}

/// What the methods over pruned task vectors share: prune, rescale, weigh, elect signs, normalize, times lambda, add
/// the base. The order of steps and the rescaling by L1 norms are mergekit's; where the recipe asks for the papers'
/// (`stemma: {rescale: paper}`), a kept element is divided by the probability of keeping it, and nothing is measured.
struct TaskVectors {
  let densities: [Double]
  private let weights: [Double]
  private let normalize: Bool
  private let rescale: Bool
  /// True where kept elements are divided by their probability; the pruning does that.
  let rescalesByPaper: Bool
  private let lambda: Double
  private let consensus: Bool

  init(_ call: MethodCall) {
    weights = call.perInput["weight"] ?? []
    densities = call.perInput["density"] ?? weights.map { _ in 1 }
    normalize = call.settings["normalize"] == 1
    rescalesByPaper = call.settings["rescale"] == 1 && call.settings["rescale_paper"] == 1
    rescale = call.settings["rescale"] == 1 && !rescalesByPaper
    lambda = call.settings["lambda"] ?? 1
    consensus = call.name.electsSigns
  }

  /// The pruning's measurements followed, where vectors are rescaled, by a factor for each model: the L1 norm before
  /// pruning over that after it, 1 where either is below 1e-7.
  @inline(__always)
  func measure<Wide: WideElement>(
    _ tensor: TensorPasses<Wide>, _ pruning: some Pruning, _ measurements: Measurements, rows: Bool = false
  ) throws -> Measurements {
    guard rescale else { return measurements }
    let pruned = densities.indices.filter { densities[$0] < 1 }
    var factors = [Double](repeating: 1, count: densities.count)
    if pruned.isEmpty { return measurements + factors }
    let sums = try tensor.finite(
      tensor.sums(2 * pruned.count) { block, sums in
        let chunk = rows ? block.rowChunk : WideBlock<Wide>.chunk
        block.withRoom(of: Wide.self, capacity: chunk) { memory in
          block.forEachChunk(chunk) { local in
            let changes = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
            for (term, position) in pruned.enumerated() {
              if let found = pruning.magnitudes(position, local, of: block) {
                sums[2 * term] += found.all
                sums[2 * term + 1] += found.kept
                continue
              }
              block.changes(position, local, into: changes)
              sums[2 * term] += Wide.magnitudes(changes.baseAddress!, changes.count)
              pruning.prune(changes, position, local, of: block, measurements)
              sums[2 * term + 1] += Wide.magnitudes(changes.baseAddress!, changes.count)
            }
          }
        }
      })
    for (term, position) in pruned.enumerated() where min(sums[2 * term], sums[2 * term + 1]) >= 1e-7 {
      factors[position] = sums[2 * term] / sums[2 * term + 1]
    }
    return try tensor.finite(measurements + factors)
  }

  /// Fills `out` with the base plus the mixed task vectors.
  @inline(__always)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, _ pruning: some Pruning,
    rows: Bool = false, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    if weights.isEmpty {
      _ = out.update(from: base)
      return
    }
    let models = weights.count
    // Where nothing is pruned nothing was measured, and there is nothing to scale back.
    let isScaled = rescale && !measurements.isEmpty
    let factors = isScaled ? measurements.suffix(models).map { Wide($0) } : [Wide](repeating: 1, count: models)
    let scales = weights.map { Wide($0) }
    let whole = Linear.sum(weights, as: Wide.self)
    let divisor: Wide = whole.magnitude < 1e-8 ? 1 : whole
    let chunk = rows ? block.rowChunk : WideBlock<Wide>.chunk
    block.withRoom(of: Wide.self, capacity: chunk * models) { memory in
      block.forEachChunk(chunk) { local in
        let sums = UnsafeMutableBufferPointer(rebasing: out[local])
        sums.update(repeating: 0)
        for position in 0..<models {
          let start = position * chunk
          let changes = UnsafeMutableBufferPointer(rebasing: memory[start..<start + local.count])
          let (factor, weight) = (factors[position], scales[position])
          if pruning.weigh(
            position, local, of: block, times: factor, times: weight, into: changes, and: sums.baseAddress!)
          {
            continue
          }
          block.changes(position, local, into: changes)
          pruning.prune(changes, position, local, of: block, measurements)
          Wide.weigh(changes, times: factor, times: weight, into: sums.baseAddress!)
        }
        if consensus {
          Wide.elect(sums, among: memory.baseAddress!, stride: chunk, weights: scales, normalize: normalize)
        } else if normalize {
          Wide.divide(sums, by: divisor)
        }
        if lambda != 1 { Wide.scale(sums, by: Wide(lambda)) }
        Wide.add(UnsafeBufferPointer(rebasing: base[local]), to: sums)
      }
    }
  }
}
