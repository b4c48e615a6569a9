package import Tensors

/// One input of a merge, as far as planning needs it.
package struct ModelInput: Sendable, Equatable {
  /// The reference as the recipe has it.
  package let reference: String
  /// The references of the models that its tensors are read from: itself, or a base and then an adapter.
  package let parts: [String]
  package let tensors: [TensorInput]
  /// Of a base with an adapter: the adapter's tensors of numbers by their names in its file, which are those that masks
  /// of factors have.
  package let adapterTensors: [String: Shape]?
  /// The class that its config.json names, such as `GPT2LMHeadModel`: mergekit's arithmetic asks for it.
  package var architecture: String?

  /// - Parameter parts: nil for the model itself.
  package init(
    reference: String, parts: [String]? = nil, tensors: [TensorInput], adapterTensors: [String: Shape]? = nil,
    architecture: String? = nil
  ) {
    self.reference = reference
    self.parts = parts ?? [reference]
    self.tensors = tensors
    self.adapterTensors = adapterTensors
    self.architecture = architecture
  }
}

/// One tensor of an input.
package struct TensorInput: Sendable, Equatable {
  package let name: String
  package let dtype: DType
  package let shape: Shape
  /// The tensor's digest, where it is known: tensors that must be equal are then compared without reading them.
  package let digestHex: String?
  /// Which of the model's parts holds it, and under which name.
  package let part: Int
  package let storedName: String
  /// Where it is stored as several tensors of one size, whose bytes follow each other: their names; else none.
  package let pieces: [String]
  /// What an adapter makes of it; `dtype` is that of the weight all the same.
  package let change: LowRank?

  /// - Parameter storedName: nil where it is `name`.
  package init(
    name: String, dtype: DType, shape: Shape, digestHex: String? = nil, part: Int = 0, storedName: String? = nil,
    pieces: [String] = [], change: LowRank? = nil
  ) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.digestHex = digestHex
    self.part = part
    self.storedName = storedName ?? name
    self.pieces = pieces
    self.change = change
  }
}
