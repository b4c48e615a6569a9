internal import Glibc

/// The bounds of a search: an interval for each parameter, and the unbounded space that a strategy moves in.
///
/// The strategy sees every interval as [0, 1] of an endless line that is folded at whole numbers like a paper strip.
/// So no candidate is thrown away (resampling draws ever longer where the best lies on several bounds at once, as the
/// weight 0 of a bad model does), no penalty has to be weighed against losses whose scale nobody knows, and a best
/// value on a bound is an ordinary minimum of the unfolded loss, which the strategy closes in on from both sides.
package struct SearchBox: Sendable, Equatable {
  /// The allowed values of each parameter; finite, the lower below the upper.
  package let bounds: [ClosedRange<Double>]

  package init(_ bounds: [ClosedRange<Double>]) { self.bounds = bounds }

  /// The values that a point of the strategy's space stands for, rounded to six or seven digits of their interval so
  /// that a recipe can show them whole.
  package func values(at point: [Double]) -> [Double] {
    precondition(point.count == bounds.count, "\(bounds.count) numbers expected, found \(point.count)")
    return zip(point, bounds).map { place, bounds in
      let turn = place - 2 * (place / 2).rounded(.down)
      let share = turn > 1 ? 2 - turn : turn
      let width = bounds.upperBound - bounds.lowerBound
      return Self.rounded(bounds.lowerBound + share * width, width: width, within: bounds)
    }
  }

  /// The point that these values have.
  package func point(of values: [Double]) -> [Double] {
    zip(values, bounds).map { ($0 - $1.lowerBound) / ($1.upperBound - $1.lowerBound) }
  }

  /// To a multiple of a power of ten, so that the shortest decimal is short.
  private static func rounded(_ value: Double, width: Double, within bounds: ClosedRange<Double>) -> Double {
    let digits = 6 - Int(log10(width).rounded(.down))
    guard (0...22).contains(digits) else { return min(max(value, bounds.lowerBound), bounds.upperBound) }
    // Powers of ten up to 22 are exact, so that the quotient is the double nearest to the decimal.
    let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
    // Added to 0, a negative zero is a plain one.
    return min(max((value * scale).rounded() / scale + 0, bounds.lowerBound), bounds.upperBound)
  }
}
