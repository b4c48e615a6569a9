internal import Tensors

/// Changes that only one model makes are kept in full, those that several make are averaged: `ram`, and with a gain on
/// the former `ramplus_tl`.
///
/// Yuan et al., "Behavior knowledge merge in reinforced agentic models", arXiv 2601.13572. A change counts where its
/// magnitude is above epsilon. `ramplus_tl` multiplies what model `i` alone changes by `1 + r · clamp(sharedᵢ /
/// uniqueᵢ, 0, alpha)`, with the numbers of its elements that others change too, and do not.
struct Ram: BlockMethod {
  private let plus: Bool
  private let epsilon: Double
  private let rate: Double
  private let alpha: Double

  init(_ call: MethodCall) {
    plus = call.name == .ramPlus
    epsilon = call.settings["epsilon"] ?? 1e-5
    rate = call.settings["r"] ?? 0.1
    alpha = call.settings["alpha"] ?? 0.2
  }

  /// A gain for each model; nothing for `ram`.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    guard plus else { return [] }
    let models = tensor.models
    let counts = try tensor.counts(2 * models) { block, tally in
      Self.forEachChunk(of: block, Wide(epsilon)) { local, active, changes in
        for position in 0..<models {
          let change = changes + position * WideBlock<Wide>.chunk
          var (shared, unique) = (0, 0)
          for index in 0..<local.count {
            let (counts, several) = (change[index] != 0, active[index] > 1)
            shared &+= counts && several ? 1 : 0
            unique &+= counts && !several ? 1 : 0
          }
          tally[2 * position] += shared
          tally[2 * position + 1] += unique
        }
      }
    }
    return (0..<models).map { position in
      let share = Double(counts[2 * position]) / max(Double(counts[2 * position + 1]), epsilon)
      return 1 + rate * min(max(share, 0), alpha)
    }
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let gains = plus ? measurements.map { Wide($0) } : block.others.map { _ in 1 }
    Self.forEachChunk(of: block, Wide(epsilon)) { local, active, changes in
      let (target, b) = (out.baseAddress! + local.lowerBound, base.baseAddress! + local.lowerBound)
      for index in 0..<local.count { target[index] = 0 }
      for position in 0..<gains.count {
        let (change, gain) = (changes + position * WideBlock<Wide>.chunk, gains[position])
        for index in 0..<local.count {
          let count = active[index]
          let part = count > 1 ? change[index] / count : change[index] * gain
          target[index] = target[index] + part
        }
      }
      for index in 0..<local.count { target[index] = b[index] + target[index] }
    }
  }

  /// Hands over how many models change each element of a chunk, and the models' changes (zero where they do not count),
  /// one chunk after another.
  @inline(__always)
  private static func forEachChunk<Wide: WideElement>(
    of block: WideBlock<Wide>, _ epsilon: Wide,
    _ body: (Range<Int>, _ active: UnsafeMutablePointer<Wide>, _ changes: UnsafeMutablePointer<Wide>) -> Void
  ) {
    let (chunk, models) = (WideBlock<Wide>.chunk, block.others.count)
    block.withRoom(of: Wide.self, capacity: chunk * (models + 1)) { memory in
      let active = memory.baseAddress!
      block.forEachChunk { local in
        for index in 0..<local.count { active[index] = 0 }
        for position in 0..<models {
          let start = (position + 1) * chunk
          let changes = UnsafeMutableBufferPointer(rebasing: memory[start..<start + local.count])
          block.changes(position, local, into: changes)
          let memory = changes.baseAddress!
          for index in 0..<local.count {
            let change = memory[index]
            let counts = change.magnitude > epsilon
            active[index] = active[index] + (counts ? 1 : 0)
            memory[index] = change.kept(counts)
          }
        }
        body(local, active, active + chunk)
      }
    }
  }
}
