internal import Glibc
internal import Tensors

/// The way along the great circle between two models, or between their changes from the base: of whole tensors, or of
/// each vector along the last axis, or along the first (`nuslerp_row_wise`).
///
/// mergekit's NuSLERP (Goddard et al., arXiv 2403.13257). `t = w₂ / (w₁ + w₂)`, 0.5 where the weights cancel; linear
/// where `1 - cos² ≤ 1e-16`.
struct NuSlerp: BlockMethod {
  /// What one pair of coefficients serves.
  private enum Vectors { case whole, rows, columns }

  private let t: Double
  private let vectors: Vectors

  var needsRows: Bool { vectors == .rows }

  init(_ call: MethodCall) {
    let weights = call.perInput["weight"] ?? [1, 1]
    let sum = weights[0] + weights[1]
    t = sum.magnitude < 1e-6 ? 0.5 : weights[1] / sum
    vectors =
      call.settings["nuslerp_flatten"] != 0 ? .whole : call.settings["nuslerp_row_wise"] == 1 ? .columns : .rows
  }

  /// Coefficients of the first and the second model; two for each vector in order.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    switch vectors {
    case .whole:
      let gram = try Gram.of(tensor)
      return coefficients(gram[0, 0], gram[1, 1], gram[0, 1])
    case .rows:
      let blocks = try tensor.map { block in
        var found: [Double] = []
        block.forEachChunk(block.rowLength) { local in
          let gram = Gram.of(block, local)
          found += coefficients(gram[0, 0], gram[1, 1], gram[0, 1])
        }
        return found
      }
      return try tensor.finite(Array(blocks.joined()))
    case .columns:
      let width = tensor.count / (tensor.shape.dimensions.first ?? 1)
      let sums = try tensor.sums(3 * width) { block, sums in Self.add(block, width, to: &sums) }
      _ = try tensor.finite(sums)
      return (0..<width).flatMap { coefficients(sums[$0], sums[width + $0], sums[2 * width + $0]) }
    }
  }

  /// Adds squares and products to the sums of so many columns.
  @inline(__always)
  private static func add<Wide: WideElement>(_ block: WideBlock<Wide>, _ width: Int, to sums: inout [Double]) {
    let chunk = WideBlock<Wide>.chunk
    sums.withUnsafeMutableBufferPointer { sums in
      block.withRoom(of: Wide.self, capacity: 2 * chunk) { memory in
        block.forEachChunk { local in
          let first = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
          let second = UnsafeMutableBufferPointer(rebasing: memory[chunk..<chunk + local.count])
          block.changes(0, local, into: first)
          block.changes(1, local, into: second)
          var column = (block.elements.lowerBound + local.lowerBound) % width
          for index in 0..<local.count {
            let (x, y) = (Double(first[index]), Double(second[index]))
            sums[column] += x * x
            sums[width + column] += y * y
            sums[2 * width + column] += x * y
            column += 1
            if column == width { column = 0 }
          }
        }
      }
    }
  }

  /// Given the squares of two vectors' lengths and their inner product.
  private func coefficients(_ first: Double, _ second: Double, _ product: Double) -> [Double] {
    let (n, m) = (max(first.squareRoot(), 1e-7), max(second.squareRoot(), 1e-7))
    let cosine = min(max(product / n / m, -1), 1)
    return Slerp.coefficients(t, cosine: cosine, linear: 1 - cosine * cosine <= 1e-16)
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    if vectors == .whole { return block.combination(measurements, into: out) }
    let pairs = measurements.count / 2
    block.withRoom(of: Wide.self, capacity: 2 * WideBlock<Wide>.chunk) { memory in
      block.forEachChunk { local in
        let first = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
        let second = UnsafeMutableBufferPointer(rebasing: memory[WideBlock<Wide>.chunk...].prefix(local.count))
        block.changes(0, local, into: first)
        block.changes(1, local, into: second)
        let start = block.elements.lowerBound + local.lowerBound
        for index in 0..<local.count {
          let vector = vectors == .rows ? (start + index) / block.rowLength : (start + index) % pairs
          let (c, d) = (Wide(measurements[2 * vector]), Wide(measurements[2 * vector + 1]))
          let sum = first[index] * c + second[index] * d
          out[local.lowerBound + index] = block.base.map { $0[local.lowerBound + index] + sum } ?? sum
        }
      }
    }
  }
}
