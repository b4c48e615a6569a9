/// How far a rate that was counted on a sample may be from the true one.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927: the score
/// interval, here at 95 %. It stays within 0 and 1 and says something of 0 hits too.
struct WilsonInterval: Sendable, Equatable {
  let low: Double
  let high: Double

  /// - Parameters:
  ///   - hits: 0 to `n`.
  ///   - n: 1 or more.
  init(hits: Int, of n: Int) {
    // The 97.5 % point of the normal distribution.
    let z = 1.959963984540054
    let (count, rate) = (Double(n), Double(hits) / Double(n))
    let middle = rate + z * z / (2 * count)
    let reach = z * (rate * (1 - rate) / count + z * z / (4 * count * count)).squareRoot()
    let whole = 1 + z * z / count
    // The ends are exact where nothing or all counted; rounding would put them beside.
    low = hits == 0 ? 0 : max(0, (middle - reach) / whole)
    high = hits == n ? 1 : min(1, (middle + reach) / whole)
  }
}
