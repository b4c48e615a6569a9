internal import Glibc

/// LM-Cocktail: how much of each model a mixture takes, by how well it does on some data.
///
/// Xiao et al., "LM-Cocktail: Resilient Tuning of Language Models via Model Merging", arXiv 2311.13534.
package enum Cocktail {
  /// softmax(−loss / temperature). What is not a finite number is an infinite loss and gets 0; nil where all are, or
  /// where the temperature is not positive.
  package static func weights(losses: [Double], temperature: Double) -> [Double]? {
    let finite = losses.map { $0.isFinite ? $0 : .infinity }
    guard temperature > 0, let least = finite.min(), least.isFinite else { return nil }
    let shares = finite.map { exp((least - $0) / temperature) }
    let sum = shares.reduce(0, +)
    return shares.map { $0 / sum }
  }
}
