package import Tensors

/// What becomes of a model's tensor `x` before a merge method sees it: `b + change`, where `b` is the anchor (the
/// recipe's base_model) and the change is `x - b` behind a mask, and projected.
///
/// - A mask keeps elements whose bit is 1 and, where it rescales, divides what it keeps by the share of ones in the
///   tensor: `τ m / mean(m)`, SOMF (Yi et al., arXiv 2405.09055, section A.4 of its code's reading).
/// - A projection makes of a matrix of changes `D` with a basis `U` of its output side `U Uᵀ D` (onto), or
///   `D - U Uᵀ D` (out). It comes after the mask.
///
/// Elements are f32 (f64 where a part is F64), each operation rounded; `Uᵀ D` is summed in that type over 64 rows at a
/// time and in f64 over these, then rounded once. A range of a masked tensor costs that range; a range of a projected
/// one costs the whole tensor once.
package struct Realignment: Sendable, Hashable {
  /// The bits of one tensor.
  package struct Mask: Sendable, Hashable {
    /// Where the mask is: an index into `Plan.inputs`.
    package let model: Int
    package let tensor: String
    /// Bits that are 1, of all.
    package let ones: Int
    /// True where what is kept is divided by the share of ones.
    package let rescales: Bool

    package init(model: Int, tensor: String, ones: Int, rescales: Bool) {
      self.model = model
      self.tensor = tensor
      self.ones = ones
      self.rescales = rescales
    }
  }

  /// The basis of one matrix.
  package struct Projection: Sendable, Hashable {
    /// Where the subspace is: an index into `Plan.inputs`.
    package let model: Int
    package let tensor: String
    package let rank: Int
    /// True to keep what lies in the subspace, false to take it out.
    package let isOnto: Bool

    package init(model: Int, tensor: String, rank: Int, isOnto: Bool) {
      self.model = model
      self.tensor = tensor
      self.rank = rank
      self.isOnto = isOnto
    }
  }

  /// The tensor of the anchor.
  package struct Anchor: Sendable, Hashable {
    /// An index into `Plan.inputs`.
    package let model: Int
    package let tensor: String
    package let dtype: DType

    package init(model: Int, tensor: String, dtype: DType) {
      self.model = model
      self.tensor = tensor
      self.dtype = dtype
    }
  }

  /// What the model's own tensor is read as.
  package let dtype: DType
  package let anchor: Anchor
  package let mask: Mask?
  package let projection: Projection?

  package init(dtype: DType, anchor: Anchor, mask: Mask?, projection: Projection?) {
    self.dtype = dtype
    self.anchor = anchor
    self.mask = mask
    self.projection = projection
  }

  /// The type that elements are computed and read in.
  package var wideDType: DType { dtype == .f64 || anchor.dtype == .f64 ? .f64 : .f32 }

  /// The places in `Plan.inputs` that are read.
  package var models: [Int] { [anchor.model, mask?.model, projection?.model].compactMap(\.self) }

  /// Every stored tensor that is read beside the model's own.
  func reads(of shape: Shape) -> [StoredRead] {
    var reads = [StoredRead(model: anchor.model, name: anchor.tensor, dtype: anchor.dtype, shape: shape)]
    if let mask {
      let bytes = ((shape.elementCount ?? 0) + 7) / 8
      reads.append(StoredRead(model: mask.model, name: mask.tensor, dtype: .u8, shape: Shape([bytes])))
    }
    if let projection {
      let basis = Shape([shape.dimensions.first ?? 1, projection.rank])
      reads.append(StoredRead(model: projection.model, name: projection.tensor, dtype: .f32, shape: basis))
    }
    return reads
  }

  /// Bytes of the basis and of `Uᵀ D` while that is computed.
  func memory(of shape: Shape) -> Int {
    guard let projection, shape.dimensions.count == 2 else { return 0 }
    let wide = wideDType.bits / 8
    let product = projection.rank * shape.dimensions[1]
    return shape.dimensions[0] * projection.rank * wide + product * (8 + wide) + 64 * shape.dimensions[1] * 2 * wide
  }
}

/// A mask as a merge needs it: what its bits stand for, and how many of them are 1.
package struct MaskInput: Sendable, Equatable {
  /// The bits of one tensor.
  package struct Tensor: Sendable, Equatable {
    package let shape: Shape
    package let ones: Int

    package init(shape: Shape, ones: Int) {
      self.shape = shape
      self.ones = ones
    }
  }

  /// As the recipe has it.
  package let reference: String
  /// By the names of the tensors that the bits stand for, which are those of the bits too.
  package let tensors: [String: Tensor]
  /// True where the bits stand for entries of an adapter's tensors, false where for a model's weights.
  package let isOfFactors: Bool

  package init(reference: String, tensors: [String: Tensor], isOfFactors: Bool = false) {
    self.reference = reference
    self.tensors = tensors
    self.isOfFactors = isOfFactors
  }
}

/// A subspace as a merge needs it: for each of its matrices the number of dimensions.
package struct SubspaceInput: Sendable, Equatable {
  /// The basis of one matrix: columns of `shape`'s first extent.
  package struct Tensor: Sendable, Equatable {
    package let shape: Shape
    package let rank: Int

    package init(shape: Shape, rank: Int) {
      self.shape = shape
      self.rank = rank
    }
  }

  /// As the recipe has it.
  package let reference: String
  package let tensors: [String: Tensor]

  package init(reference: String, tensors: [String: Tensor]) {
    self.reference = reference
    self.tensors = tensors
  }
}
