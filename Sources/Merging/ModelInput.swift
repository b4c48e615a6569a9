package import Tensors

/// One input of a merge, as far as planning needs it.
package struct ModelInput: Sendable, Equatable {
  /// The reference as the recipe has it.
  package let reference: String
  package let tensors: [TensorInput]

  package init(reference: String, tensors: [TensorInput]) {
    self.reference = reference
    self.tensors = tensors
  }
}

/// One tensor of an input.
package struct TensorInput: Sendable, Equatable {
  package let name: String
  package let dtype: DType
  package let shape: Shape
  /// The tensor's digest, where it is known: tensors that must be equal are then compared without reading them.
  package let digestHex: String?

  package init(name: String, dtype: DType, shape: Shape, digestHex: String? = nil) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.digestHex = digestHex
  }
}
