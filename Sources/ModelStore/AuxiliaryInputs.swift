import Checkpoints
import Merging
import Tensors

/// The masks and subspaces of a recipe, as its plan needs them.
struct AuxiliaryInputs {
  private(set) var masks: [MaskInput] = []
  private(set) var subspaces: [SubspaceInput] = []

  /// - Parameter find: finds what a name or path stands for.
  init(_ recipe: Recipe, find: (String) throws -> InputModel) throws {
    for reference in recipe.maskReferences {
      let mask = try find(reference).mask(reference)
      masks.append(
        MaskInput(
          reference: reference,
          tensors: Dictionary(
            uniqueKeysWithValues: mask.tensors.map { ($0.name, .init(shape: $0.shape, ones: $0.ones)) }),
          isOfFactors: mask.space == .loraFactor))
    }
    for reference in recipe.subspaceReferences {
      let subspace = try find(reference).subspace(reference)
      subspaces.append(
        SubspaceInput(
          reference: reference,
          tensors: Dictionary(
            uniqueKeysWithValues: subspace.tensors.map { ($0.name, .init(shape: $0.shape, rank: $0.rank)) })))
    }
  }
}

extension InputModel {
  fileprivate func mask(_ reference: String) throws -> Mask {
    try kind.require(.mask, reference)
    return try Mask(parsing: source.files.read(Mask.configFile) ?? [], bits: outlines, path: reference)
  }

  fileprivate func subspace(_ reference: String) throws -> Subspace {
    try kind.require(.subspace, reference)
    return try Subspace(parsing: source.files.read(Subspace.configFile) ?? [], bases: outlines, path: reference)
  }

  private var outlines: [TensorOutline] {
    source.input.tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
  }
}

extension FolderInput {
  /// Throws where a mask's bits are not those that its configuration counts; a store has counted them on import.
  func countBits() throws {
    guard let mask = try folder.mask() else { return }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    for tensor in mask.tensors {
      let size = BitMask.byteCount(of: tensor.elements)
      var (ones, last) = (0, UInt8(0))
      for start in stride(from: 0, to: size, by: buffer.count) {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, size - start)])
        try read(tensor.name, at: start, into: part)
        ones += BitMask.ones(in: UnsafeRawBufferPointer(part))
        last = part[part.count - 1]
      }
      try mask.check(tensor, ones: ones, last: last, path: folder.path)
    }
  }
}
