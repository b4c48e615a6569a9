package import Tensors

/// What an adapter makes of a tensor `W` when that is read: `W + scale · B A`, and for DoRA each output's row of that
/// scaled to a learnt length.
///
/// Hu et al., "LoRA", arXiv 2106.09685; Liu et al., "DoRA", arXiv 2402.09353. Elements are f32 (f64 where a part is
/// F64) and never rounded to the weight's dtype; sums over the rank run from its first index to its last.
package struct LowRank: Sendable, Hashable {
  /// A tensor of the adapter.
  package struct Factor: Sendable, Hashable {
    package let name: String
    package let dtype: DType

    package init(name: String, dtype: DType) {
      self.name = name
      self.dtype = dtype
    }
  }

  /// The dtype in which `W` is stored.
  package let weightDType: DType
  /// Where the adapter is: an index into `ModelInput.parts`, in plans into `Plan.inputs`.
  package let adapter: Int
  /// rank × inputs; nil for a bias, to which `b` is added as it is.
  package let a: Factor?
  /// outputs × rank.
  package let b: Factor
  /// DoRA: one length an output.
  package let magnitude: Factor?
  package let rank: Int
  package let scale: Double
  /// True where `W` lies inputs × outputs.
  package let isTransposed: Bool

  package init(
    weightDType: DType, adapter: Int, a: Factor?, b: Factor, magnitude: Factor?, rank: Int, scale: Double,
    isTransposed: Bool
  ) {
    self.weightDType = weightDType
    self.adapter = adapter
    self.a = a
    self.b = b
    self.magnitude = magnitude
    self.rank = rank
    self.scale = scale
    self.isTransposed = isTransposed
  }

  /// The same with the adapter at another index.
  package func moved(to adapter: Int) -> LowRank {
    LowRank(
      weightDType: weightDType, adapter: adapter, a: a, b: b, magnitude: magnitude, rank: rank, scale: scale,
      isTransposed: isTransposed)
  }

  /// The type that elements are computed and read in.
  package var dtype: DType {
    [weightDType, a?.dtype, b.dtype, magnitude?.dtype].contains(.f64) ? .f64 : .f32
  }

  /// The outputs and inputs of a weight of this shape.
  func extents(of shape: Shape) -> (outputs: Int, inputs: Int) {
    guard shape.dimensions.count == 2 else { return (shape.elementCount ?? 0, 1) }
    return isTransposed
      ? (shape.dimensions[1], shape.dimensions[0]) : (shape.dimensions[0], shape.dimensions[1])
  }
}

/// A stored tensor that a plan reads.
package struct StoredRead: Sendable, Hashable {
  /// An index into `Plan.inputs`.
  package let model: Int
  package let name: String
  package let dtype: DType
  package let shape: Shape
}

extension Shape {
  /// Of a stack of matrices that lies in so many pieces, one's; of a tensor that lies in one, its own.
  fileprivate func piece(of count: Int) -> Shape {
    guard count > 0, dimensions.count == 3 else { return self }
    return Shape([dimensions[0] * dimensions[1] / count, dimensions[2]])
  }
}

extension PlannedInput {
  /// Every stored tensor that is read for this input of a tensor of `shape`: the weight first.
  package func reads(of shape: Shape) -> [StoredRead] {
    if let realignment { return plain.reads(of: shape) + realignment.reads(of: shape) }
    guard let change else {
      let stored = pieces.isEmpty ? [tensor] : pieces
      let shape = shape.piece(of: pieces.count)
      return stored.map { StoredRead(model: model, name: $0, dtype: dtype, shape: shape) }
    }
    let (outputs, inputs) = change.extents(of: shape)
    func read(_ factor: LowRank.Factor?, _ dimensions: [Int]) -> [StoredRead] {
      factor.map {
        [StoredRead(model: change.adapter, name: $0.name, dtype: $0.dtype, shape: Shape(dimensions))]
      } ?? []
    }
    return [StoredRead(model: model, name: tensor, dtype: change.weightDType, shape: shape)]
      + read(change.a, [change.rank, inputs])
      + read(change.b, change.a == nil ? [outputs] : [outputs, change.rank])
      + read(change.magnitude, [outputs])
  }

  /// Bytes of all of them.
  func bytesToRead(of shape: Shape) -> Int {
    reads(of: shape).reduce(0) { $0 + ($1.shape.byteCount(of: $1.dtype) ?? 0) }
  }

  /// Bytes of memory that the adapter's factors take, whole and widened, while the tensor is made.
  func factorMemory(of shape: Shape) -> Int {
    let factors = plain.reads(of: shape).dropFirst()
    return factors.reduce(realignment?.memory(of: shape) ?? 0) {
      $0 + ($1.shape.elementCount ?? 0) * dtype.bits / 8
    }
  }
}
