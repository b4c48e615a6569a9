internal import CKernels
internal import Tensors

/// Finds cuts of large f32 tensors in one pass: a sample says between which two magnitudes a cut must lie, the pass
/// counts what is above and collects what is between. Where the sample was wrong, or too much lies between, nothing is
/// found and `RadixSelect` counts digits; what is found is the same.
struct BracketSelect<Wide: WideElement> {
  typealias Ranking = RadixSelect<Wide>.Ranking
  private typealias Search = RadixSelect<Wide>.Search

  /// Smaller tensors are as quickly counted; of larger ones too much would be collected.
  static var counts: ClosedRange<Int> { 1 << 18...1 << 26 }
  private static var stretches: Int { 16 }
  private static var stretchElements: Int { 4096 }

  private struct Bracket {
    let ranking: Ranking
    let low: UInt32
    let high: UInt32
  }

  /// What one block has for one ranking.
  private struct Find {
    var above: UInt64 = 0
    var highest: UInt32 = 0
    var keys: [UInt32] = []
    /// Positions in the block.
    var positions: [UInt32] = []
    /// True where so many lie in the bracket that they were not kept.
    var isOverfull = false
  }

  static func cuts(
    _ rankings: [Ranking], of tensor: TensorPasses<Wide>, _ source: @escaping RadixSelect<Wide>.Source
  ) throws -> [Cut]? {
    guard MemoryLayout<Wide>.size == 4, counts.contains(tensor.count) else { return nil }
    let brackets = try sample(rankings, tensor, source)
    let blocks = try tensor.map { block in
      (block.elements.lowerBound, finds(brackets, in: block, source))
    }
    var cuts: [Cut] = []
    for (index, bracket) in brackets.enumerated() {
      let finds = blocks.map { (start: $0.0, find: $0.1[index]) }
      if finds.contains(where: { $0.find.highest >= 0x7F80_0000 }) { throw try tensor.notFinite() }
      guard let cut = cut(bracket, finds, count: tensor.count) else { return nil }
      cuts.append(cut)
    }
    return cuts
  }

  /// Brackets around the places of the cuts among sampled elements, one in 128 of them to either side.
  private static func sample(
    _ rankings: [Ranking], _ tensor: TensorPasses<Wide>, _ source: RadixSelect<Wide>.Source
  ) throws -> [Bracket] {
    var keys = rankings.map { _ in [UInt32]() }
    for stretch in 0..<stretches {
      let start = (tensor.count - stretchElements) / (stretches - 1) * stretch
      try tensor.read(start..<start + stretchElements) { block in
        withUnsafeTemporaryAllocation(of: Wide.self, capacity: WideBlock<Wide>.chunk) { memory in
          for (index, ranking) in rankings.enumerated() {
            block.forEachChunk { local in
              let values = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
              source(block, ranking.series, local, values)
              keys[index] += values.map { UInt32(truncatingIfNeeded: $0.magnitudeBits) }
            }
          }
        }
      }
    }
    return zip(rankings, keys).map { ranking, keys in
      let sorted = keys.sorted()
      let share = Double(ranking.count) / Double(tensor.count)
      let place = Int((ranking.largest ? 1 - share : share) * Double(sorted.count))
      let margin = sorted.count / 128
      let (low, high) = (place - margin, place + margin)
      // Zeros are never collected: a cut among them leaves nothing to decide.
      return Bracket(
        ranking: ranking, low: low < 0 ? 1 : max(1, sorted[min(low, sorted.count - 1)]),
        high: high >= sorted.count ? 0x7F7F_FFFF : max(1, sorted[max(high, 0)]))
    }
  }

  private static func finds(
    _ brackets: [Bracket], in block: WideBlock<Wide>, _ source: RadixSelect<Wide>.Source
  ) -> [Find] {
    let chunk = WideBlock<Wide>.chunk
    var finds = brackets.map { _ in Find() }
    withUnsafeTemporaryAllocation(of: Wide.self, capacity: chunk) { values in
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 2 * (chunk + 16)) { room in
        let (keys, positions) = (room.baseAddress!, room.baseAddress! + chunk + 16)
        for (index, bracket) in brackets.enumerated() {
          var find = Find()
          block.forEachChunk { local in
            if find.isOverfull { return }
            source(block, bracket.ranking.series, local, UnsafeMutableBufferPointer(rebasing: values[..<local.count]))
            let floats = UnsafeRawPointer(values.baseAddress!).assumingMemoryBound(to: Float.self)
            let count = ck_bracket(
              floats, local.count, bracket.low, bracket.high, UInt32(local.lowerBound), keys, positions,
              &find.above, &find.highest)
            find.keys.append(contentsOf: UnsafeBufferPointer(start: keys, count: count))
            find.positions.append(contentsOf: UnsafeBufferPointer(start: positions, count: count))
            find.isOverfull = find.keys.count > max(chunk, block.count / 4)
          }
          // What is kept until all blocks are done has no room to spare.
          find.keys = find.isOverfull ? [] : trimmed(find.keys)
          find.positions = find.isOverfull ? [] : trimmed(find.positions)
          finds[index] = find
        }
      }
    }
    return finds
  }

  private static func trimmed(_ words: [UInt32]) -> [UInt32] {
    [UInt32](unsafeUninitializedCapacity: words.count) { memory, initialized in
      initialized = memory.initialize(fromContentsOf: words)
    }
  }

  /// The cut, where it lies in the bracket.
  private static func cut(_ bracket: Bracket, _ finds: [(start: Int, find: Find)], count: Int) -> Cut? {
    let above = finds.reduce(0) { $0 + Int($1.find.above) }
    let within = finds.reduce(0) { $0 + $1.find.keys.count }
    let ranking = bracket.ranking
    let rank = ranking.count - (ranking.largest ? above : count - above - within)
    if finds.contains(where: \.find.isOverfull) { return nil }
    if bracket.low == 1, ranking.largest ? rank > within : rank < 1 {
      return Cut(threshold: 0, end: count)
    }
    guard rank >= 1, rank <= within else { return nil }
    var search = Search(ranking: ranking, remaining: rank)
    for (shift, width) in [(UInt32(15), 16), (0, 15)] {
      var counts = [Int](repeating: 0, count: 1 << width)
      let mask = UInt32(1 << width) - 1
      for (_, find) in finds {
        for key in find.keys where width == 16 || UInt64(key >> 15) == search.prefix {
          counts[Int(key >> shift & mask)] += 1
        }
      }
      search.descend(counts[...], width)
    }
    let key = UInt32(search.prefix)
    let threshold = Double(Float(bitPattern: key))
    if search.remaining == search.found { return Cut(threshold: threshold, end: count) }
    var left = search.remaining
    for (start, find) in finds {
      for (index, candidate) in find.keys.enumerated() where candidate == key {
        left -= 1
        if left == 0 { return Cut(threshold: threshold, end: start + Int(find.positions[index]) + 1) }
      }
    }
    return nil
  }
}
