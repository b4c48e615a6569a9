package import Tensors

/// One tensor of a safetensors file: what it is and where its bytes lie.
package struct TensorRecord: Sendable, Hashable {
  package let name: String
  package let dtype: DType
  package let shape: Shape
  /// The first byte, counted from the start of the file's data.
  package let begin: Int
  /// One past the last byte, counted from the start of the file's data.
  package let end: Int

  /// All but its place.
  package var outline: TensorOutline { TensorOutline(name: name, dtype: dtype, shape: shape) }

  /// Bytes of the tensor.
  package var byteCount: Int { end - begin }

  package init(name: String, dtype: DType, shape: Shape, begin: Int, end: Int) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.begin = begin
    self.end = end
  }
}
