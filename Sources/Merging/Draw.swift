internal import Tensors

/// Elements kept with one probability: where 32 random bits are below `floor(probability 2³²)`.
struct Draw {
  private let philox: Philox
  private let limit: UInt32

  /// - Parameter probability: below 1.
  init(_ philox: Philox, _ probability: Double) {
    self.philox = philox
    limit = UInt32(max(0, probability) * 0x1p32)
  }

  /// Zeroes what is not kept of elements of a block.
  @inline(__always)
  func keep<Wide: WideElement>(
    _ values: UnsafeMutableBufferPointer<Wide>, _ local: Range<Int>, of block: WideBlock<Wide>
  ) {
    withBits(local, of: block) { Wide.keep(values, where: $0, from: $1) }
  }

  /// Sums of magnitudes of one model's changes before and after `keep`; nil where they are not of BF16 or do not begin
  /// with a byte of bits.
  @inline(__always)
  func magnitudes<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>
  ) -> (all: Double, kept: Double)? {
    guard let (x, base) = block.storedBF16(position, local) else { return nil }
    return withBits(local, of: block) { bits, place in
      if place % 8 != 0 { return nil }
      return Wide.magnitudesBF16(x, from: base, local.count, where: bits + place / 8)
    }
  }

  /// Fills `values` with such changes, kept or zero, times two factors, and adds them to the sums; false where nothing
  /// was done, as above.
  @inline(__always)
  func weigh<Wide: WideElement>(
    _ position: Int, _ local: Range<Int>, of block: WideBlock<Wide>, times factor: Wide, times weight: Wide,
    into values: UnsafeMutableBufferPointer<Wide>, and sums: UnsafeMutablePointer<Wide>
  ) -> Bool {
    guard let (x, base) = block.storedBF16(position, local) else { return false }
    return withBits(local, of: block) { bits, place in
      if place % 8 != 0 { return false }
      Wide.weighBF16(x, from: base, where: bits + place / 8, times: factor, times: weight, into: values, and: sums)
      return true
    }
  }

  @inline(__always)
  private func withBits<Wide: WideElement, T>(
    _ local: Range<Int>, of block: WideBlock<Wide>, _ body: (UnsafeRawPointer, _ first: Int) -> T
  ) -> T {
    block.withRoom(of: UInt8.self, capacity: Philox.bitBytes(local.count)) { room in
      let bits = UnsafeMutableRawBufferPointer(room)
      let place = philox.fillBits(bits, local.count, from: block.elements.lowerBound + local.lowerBound, below: limit)
      return body(bits.baseAddress!, place)
    }
  }
}
