internal import Tensors

/// Elements kept with one probability: sixteen random bits decide, and sixteen more where those equal the limit's.
struct Draw {
  private let philox: Philox
  private let high: UInt16
  private let low: UInt16

  init(_ philox: Philox, _ probability: Double) {
    let limit = UInt32(max(0, probability) * 0x1p32)
    self.philox = philox
    high = UInt16(truncatingIfNeeded: limit >> 16)
    low = UInt16(truncatingIfNeeded: limit)
  }

  /// Zeroes what is not kept of the elements from number `first` on.
  @inline(__always)
  func keep<Wide: WideElement>(_ values: UnsafeMutableBufferPointer<Wide>, from first: Int) {
    philox.withHalves(values.count, from: first) { halves in
      if !isUndecided(halves, values.count) { return Wide.keep(values, where: halves, below: high) }
      let kept = values.indices.filter { halves[$0] == high && philox.furtherHalf(of: first + $0) < low }
      let saved = kept.map { values[$0] }
      Wide.keep(values, where: halves, below: high)
      for (index, value) in zip(kept, saved) { values[index] = value }
    }
  }

  /// Sums of magnitudes before and after `keep`, which may be done to them or not.
  @inline(__always)
  func magnitudes<Wide: WideElement>(
    _ values: UnsafeMutableBufferPointer<Wide>, from first: Int
  ) -> (all: Double, kept: Double) {
    let sums: (all: Double, kept: Double)? = philox.withHalves(values.count, from: first) { halves in
      if isUndecided(halves, values.count) { return nil }
      return Wide.magnitudes(values.baseAddress!, values.count, where: halves, below: high)
    }
    if let sums { return sums }
    let all = Wide.magnitudes(values.baseAddress!, values.count)
    keep(values, from: first)
    return (all, Wide.magnitudes(values.baseAddress!, values.count))
  }

  private func isUndecided(_ halves: UnsafePointer<UInt16>, _ count: Int) -> Bool {
    low > 0 && Philox.any(of: halves, count, are: high)
  }
}
