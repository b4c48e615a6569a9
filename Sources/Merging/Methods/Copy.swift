internal import Glibc

/// Tensors that are no numbers to merge (integers, flags, 8-bit floats): the bytes of the first input, which all inputs
/// must share.
enum Copy {
  /// Writes the first input's block to `target` and compares every other listed input with it.
  static func combine(
    _ block: BlockReader, into target: UnsafeMutableRawBufferPointer
  ) throws {
    try block.read(0, into: target)
    for position in block.tensor.inputs.indices.dropFirst() {
      let other = try block.read(position)
      if let a = other.baseAddress, let b = target.baseAddress, memcmp(a, b, target.count) != 0 {
        throw MergeError.contentMismatch(
          tensor: block.tensor.name, first: block.plan.label(of: block.tensor.inputs[0]),
          second: block.plan.label(of: block.tensor.inputs[position]), dtype: block.tensor.dtype)
      }
    }
  }
}
