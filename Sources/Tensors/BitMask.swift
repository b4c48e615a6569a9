internal import Glibc

/// One bit an element, packed: element i is bit i % 8 (the least significant first) of byte i / 8. The bits of the last
/// byte that stand for no element are 0.
package enum BitMask {
  /// How the bits of two masks are made one.
  package enum Operation: String, Sendable, CaseIterable {
    case and, or, xor
    /// Those of the first that are not in the second.
    case minus
  }

  /// Bytes that the bits of so many elements take.
  package static func byteCount(of elements: Int) -> Int { elements / 8 + (elements % 8 == 0 ? 0 : 1) }

  /// The number of bits that are set.
  package static func ones(in bytes: UnsafeRawBufferPointer) -> Int {
    let whole = bytes.count / 8
    var count = 0
    for index in 0..<whole { count &+= bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self).nonzeroBitCount }
    for byte in bytes[(8 * whole)...] { count &+= byte.nonzeroBitCount }
    return count
  }

  /// True where the last byte of the bits of so many elements has bits set that stand for none.
  package static func hasStrayBits(_ last: UInt8, elements: Int) -> Bool {
    elements % 8 != 0 && last >> UInt8(elements % 8) != 0
  }

  /// Packs `count` bits, the first into bit 0 of `out`, which has `byteCount(of: count)` bytes.
  @inline(__always)
  package static func pack(_ count: Int, into out: UnsafeMutableRawBufferPointer, _ bit: (Int) -> Bool) {
    precondition(out.count == byteCount(of: count), "bits take another number of bytes")
    for place in out.indices {
      let start = 8 * place
      var byte: UInt8 = 0
      for index in start..<min(count, start + 8) { byte |= (bit(index) ? 1 : 0) << UInt8(index - start) }
      out[place] = byte
    }
  }

  /// `a = a operation b`, of as many bytes.
  package static func combine(
    _ a: UnsafeMutableRawBufferPointer, _ operation: Operation, _ b: UnsafeRawBufferPointer
  ) {
    precondition(a.count == b.count, "masks of different lengths")
    switch operation {
    case .and: for index in a.indices { a[index] &= b[index] }
    case .or: for index in a.indices { a[index] |= b[index] }
    case .xor: for index in a.indices { a[index] ^= b[index] }
    case .minus: for index in a.indices { a[index] &= ~b[index] }
    }
  }

  /// Turns every bit over but those that stand for no element; `bits` are those of `elements` elements.
  package static func invert(_ bits: UnsafeMutableRawBufferPointer, elements: Int) {
    precondition(bits.count == byteCount(of: elements), "bits take another number of bytes")
    for index in bits.indices { bits[index] = ~bits[index] }
    if elements % 8 != 0 { bits[bits.count - 1] &= (1 << UInt8(elements % 8)) - 1 }
  }

  /// Bits of information in so many elements of which `ones` are set, where no more is known of them: n H(ones / n).
  package static func entropy(ones: Int, of elements: Int) -> Double {
    guard ones > 0, ones < elements else { return 0 }
    let (all, set) = (Double(elements), Double(ones))
    return all * log2(all) - set * log2(set) - (all - set) * log2(all - set)
  }
}
