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
    /// What is done to its entries before it is multiplied.
    package let mask: Mask?

    package init(name: String, dtype: DType, mask: Mask? = nil) {
      self.name = name
      self.dtype = dtype
      self.mask = mask
    }
  }

  /// What becomes of a factor `F` behind a mask: `F₀ + m (F - F₀) / mean(m)`, `F₀` being the anchor's factor, or 0.
  ///
  /// Yi et al., "A safety realignment framework via subspace-oriented model fusion", arXiv 2405.09055: where models are
  /// adapters, its task vectors are differences of the tensors `lora_A` and `lora_B`, each rescaled by the mean of its
  /// own bits. An entry that is not finite is never hidden, so that the product tells.
  package struct Mask: Sendable, Hashable {
    /// The same factor of the adapter of the recipe's base.
    package struct Anchor: Sendable, Hashable {
      /// An index into `Plan.inputs`.
      package let model: Int
      package let dtype: DType

      package init(model: Int, dtype: DType) {
        self.model = model
        self.dtype = dtype
      }
    }

    /// Where the mask is: an index into `Plan.inputs`. The bits have the factor's name there.
    package let model: Int
    /// Bits that are 1, of all.
    package let ones: Int
    /// True where what is kept is divided by the share of ones.
    package let rescales: Bool
    /// Nil where `F₀` is 0.
    package let anchor: Anchor?

    package init(model: Int, ones: Int, rescales: Bool, anchor: Anchor?) {
      self.model = model
      self.ones = ones
      self.rescales = rescales
      self.anchor = anchor
    }

    /// The places in `Plan.inputs` that are read.
    package var models: [Int] { [model] + (anchor.map { [$0.model] } ?? []) }
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

  /// The same with other factors.
  func with(a: Factor?, b: Factor) -> LowRank {
    LowRank(
      weightDType: weightDType, adapter: adapter, a: a, b: b, magnitude: magnitude, rank: rank, scale: scale,
      isTransposed: isTransposed)
  }

  /// The masks of its factors: none, or one for each.
  package var masks: [Mask] { [a, b].compactMap { $0?.mask } }

  /// The type that elements are computed and read in.
  package var dtype: DType {
    let dtypes = [weightDType, a?.dtype, b.dtype, magnitude?.dtype] + masks.map { $0.anchor?.dtype }
    return dtypes.contains(.f64) ? .f64 : .f32
  }

  /// The outputs and inputs of a weight of this shape.
  func extents(of shape: Shape) -> (outputs: Int, inputs: Int) {
    guard shape.dimensions.count == 2 else { return (shape.elementCount ?? 0, 1) }
    return isTransposed
      ? (shape.dimensions[1], shape.dimensions[0]) : (shape.dimensions[0], shape.dimensions[1])
  }

  /// The factors that there are, A first, as a weight of this shape has them.
  func factors(of shape: Shape) -> [(factor: Factor, shape: Shape)] {
    let (outputs, inputs) = extents(of: shape)
    return (a.map { [($0, Shape([rank, inputs]))] } ?? [])
      + [(b, Shape(a == nil ? [outputs] : [outputs, rank]))]
      + (magnitude.map { [($0, Shape([outputs]))] } ?? [])
  }

  /// What is read for a factor of this shape: itself, and behind a mask its bits and then the anchor's.
  func reads(_ factor: Factor, _ shape: Shape) -> [StoredRead] {
    var reads = [StoredRead(model: adapter, name: factor.name, dtype: factor.dtype, shape: shape)]
    guard let mask = factor.mask else { return reads }
    let bits = Shape([BitMask.byteCount(of: shape.elementCount ?? 0)])
    reads.append(StoredRead(model: mask.model, name: factor.name, dtype: .u8, shape: bits))
    if let anchor = mask.anchor {
      reads.append(StoredRead(model: anchor.model, name: factor.name, dtype: anchor.dtype, shape: shape))
    }
    return reads
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
    return [StoredRead(model: model, name: tensor, dtype: change.weightDType, shape: shape)]
      + change.factors(of: shape).flatMap { change.reads($0.factor, $0.shape) }
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
