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

/// Sums in f64 over four lanes, so that additions need not wait for each other; the lanes are part of the result.
enum LaneSum {
  @inline(__always)
  static func of<Wide: WideElement>(_ count: Int, _ term: (Int) -> Wide) -> Double {
    of(count) { Double(term($0)) }
  }

  @inline(__always)
  static func of(_ count: Int, _ term: (Int) -> Double) -> Double {
    var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
    var index = 0
    while index &+ 4 <= count {
      a += term(index)
      b += term(index &+ 1)
      c += term(index &+ 2)
      d += term(index &+ 3)
      index &+= 4
    }
    while index < count {
      a += term(index)
      index &+= 1
    }
    return (a + b) + (c + d)
  }

  /// `Σ a[i] b[i]`.
  @inline(__always)
  static func product<Wide: WideElement>(
    _ a: UnsafePointer<Wide>, _ b: UnsafePointer<Wide>, _ count: Int
  ) -> Double {
    of(count) { Double(a[$0]) * Double(b[$0]) }
  }

  /// `Σ |a[i]|`.
  @inline(__always)
  static func magnitude<Wide: WideElement>(_ a: UnsafeMutableBufferPointer<Wide>) -> Double {
    of(a.count) { Double(a[$0].magnitude) }
  }
}

extension WideBlock {
  /// Elements worked on at a time, few enough to stay in the fastest cache with those of all models.
  @inline(__always) static var chunk: Int { 1024 }

  @inline(__always) var count: Int { elements.count }

  /// The block's elements in portions of `size`, as positions in the block.
  @inline(__always)
  func forEachChunk(_ size: Int = WideBlock.chunk, _ body: (Range<Int>) throws -> Void) rethrows {
    var start = 0
    while start < count {
      let end = min(count, start &+ size)
      try body(start..<end)
      start = end
    }
  }

  /// The chunk that holds only whole rows, for blocks that do.
  var rowChunk: Int { max(1, Self.chunk / rowLength) * rowLength }

  /// `x - b` of one model, or `x` where there is no base.
  @inline(__always)
  func changes(_ position: Int, _ local: Range<Int>, into out: UnsafeMutableBufferPointer<Wide>) {
    let x = others[position].baseAddress! + local.lowerBound
    let target = out.baseAddress!
    guard let base else { return target.update(from: x, count: local.count) }
    let b = base.baseAddress! + local.lowerBound
    for index in 0..<local.count { target[index] = x[index] - b[index] }
  }

  /// `b + Σ (xᵢ - b) cᵢ` in the order of models, or `Σ xᵢ cᵢ` where there is no base.
  @inline(__always)
  func combination(_ coefficients: some Collection<Double>, into out: UnsafeMutableBufferPointer<Wide>) {
    if others.isEmpty {
      if let base { _ = out.update(from: base) }
      return
    }
    withUnsafeTemporaryAllocation(of: Wide.self, capacity: Self.chunk) { memory in
      forEachChunk { local in
        let target = out.baseAddress! + local.lowerBound
        for (position, coefficient) in coefficients.enumerated() {
          let change = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
          changes(position, local, into: change)
          let weight = Wide(coefficient)
          if position == 0 {
            for index in 0..<local.count { target[index] = change[index] * weight }
          } else {
            for index in 0..<local.count { target[index] = target[index] + change[index] * weight }
          }
        }
        guard let base else { return }
        let b = base.baseAddress! + local.lowerBound
        for index in 0..<local.count { target[index] = b[index] + target[index] }
      }
    }
  }
}
