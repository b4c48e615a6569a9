/// The extents of a tensor, outermost first; empty for a scalar (0-d tensor).
package struct Shape: Sendable, Hashable {
  /// One extent a dimension, each ≥ 0.
  package let dimensions: [Int]

  /// - Precondition: no extent is negative.
  package init(_ dimensions: [Int]) {
    precondition(dimensions.allSatisfy { $0 >= 0 }, "a shape has no negative extents")
    self.dimensions = dimensions
  }

  /// The product of the extents, or nil where it does not fit 63 bits. 1 for a scalar.
  package var elementCount: Int? {
    if dimensions.contains(0) { return 0 }
    var product = 1
    for extent in dimensions {
      let (value, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      product = value
    }
    return product
  }

  /// Bytes of a dense tensor of this shape, or nil where they do not fit 63 bits or do not fill whole bytes.
  package func byteCount(of dtype: DType) -> Int? {
    guard let count = elementCount else { return nil }
    let (bits, overflow) = count.multipliedReportingOverflow(by: dtype.bits)
    guard !overflow, bits % 8 == 0 else { return nil }
    return bits / 8
  }
}

extension Shape: CustomStringConvertible {
  /// `[4096, 1024]`; `[]` for a scalar.
  package var description: String { "\(dimensions)" }
}
