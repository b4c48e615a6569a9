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
    /// The most frequent magnitudes between the two, which need only be counted: differences of bf16 share few values.
    /// Where there are fewer than four, some that no number has.
    let frequent: [UInt32]
  }

  /// What one block has for one ranking.
  private struct Find {
    var counts = ck_bracket_counts()
    /// Those within the bracket that are not frequent.
    var keys: [UInt32] = []
    /// True where so many lie in the bracket that they were not kept.
    var isOverfull = false

    var frequent: [Int] {
      [counts.frequent.0, counts.frequent.1, counts.frequent.2, counts.frequent.3].map { Int($0) }
    }
  }

  /// A block and what it has for one ranking.
  private typealias Place = (elements: Range<Int>, find: Find)

  static func cuts(
    _ rankings: [Ranking], of tensor: TensorPasses<Wide>, _ source: @escaping RadixSelect<Wide>.Source
  ) throws -> [Cut]? {
    guard MemoryLayout<Wide>.size == 4, counts.contains(tensor.count) else { return nil }
    let brackets = try sample(rankings, tensor, source)
    let blocks = try tensor.map { block in (block.elements, finds(brackets, in: block, source)) }
    var cuts: [Cut] = []
    for (index, bracket) in brackets.enumerated() {
      let places = blocks.map { Place($0.0, $0.1[index]) }
      if places.contains(where: { $0.find.counts.highest >= 0x7F80_0000 }) { throw try tensor.notFinite() }
      guard let cut = try cut(bracket, places, tensor, source) else { return nil }
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
        block.withRoom(of: Wide.self, capacity: WideBlock<Wide>.chunk) { memory in
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
    return zip(rankings, keys).map { ranking, sample in
      var keys = sample
      let share = Double(ranking.count) / Double(tensor.count)
      let place = Int((ranking.largest ? 1 - share : share) * Double(keys.count))
      let margin = keys.count / 128
      let (low, high) = (place - margin, place + margin)
      // Zeros are never collected: a cut among them leaves nothing to decide.
      let least = low < 0 ? 1 : max(1, ck_nth(&keys, keys.count, min(low, keys.count - 1)))
      let most = high >= keys.count ? 0x7F7F_FFFF : max(1, ck_nth(&keys, keys.count, max(high, 0)))
      var times: [UInt32: Int] = [:]
      for key in keys where key >= least && key <= most { times[key, default: 0] += 1 }
      let often = times.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4).map(\.key)
      return Bracket(
        ranking: ranking, low: least, high: most, frequent: often + (often.count..<4).map { _ in UInt32.max })
    }
  }

  private static func finds(
    _ brackets: [Bracket], in block: WideBlock<Wide>, _ source: RadixSelect<Wide>.Source
  ) -> [Find] {
    let chunk = WideBlock<Wide>.chunk
    var finds = brackets.map { _ in Find() }
    block.withRoom(of: Wide.self, capacity: chunk) { values in
      block.withRoom(of: UInt32.self, capacity: chunk) { keys in
        for (index, bracket) in brackets.enumerated() {
          var find = Find()
          block.forEachChunk { local in
            if find.isOverfull { return }
            source(block, bracket.ranking.series, local, UnsafeMutableBufferPointer(rebasing: values[..<local.count]))
            let floats = UnsafeRawPointer(values.baseAddress!).assumingMemoryBound(to: Float.self)
            let count = ck_bracket(
              floats, local.count, bracket.low, bracket.high, bracket.frequent, keys.baseAddress!, &find.counts)
            find.keys.append(contentsOf: keys[..<count])
            find.isOverfull = find.keys.count > max(chunk, block.count / 4)
          }
          // What is kept until all blocks are done has no room to spare.
          find.keys = find.isOverfull ? [] : trimmed(find.keys)
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
  private static func cut(
    _ bracket: Bracket, _ places: [Place], _ tensor: TensorPasses<Wide>, _ source: RadixSelect<Wide>.Source
  ) throws -> Cut? {
    let above = places.reduce(0) { $0 + Int($1.find.counts.above) }
    let often = (0..<4).map { number in places.reduce(0) { $0 + $1.find.frequent[number] } }
    let within = places.reduce(often.reduce(0, +)) { $0 + $1.find.keys.count }
    let ranking = bracket.ranking
    let rank = ranking.count - (ranking.largest ? above : tensor.count - above - within)
    if places.contains(where: \.find.isOverfull) { return nil }
    if bracket.low == 1, ranking.largest ? rank > within : rank < 1 {
      return Cut(threshold: 0, end: tensor.count)
    }
    guard rank >= 1, rank <= within else { return nil }
    var search = Search(ranking: ranking, remaining: rank)
    for (shift, width) in [(UInt32(15), 16), (0, 15)] {
      var counts = [Int](repeating: 0, count: 1 << width)
      let mask = UInt32(1 << width) - 1
      func add(_ key: UInt32, _ times: Int) {
        if width == 16 || UInt64(key >> 15) == search.prefix { counts[Int(key >> shift & mask)] += times }
      }
      for (key, times) in zip(bracket.frequent, often) where times > 0 { add(key, times) }
      for place in places { for key in place.find.keys { add(key, 1) } }
      search.descend(counts[...], width)
    }
    let key = UInt32(search.prefix)
    let threshold = Double(Float(bitPattern: key))
    if search.remaining == search.found { return Cut(threshold: threshold, end: tensor.count) }
    let number = bracket.frequent.firstIndex(of: key)
    var left = search.remaining
    for (elements, find) in places {
      let equal = number.map { find.frequent[$0] } ?? find.keys.count { $0 == key }
      if left <= equal {
        return Cut(threshold: threshold, end: try tensor.end(of: left, equalTo: search, in: elements, source))
      }
      left -= equal
    }
    return nil
  }
}
