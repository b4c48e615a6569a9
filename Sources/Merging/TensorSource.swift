/// Where the executor gets the bytes of input tensors: a repository, a folder, or arrays in a test.
package protocol TensorSource: Sendable {
  /// Fills `target` with these bytes of a tensor's row-major little-endian form.
  ///
  /// `input` is an index into `Plan.inputs`. `target` holds exactly `bytes.count` bytes. Called from many threads at
  /// once. Throws whatever the source's reading throws; the executor passes it on.
  func read(input: Int, tensor: String, bytes: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws
}
