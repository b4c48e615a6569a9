internal import CKernels
internal import Glibc

/// Codes a plane of bytes, each on its own, at little more than their entropy: upper halves by one table, lower halves
/// by a table for each upper half. Huffman codes spend a bit a byte at least; sparse masks hold a tenth of that.
final class NibbleCoder {
  /// Upper halves, lower halves.
  private var symbols = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var words = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private let slots = UnsafeMutablePointer<UInt32>.allocate(capacity: 17 * FrequencyTable.scale)
  private var states = [UInt32](repeating: 0, count: NibbleCoder.lanes)
  private let path: Int32
  static let lanes = 32
  private static let statesBytes = 4 * lanes

  /// The ways to code that this processor has, by number.
  static var paths: ClosedRange<Int32> { 1...ck_rans_paths() }

  /// - Parameter path: which of them to take.
  init(path: Int32 = NibbleCoder.paths.upperBound) { self.path = path }

  deinit {
    symbols.deallocate()
    words.deallocate()
    slots.deallocate()
  }

  /// Bits a byte that this would take, without tables: the entropy of the bytes.
  static func entropy(of bytes: UnsafeRawBufferPointer) -> Double {
    var counts = [Int](repeating: 0, count: 256)
    for byte in bytes { counts[Int(byte)] += 1 }
    return counts.reduce(0.0) { $1 == 0 ? $0 : $0 - Double($1) * log2(Double($1) / Double(bytes.count)) }
      / Double(max(1, bytes.count))
  }

  /// Nil where the result does not fit `out`.
  func encode(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Int? {
    let (upper, lower) = room(bytes.count)
    var counts = [Int](repeating: 0, count: 256)
    for index in bytes.indices {
      let byte = bytes[index]
      counts[Int(byte)] += 1
      upper[index] = byte >> 4
      lower[index] = byte & 15
    }
    let rows = (0..<16).map { counts[16 * $0..<16 * $0 + 16] }
    guard let first = FrequencyTable(counts: rows.map { $0.reduce(0, +) }) else { return nil }
    var codes: [UInt32] = []
    var head: [UInt8] = []
    for table in [first] + rows.map({ FrequencyTable(counts: $0) }) {
      codes += table?.codes ?? [UInt32](repeating: 0, count: 16)
      table?.write(to: &head)
    }
    let start = head.count + 4
    guard start <= out.count else { return nil }
    out.copyBytes(from: head)
    guard let count = put(upper, nil, bytes.count, codes[..<16], into: out, at: start),
      let further = put(lower, upper, bytes.count, codes[16...], into: out, at: start + count)
    else { return nil }
    out.storeBytes(
      of: UInt32((count - Self.statesBytes) / 2).littleEndian, toByteOffset: head.count, as: UInt32.self)
    return start + count + further
  }

  /// Writes the states and the words of some symbols.
  private func put(
    _ symbols: UnsafePointer<UInt8>, _ contexts: UnsafePointer<UInt8>?, _ n: Int, _ codes: ArraySlice<UInt32>,
    into out: UnsafeMutableRawBufferPointer, at start: Int
  ) -> Int? {
    let room = (out.count - start - Self.statesBytes) / 2
    guard room >= 0 else { return nil }
    let end = words.baseAddress!.assumingMemoryBound(to: UInt16.self) + words.count / 2
    let count = codes.withUnsafeBufferPointer {
      ck_rans_encode(
        path, symbols, contexts, n, $0.baseAddress!, 16, end, min(room, words.count / 2), &states, Self.lanes)
    }
    guard count >= 0 else { return nil }
    states.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: out[start...]).copyMemory(from: $0) }
    UnsafeMutableRawBufferPointer(rebasing: out[(start + Self.statesBytes)...])
      .copyMemory(from: UnsafeRawBufferPointer(start: end - count, count: 2 * count))
    return Self.statesBytes + 2 * count
  }

  /// Fills `out` exactly, or returns false.
  func decode(_ coded: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Bool {
    var rest = coded[...]
    guard let first = FrequencyTable(from: &rest), make(first, 0) else {
      return false
    }
    for place in 0..<16 where first.frequencies[place] > 0 {
      guard let table = FrequencyTable(from: &rest), make(table, 1 + place)
      else { return false }
    }
    guard rest.count >= 4 + 2 * Self.statesBytes else { return false }
    let words = Int(
      UInt32(littleEndian: coded.loadUnaligned(fromByteOffset: rest.startIndex, as: UInt32.self)))
    let start = rest.startIndex + 4
    guard words <= (coded.count - start - 2 * Self.statesBytes) / 2 else { return false }
    let second = start + Self.statesBytes + 2 * words
    guard (coded.count - second) % 2 == 0 else { return false }
    let (upper, lower) = room(out.count)
    guard take(coded, start..<second, upper, nil, out.count, slots),
      take(coded, second..<coded.count, lower, upper, out.count, slots + FrequencyTable.scale)
    else { return false }
    let bytes = out.baseAddress!.assumingMemoryBound(to: UInt8.self)
    for index in 0..<out.count { bytes[index] = upper[index] << 4 | lower[index] }
    return true
  }

  private func make(_ table: FrequencyTable, _ place: Int) -> Bool {
    ck_rans_slots_make(slots + place * FrequencyTable.scale, table.frequencies, 16, Self.lanes) == 1
  }

  private func take(
    _ coded: UnsafeRawBufferPointer, _ range: Range<Int>, _ symbols: UnsafeMutablePointer<UInt8>,
    _ contexts: UnsafePointer<UInt8>?, _ n: Int, _ tables: UnsafePointer<UInt32>
  ) -> Bool {
    states.withUnsafeMutableBytes {
      $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: coded[range.prefix(Self.statesBytes)]))
    }
    let count = (range.count - Self.statesBytes) / 2
    var used = 0
    return ck_rans_decode(
      path, symbols, contexts, n, tables, coded.baseAddress! + range.lowerBound + Self.statesBytes, count, &used,
      &states, Self.lanes) == 1 && used == count && ck_rans_is_whole(&states, Self.lanes) == 1
  }

  private func room(_ count: Int) -> (upper: UnsafeMutablePointer<UInt8>, lower: UnsafeMutablePointer<UInt8>) {
    if symbols.count < 2 * count || words.count == 0 {
      symbols.deallocate()
      words.deallocate()
      symbols = .allocate(byteCount: max(64, 2 * count), alignment: 64)
      words = .allocate(byteCount: max(64, 2 * count), alignment: 64)
    }
    let start = symbols.baseAddress!.assumingMemoryBound(to: UInt8.self)
    return (start, start + count)
  }
}
