internal import Tensors

/// The inner products of a tensor's models, or of their changes from the base, in f64.
struct Gram {
  let count: Int
  /// Row by row, symmetric.
  private var products: [Double]

  init(count: Int) {
    self.count = count
    products = [Double](repeating: 0, count: count * count)
  }

  subscript(_ i: Int, _ j: Int) -> Double {
    get { products[i * count + j] }
    set {
      products[i * count + j] = newValue
      products[j * count + i] = newValue
    }
  }

  func norm(_ i: Int) -> Double { self[i, i].squareRoot() }

  /// The inner product of vector `i` with the sum of all times these coefficients.
  func product(_ i: Int, _ coefficients: [Double]) -> Double {
    (0..<count).reduce(0) { $0 + self[i, $1] * coefficients[$1] }
  }

  /// The length of the sum of all vectors times these coefficients; 0 where it is lost in the rounding of its terms.
  func norm(_ coefficients: [Double]) -> Double {
    var (sum, size) = (0.0, 0.0)
    for i in 0..<count {
      for j in 0..<count {
        let term = coefficients[i] * coefficients[j] * self[i, j]
        sum += term
        size += term.magnitude
      }
    }
    return sum <= size * 0x1p-46 ? 0 : sum.squareRoot()
  }

  /// Measured over a whole tensor.
  @inline(__always)
  static func of<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Gram {
    let models = tensor.models
    let sums = try tensor.finite(
      tensor.sums(models * (models + 1) / 2) { block, sums in add(block, 0..<block.count, to: &sums) })
    return Gram(models, sums)
  }

  /// That of elements of one block, which must be the same however blocks are cut.
  @inline(__always)
  static func of<Wide: WideElement>(_ block: WideBlock<Wide>, _ local: Range<Int>) -> Gram {
    let models = block.others.count
    var sums = [Double](repeating: 0, count: models * (models + 1) / 2)
    add(block, local, to: &sums)
    return Gram(models, sums)
  }

  private init(_ models: Int, _ sums: [Double]) {
    self.init(count: models)
    var term = 0
    for i in 0..<models {
      for j in i..<models {
        self[i, j] = sums[term]
        term += 1
      }
    }
  }

  @inline(__always)
  private static func add<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ elements: Range<Int>, to sums: inout [Double]
  ) {
    let (models, chunk) = (block.others.count, WideBlock<Wide>.chunk)
    block.withRoom(of: Wide.self, capacity: chunk * models) { memory in
      for start in stride(from: elements.lowerBound, to: elements.upperBound, by: chunk) {
        let local = start..<min(start + chunk, elements.upperBound)
        for position in 0..<models {
          block.changes(
            position, local,
            into: UnsafeMutableBufferPointer(rebasing: memory[position * chunk..<position * chunk + local.count]))
        }
        var term = 0
        for i in 0..<models {
          for j in i..<models {
            sums[term] += Wide.products(
              memory.baseAddress! + i * chunk, memory.baseAddress! + j * chunk, local.count)
            term += 1
          }
        }
      }
    }
  }
}
