internal import Tensors

extension WideElement {
  /// The bits without the sign, in the order of magnitudes: 31 of an f32, 63 of an f64.
  @inline(__always) var magnitudeBits: UInt64 {
    MemoryLayout<Self>.size == 4
      ? UInt64(unsafeBitCast(self, to: UInt32.self) & 0x7FFF_FFFF)
      : unsafeBitCast(self, to: UInt64.self) & 0x7FFF_FFFF_FFFF_FFFF
  }

  /// The number itself where it is kept, else zero: by a mask of bits, because the compiler makes a slow branch of a
  /// choice between a number and what is already in its place.
  @inline(__always) func kept(_ keep: Bool) -> Self {
    if MemoryLayout<Self>.size == 4 {
      let mask: UInt32 = keep ? .max : 0
      return unsafeBitCast(unsafeBitCast(self, to: UInt32.self) & mask, to: Self.self)
    }
    let mask: UInt64 = keep ? .max : 0
    return unsafeBitCast(unsafeBitCast(self, to: UInt64.self) & mask, to: Self.self)
  }

  /// The number of no sign with these bits.
  @inline(__always) static func magnitude(bits: UInt64) -> Self {
    MemoryLayout<Self>.size == 4
      ? unsafeBitCast(UInt32(bits), to: Self.self) : unsafeBitCast(bits, to: Self.self)
  }
}
