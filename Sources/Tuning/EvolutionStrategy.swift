internal import Glibc
internal import Tensors

/// A search for the point of least loss by CMA-ES: candidates are asked for by the generation, and told their losses.
///
/// Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772, with its weights for the better half only. Above
/// 50 dimensions the covariance is diagonal and learns (n + 2) / 3 times as fast: Ros and Hansen, "A simple
/// modification in CMA-ES achieving linear time and space complexity", PPSN 2008.
///
/// A plain value: a copy, or one that was encoded and decoded, goes on with the same candidates. Random numbers depend
/// on the seed, the generation and the candidate's place only. `log`, `sin`, `cos`, `exp` and `pow` are the C
/// library's, so that another one may differ in last bits.
package struct EvolutionStrategy: Sendable, Equatable, Codable {
  package let seed: UInt32
  /// Candidates of a generation: 4 + ⌊3 ln n⌋.
  package let population: Int
  /// How many generations have been told.
  package private(set) var generation = 0
  /// Where candidates are drawn around.
  package private(set) var mean: [Double]
  /// How far from it they are drawn.
  package private(set) var sigma: Double
  /// n × n, or its diagonal.
  private var covariance: [Double]
  private var sigmaPath: [Double]
  private var covariancePath: [Double]

  /// The most dimensions with a full covariance matrix; finding its axes costs n³ a generation.
  package static let fullLimit = 50

  /// - Parameters:
  ///   - start: the first mean; at least one number.
  ///   - sigma: the first standard deviation along every axis, positive.
  package init(start: [Double], sigma: Double, seed: UInt32) {
    precondition(!start.isEmpty && sigma > 0, "a search needs a dimension and a step")
    let n = start.count
    self.seed = seed
    self.sigma = sigma
    mean = start
    population = 4 + Int(3 * log(Double(n)))
    covariance = n > Self.fullLimit ? [Double](repeating: 1, count: n) : SymmetricMatrix.identity(n)
    sigmaPath = [Double](repeating: 0, count: n)
    covariancePath = sigmaPath
  }

  package var dimensions: Int { mean.count }
  private var isDiagonal: Bool { dimensions > Self.fullLimit }

  /// The candidates of this generation; the same however often it is asked.
  package func ask() -> [[Double]] {
    steps(along: axes).map { step in zip(mean, step).map { $0 + sigma * $1 } }
  }

  /// Takes the losses of the candidates in their order and goes on to the next generation.
  ///
  /// What is not a finite number is the worst. Where all losses are equal, the generation has shown no direction and
  /// nothing but its number changes.
  package mutating func tell(_ losses: [Double]) {
    precondition(losses.count == population, "\(population) losses expected, found \(losses.count)")
    let ranked = losses.map { $0.isFinite ? $0 : .infinity }
    if ranked.contains(where: { $0 != ranked[0] }) {
      let axes = axes
      let steps = steps(along: axes)
      let order = ranked.indices.sorted { (ranked[$0], $0) < (ranked[$1], $1) }
      let rates = Rates(dimensions: dimensions, population: population, isDiagonal: isDiagonal)
      move(order.prefix(rates.weights.count).map { steps[$0] }, axes, rates)
    }
    generation += 1
  }

  /// - Parameter best: the better half of the steps, the best first.
  private mutating func move(_ best: [[Double]], _ axes: Axes, _ rates: Rates) {
    let n = dimensions
    let step = (0..<n).map { axis in zip(rates.weights, best).reduce(0) { $0 + $1.0 * $1.1[axis] } }
    let white = axes.whitened(step)
    let push = (rates.sigmaPath * (2 - rates.sigmaPath) * rates.effective).squareRoot()
    for axis in 0..<n { sigmaPath[axis] = (1 - rates.sigmaPath) * sigmaPath[axis] + push * white[axis] }
    let length = sigmaPath.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let settled = (1 - pow(1 - rates.sigmaPath, 2 * Double(generation + 1))).squareRoot()
    // A path that is too long says that sigma is still growing; the covariance waits for it.
    let isSteady = length / settled < (1.4 + 2 / (Double(n) + 1)) * rates.expectedLength
    let pull = (rates.covariancePath * (2 - rates.covariancePath) * rates.effective).squareRoot()
    for axis in 0..<n {
      covariancePath[axis] = (1 - rates.covariancePath) * covariancePath[axis] + (isSteady ? pull * step[axis] : 0)
    }
    let lost = isSteady ? 0 : rates.rankOne * rates.covariancePath * (2 - rates.covariancePath)
    let kept = 1 - rates.rankOne - rates.rankMany + lost
    for row in 0..<n {
      for column in isDiagonal ? row..<row + 1 : 0..<n {
        let place = isDiagonal ? row : row * n + column
        let many = zip(rates.weights, best).reduce(0) { $0 + $1.0 * ($1.1[row] * $1.1[column]) }
        covariance[place] =
          kept * covariance[place] + rates.rankOne * (covariancePath[row] * covariancePath[column])
          + rates.rankMany * many
      }
    }
    for axis in 0..<n { mean[axis] += sigma * step[axis] }
    sigma *= exp(min(1, rates.sigmaPath / rates.damping * (length / rates.expectedLength - 1)))
  }

  /// The covariance by its axes.
  private var axes: Axes {
    if isDiagonal { return Axes(directions: nil, lengths: covariance.map(Self.length)) }
    let (values, vectors) = SymmetricMatrix.eigenvectors(of: covariance, extent: dimensions)
    let floor = (values.max() ?? 1) * 1e-20
    return Axes(directions: vectors, lengths: values.map { Self.length(max($0, floor)) })
  }

  private static func length(_ variance: Double) -> Double { max(variance, .leastNormalMagnitude).squareRoot() }

  /// What each candidate adds to the mean, in units of sigma.
  private func steps(along axes: Axes) -> [[Double]] {
    let source = Philox(seed, 0x434D_4145)
    return (0..<population).map { candidate in
      axes.stretched(normals(source, candidate: UInt32(candidate)))
    }
  }

  /// Independent numbers of the standard normal distribution, two from each counter by Box and Muller.
  private func normals(_ source: Philox, candidate: UInt32) -> [Double] {
    var normals: [Double] = []
    for pair in 0..<(dimensions + 1) / 2 {
      let words = source.words(
        SIMD4(UInt32(pair), candidate, UInt32(truncatingIfNeeded: generation), UInt32(generation >> 32)))
      let radius = (-2 * log(Self.unit(words.x, words.y))).squareRoot()
      let angle = 2 * Double.pi * Self.unit(words.z, words.w)
      normals += [radius * cos(angle), radius * sin(angle)]
    }
    return Array(normals.prefix(dimensions))
  }

  /// Above 0, at most 1, by 53 bits.
  private static func unit(_ high: UInt32, _ low: UInt32) -> Double {
    Double(((UInt64(high) << 32 | UInt64(low)) >> 11) + 1) * 0x1p-53
  }
}

/// The axes of an ellipsoid: directions in columns, row by row (nil: those of the coordinates), and their lengths.
private struct Axes {
  let directions: [Double]?
  let lengths: [Double]

  /// A point of the unit sphere's space in that of the ellipsoid.
  func stretched(_ point: [Double]) -> [Double] {
    let long = zip(point, lengths).map { $0 * $1 }
    guard let directions else { return long }
    let n = long.count
    return (0..<n).map { row in (0..<n).reduce(0) { $0 + directions[row * n + $1] * long[$1] } }
  }

  /// By the inverse root of the covariance: from the ellipsoid to the sphere, and turned back.
  func whitened(_ step: [Double]) -> [Double] {
    guard let directions else { return zip(step, lengths).map { $0 / $1 } }
    let n = step.count
    let short = (0..<n).map { column in
      (0..<n).reduce(0) { $0 + directions[$1 * n + column] * step[$1] } / lengths[column]
    }
    return (0..<n).map { row in (0..<n).reduce(0) { $0 + directions[row * n + $1] * short[$1] } }
  }
}

/// The strategy's constants, by Hansen's names: w, mu_eff, c_s, d_s, c_c, c_1, c_mu and the length of a normal vector.
private struct Rates {
  let weights: [Double]
  let effective: Double
  let sigmaPath: Double
  let damping: Double
  let covariancePath: Double
  let rankOne: Double
  let rankMany: Double
  let expectedLength: Double

  init(dimensions: Int, population: Int, isDiagonal: Bool) {
    let n = Double(dimensions)
    let raw = (1...population / 2).map { log(Double(population + 1) / 2) - log(Double($0)) }
    let sum = raw.reduce(0, +)
    weights = raw.map { $0 / sum }
    let effective = 1 / weights.reduce(0) { $0 + $1 * $1 }
    self.effective = effective
    sigmaPath = (effective + 2) / (n + effective + 5)
    damping = 1 + 2 * max(0, ((effective - 1) / (n + 1)).squareRoot() - 1) + sigmaPath
    covariancePath = (4 + effective / n) / (n + 4 + 2 * effective / n)
    let speed = isDiagonal ? (n + 2) / 3 : 1
    let rankOne = min(1, speed * 2 / ((n + 1.3) * (n + 1.3) + effective))
    self.rankOne = rankOne
    rankMany = min(1 - rankOne, speed * 2 * (effective - 2 + 1 / effective) / ((n + 2) * (n + 2) + effective))
    expectedLength = n.squareRoot() * (1 - 1 / (4 * n) + 1 / (21 * n * n))
  }
}
