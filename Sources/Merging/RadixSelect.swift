internal import Tensors

/// Where a ranking of all elements of a tensor by magnitude is cut: magnitude first, then index, lower indices first.
struct Cut: Equatable {
  /// The magnitude at the cut.
  let threshold: Double
  /// Elements of exactly that magnitude are on the nearer side of the cut where their index is below this.
  let end: Int

  init(threshold: Double, end: Int) {
    self.threshold = threshold
    self.end = end
  }

  /// As two measurements from `index` on.
  init(_ measurements: Measurements, at index: Int) {
    threshold = measurements[index]
    end = Int(measurements[index + 1])
  }

  var measurements: Measurements { [threshold, Double(end)] }

  /// Zeroes what is not among the largest; `values` start at element `start`.
  func keepLargest<Wide: WideElement>(_ values: UnsafeMutableBufferPointer<Wide>, from start: Int) {
    keep(values, from: start, { $0...Wide.Bits.max }, { $0 + 1...Wide.Bits.max })
  }

  /// Zeroes what is not among the smallest.
  func keepSmallest<Wide: WideElement>(_ values: UnsafeMutableBufferPointer<Wide>, from start: Int) {
    keep(values, from: start, { 0...$0 }, { $0 == 0 ? nil : 0...$0 - 1 })
  }

  /// Zeroes the smallest.
  func dropSmallest<Wide: WideElement>(_ values: UnsafeMutableBufferPointer<Wide>, from start: Int) {
    keep(values, from: start, { $0 + 1...Wide.Bits.max }, { $0...Wide.Bits.max })
  }

  /// Keeps the magnitudes (as bits) that `before` makes of that at the cut, and from element `end` on those of `after`.
  private func keep<Wide: WideElement>(
    _ values: UnsafeMutableBufferPointer<Wide>, from start: Int, _ before: (Wide.Bits) -> ClosedRange<Wide.Bits>?,
    _ after: (Wide.Bits) -> ClosedRange<Wide.Bits>?
  ) {
    let cut = Wide.Bits(Wide(threshold).magnitudeBits)
    let split = split(values.count, start)
    for (part, kept) in [(0..<split, before(cut)), (split..<values.count, after(cut))] where !part.isEmpty {
      let part = UnsafeMutableBufferPointer(rebasing: values[part])
      Wide.keep(part, from: kept?.lowerBound ?? 1, through: kept?.upperBound ?? 0)
    }
  }

  /// How many of these elements lie before `end`.
  @inline(__always) func split(_ count: Int, _ start: Int) -> Int { min(max(end - start, 0), count) }
}

/// Finds cuts by counting digits of magnitudes, the highest first: exact, in memory that does not grow with the tensor.
struct RadixSelect<Wide: WideElement> {
  /// One cut to find.
  struct Ranking {
    /// Which numbers of the elements are ranked; say, those of one model.
    let series: Int
    /// How many elements are on the nearer side, at least 1 and at most all.
    let count: Int
    /// True where the nearer side is that of the largest.
    let largest: Bool
  }

  /// Fills the buffer with the numbers of one series at these positions of the block, a chunk of them at most.
  typealias Source = (WideBlock<Wide>, _ series: Int, Range<Int>, UnsafeMutableBufferPointer<Wide>) -> Void

  /// The way to one cut.
  struct Search {
    let ranking: Ranking
    /// The digits found so far.
    var prefix: UInt64 = 0
    /// How many are still to be found below that prefix.
    var remaining: Int
    /// All elements of that prefix.
    var found = 0

    /// Takes the digit in which the cut lies, given the counts of all digits.
    mutating func descend(_ counts: ArraySlice<Int>, _ width: Int) {
      let order = ranking.largest ? Array(counts.indices.reversed()) : Array(counts.indices)
      for index in order {
        if remaining <= counts[index] {
          prefix = prefix << UInt64(width) | UInt64(index - counts.startIndex)
          found = counts[index]
          return
        }
        remaining -= counts[index]
      }
    }
  }

  private let tensor: TensorPasses<Wide>
  private let source: Source
  private var searches: [Search]

  /// The cuts of these rankings; refuses numbers that are not finite.
  @inline(__always)
  static func cuts(
    _ rankings: [Ranking], of tensor: TensorPasses<Wide>, _ source: @escaping Source
  ) throws -> [Cut] {
    if rankings.isEmpty { return [] }
    if let cuts = try BracketSelect.cuts(rankings, of: tensor, source) { return cuts }
    return try counted(rankings, of: tensor, source)
  }

  /// The same by counting alone.
  @inline(__always)
  static func counted(
    _ rankings: [Ranking], of tensor: TensorPasses<Wide>, _ source: @escaping Source
  ) throws -> [Cut] {
    var select = RadixSelect(rankings, tensor, source)
    var above = magnitudeWidth
    while above > 0 {
      let width = min(16, above)
      try select.narrow(from: above, width)
      above -= width
    }
    return try select.finished()
  }

  private static var magnitudeWidth: Int { MemoryLayout<Wide>.size * 8 - 1 }

  private init(_ rankings: [Ranking], _ tensor: TensorPasses<Wide>, _ source: @escaping Source) {
    self.tensor = tensor
    self.source = source
    searches = rankings.map { Search(ranking: $0, remaining: $0.count) }
  }

  /// Finds the digit of `width` bits below bit `above`.
  private mutating func narrow(from above: Int, _ width: Int) throws {
    let bins = 1 << width
    let shift = UInt64(above - width)
    let mask = UInt64(bins - 1)
    let prefixShift = UInt64(above)
    let first = above == Self.magnitudeWidth
    // In the first pass searches of the same series count the same.
    let tallied = searches.indices.filter { index in
      !first || searches[..<index].allSatisfy { $0.ranking.series != searches[index].ranking.series }
    }
    let wanted = tallied.map { (series: searches[$0].ranking.series, prefix: searches[$0].prefix) }
    let counts = try tensor.counts(tallied.count * bins) { block, tally in
      tally.withUnsafeMutableBufferPointer { tally in
        forEachSeries(of: block, wanted.map(\.series)) { position, _, values in
          let bin = tally.baseAddress! + position * bins
          let prefix = wanted[position].prefix
          for value in values {
            let bits = value.magnitudeBits
            if first || bits >> prefixShift == prefix { bin[Int((bits >> shift) & mask)] &+= 1 }
          }
        }
      }
    }
    if first {
      let limit = MemoryLayout<Wide>.size == 4 ? 0xFF00 : 0xFFE0
      for position in tallied.indices
      where counts[position * bins + limit..<(position + 1) * bins].contains(where: { $0 > 0 }) {
        throw try tensor.notFinite()
      }
    }
    for index in searches.indices {
      let position = tallied.firstIndex {
        first ? searches[$0].ranking.series == searches[index].ranking.series : $0 == index
      }!
      searches[index].descend(counts[position * bins..<(position + 1) * bins], width)
    }
  }

  /// The indices at which equal magnitudes are cut. Zeros are all on one side: to keep or drop them is the same.
  private func finished() throws -> [Cut] {
    let open = searches.indices.filter { searches[$0].remaining < searches[$0].found && searches[$0].prefix != 0 }
    var ends = searches.map { _ in tensor.count }
    if !open.isEmpty {
      let equals = try tensor.map { block in
        var counts = [Int](repeating: 0, count: open.count)
        forEachSeries(of: block, open.map { searches[$0].ranking.series }) { position, _, values in
          let bits = searches[open[position]].prefix
          var count = 0
          for value in values where value.magnitudeBits == bits { count &+= 1 }
          counts[position] += count
        }
        return (block.elements, counts)
      }
      for (position, index) in open.enumerated() {
        var left = searches[index].remaining
        guard
          let (elements, _) = equals.first(where: { block in
            if left <= block.1[position] { return true }
            left -= block.1[position]
            return false
          })
        else { continue }
        ends[index] = try tensor.end(of: left, equalTo: searches[index], in: elements, source)
      }
    }
    return zip(searches, ends).map { Cut(threshold: Double(Wide.magnitude(bits: $0.prefix)), end: $1) }
  }

  @inline(__always)
  private func forEachSeries(
    of block: WideBlock<Wide>, _ series: [Int],
    _ body: (_ position: Int, Range<Int>, UnsafeMutableBufferPointer<Wide>) -> Void
  ) {
    block.withRoom(of: Wide.self, capacity: WideBlock<Wide>.chunk) { memory in
      for (position, series) in series.enumerated() {
        block.forEachChunk { local in
          let values = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
          source(block, series, local, values)
          body(position, local, values)
        }
      }
    }
  }
}

extension TensorPasses {
  /// The index after that of the element that is number `left`, from 1, of those at a cut in this block.
  func end(
    of left: Int, equalTo search: RadixSelect<Wide>.Search, in elements: Range<Int>, _ source: RadixSelect<Wide>.Source
  ) throws -> Int {
    try read(elements) { block in
      var left = left
      var end = elements.upperBound
      block.withRoom(of: Wide.self, capacity: WideBlock<Wide>.chunk) { memory in
        block.forEachChunk { local in
          let values = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
          source(block, search.ranking.series, local, values)
          for (offset, value) in values.enumerated() where left > 0 && value.magnitudeBits == search.prefix {
            left -= 1
            if left == 0 { end = elements.lowerBound + local.lowerBound + offset + 1 }
          }
        }
      }
      return end
    }
  }
}
