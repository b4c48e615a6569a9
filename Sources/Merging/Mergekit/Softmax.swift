internal import Glibc

/// torch's softmax of a row on a CPU with AVX-512.
enum Softmax {
  /// e^x over the sum of the row, unrounded.
  ///
  /// - Parameter isHalf: true for bf16 and f16, of which torch takes only whole vectors of sixteen at once: the rest of
  ///   a row goes through the C library's `expf` and is added one by one.
  static func of(_ row: ArraySlice<Float>, isHalf: Bool) -> [Float] {
    guard let highest = row.max() else { return [] }
    let whole = isHalf ? row.count & ~15 : row.count
    let powers = row.enumerated().map { $0 < whole ? exp($1 - highest) : expf($1 - highest) }
    let share = 1 / powers[whole...].reduce(sum(powers[..<whole]), +)
    return powers.map { $0 * share }
  }

  /// Sixteen running sums, folded in halves. A row of fewer is summed in order.
  private static func sum(_ values: ArraySlice<Float>) -> Float {
    if values.count < 16 { return values.reduce(0, +) }
    var lanes = SIMD16<Float>(repeating: 0)
    for (index, value) in values.enumerated() {
      lanes[index % 16] = index < 16 ? value : lanes[index % 16] + value
    }
    let eight = lanes.lowHalf + lanes.highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// The exponential of a number that is not above zero, by the polynomial of Sleef's `expf` of 1.0 ULP, as torch has
  /// it there.
  private static func exp(_ x: Float) -> Float {
    if x < -104 { return 0 }
    let count = (x * 1.442695040888963407).rounded(.toNearestOrEven)
    let rest = x.addingProduct(count, -0.693145751953125)
      .addingProduct(count, -1.428606765330187045e-06)
    var sum: Float = 0.000198527617612853646278381
    for factor: Float in [
      0.00139304355252534151077271, 0.00833336077630519866943359, 0.0416664853692054748535156,
      0.166666671633720397949219, 0.5,
    ] {
      sum = factor.addingProduct(sum, rest)
    }
    return Float(sign: .plus, exponent: Int(count), significand: 1 + rest.addingProduct(rest * rest, sum))
  }
}
