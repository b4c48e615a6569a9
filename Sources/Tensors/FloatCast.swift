/// Elements of one float type as those of another: of F16, BF16, F32 and F64, any two that differ.
///
/// Widening is exact. Narrowing rounds once to nearest, ties to even, and overflows to infinity. Every NaN becomes the
/// canonical quiet NaN. The same bits everywhere.
package struct FloatCast: Sendable, Equatable {
  package let source: DType
  package let target: DType
  /// Elements that are wide at once.
  private static let strip = 4096

  /// Nil where the two are one type, or not both of the four.
  package init?(from source: DType, to target: DType) {
    guard source != target, source.isMergeable, target.isMergeable else { return nil }
    self.source = source
    self.target = target
  }

  /// Fills `out`, whole elements of `target` at any alignment, from as many of `source`.
  package func fill(_ out: UnsafeMutableRawBufferPointer, from stored: UnsafeRawBufferPointer) {
    if source == .f64 || target == .f64 {
      fill(out, from: stored, by: Double.self)
    } else {
      fill(out, from: stored, by: Float.self)
    }
  }

  private func fill<Wide: WideElement>(
    _ out: UnsafeMutableRawBufferPointer, from stored: UnsafeRawBufferPointer, by type: Wide.Type
  ) {
    let (from, to) = (source.bits / 8, target.bits / 8)
    let count = out.count / to
    precondition(stored.count >= count * from, "\(count) elements of \(source) need more bytes")
    withUnsafeTemporaryAllocation(of: Wide.self, capacity: min(Self.strip, count)) { wide in
      for start in stride(from: 0, to: count, by: Self.strip) {
        let part = UnsafeMutableBufferPointer(rebasing: wide[..<min(Self.strip, count - start)])
        Wide.widen(UnsafeRawBufferPointer(rebasing: stored[(start * from)...]), source, into: part)
        Wide.narrow(
          UnsafeBufferPointer(part), to: target, into: UnsafeMutableRawBufferPointer(rebasing: out[(start * to)...]))
      }
    }
  }
}
