internal import Tensors

/// Task vectors with elements dropped at random, small ones of a row more often: `della_linear`, and with elected signs
/// `della`.
///
/// Deep et al., "DELLA-Merging", arXiv 2406.11617, rescaled by L1 norms as in mergekit unless the recipe asks for the
/// paper's division by the probability of keeping. In a row the element of the
/// smallest magnitude (rank 0; of equal ones that of lowest index) is kept with probability `density - epsilon`, the
/// largest with `density + epsilon`, in even steps; the one element of a row of one with `density`.
struct Della: BlockMethod, Pruning {
  private let vectors: TaskVectors
  private let epsilons: [Double]

  var needsRows: Bool { true }

  init(_ call: MethodCall) {
    vectors = TaskVectors(call)
    epsilons = call.perInput["epsilon"] ?? vectors.densities.map { _ in 0.15 }
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    return try vectors.measure(tensor, self, [], rows: true)
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    vectors.combine(block, measurements, self, rows: true, into: out)
  }

  @inline(__always)
  func prune<Wide: WideElement>(
    _ changes: UnsafeMutableBufferPointer<Wide>, _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>,
    _ measurements: Measurements
  ) {
    let density = vectors.densities[position]
    if density >= 1 { return }
    if density <= 0 { return changes.update(repeating: 0) }
    let length = block.rowLength
    let (low, epsilon) = (Wide(density - epsilons[position]), Wide(epsilons[position]))
    let steps = Wide(max(1, length - 1))
    block.withRoom(of: UInt32.self, capacity: changes.count) { words in
      block.draws[position].fill(words, from: block.elements.lowerBound + local.lowerBound)
      RowRanks.with(rowsOf: block) { ranks in
        for start in stride(from: 0, to: changes.count, by: length) {
          let (row, words) = (changes.baseAddress! + start, words.baseAddress! + start)
          let order = ranks.order(of: row)
          for rank in 0..<length {
            let place: Wide = length == 1 ? 0.5 : Wide(rank) / steps
            let probability = Double(low + (place * 2) * epsilon)
            let index = Int(order[rank])
            let change = row[index]
            let kept = change.kept(Int(words[index]) < Int(probability * 0x1p32))
            row[index] = vectors.rescalesByPaper ? kept / Wide(probability) : kept
          }
        }
      }
    }
  }
}

/// Sorts rows by magnitude, equal ones by index: a radix sort by bytes from the lowest on.
private struct RowRanks<Wide: WideElement> {
  private let length: Int
  private var keys: UnsafeMutablePointer<UInt64>
  private var spareKeys: UnsafeMutablePointer<UInt64>
  private var order: UnsafeMutablePointer<UInt32>
  private var spareOrder: UnsafeMutablePointer<UInt32>
  private let places: UnsafeMutablePointer<Int>

  /// Hands over ranks for rows of the block, which live as long as the call.
  @inline(__always)
  static func with(rowsOf block: WideBlock<Wide>, _ body: (inout RowRanks) -> Void) {
    let length = block.rowLength
    block.withRoom(of: UInt64.self, capacity: 2 * length) { keys in
      block.withRoom(of: UInt32.self, capacity: 2 * length) { order in
        block.withRoom(of: Int.self, capacity: 256) { places in
          var ranks = RowRanks(length, keys.baseAddress!, order.baseAddress!, places.baseAddress!)
          body(&ranks)
        }
      }
    }
  }

  private init(
    _ length: Int, _ keys: UnsafeMutablePointer<UInt64>, _ order: UnsafeMutablePointer<UInt32>,
    _ places: UnsafeMutablePointer<Int>
  ) {
    self.length = length
    self.keys = keys
    self.order = order
    self.places = places
    spareKeys = keys + length
    spareOrder = order + length
  }

  /// The indices of the row's elements in rising order of magnitude, until the next row.
  @inline(__always)
  mutating func order(of row: UnsafeMutablePointer<Wide>) -> UnsafePointer<UInt32> {
    for index in 0..<length {
      keys[index] = row[index].magnitudeBits
      order[index] = UInt32(truncatingIfNeeded: index)
    }
    for byte in 0..<MemoryLayout<Wide>.size { sort(by: UInt64(8 * byte)) }
    return UnsafePointer(order)
  }

  @inline(__always)
  private mutating func sort(by shift: UInt64) {
    places.update(repeating: 0, count: 256)
    for index in 0..<length { places[Int(truncatingIfNeeded: (keys[index] &>> shift) & 0xFF)] &+= 1 }
    var start = 0
    for digit in 0..<256 {
      let count = places[digit]
      if count == length { return }
      places[digit] = start
      start &+= count
    }
    for index in 0..<length {
      let key = keys[index]
      let digit = Int(truncatingIfNeeded: (key &>> shift) & 0xFF)
      let place = places[digit]
      spareKeys[place] = key
      spareOrder[place] = order[index]
      places[digit] = place &+ 1
    }
    swap(&keys, &spareKeys)
    swap(&order, &spareOrder)
  }
}
