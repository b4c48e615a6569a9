/// Appends to a buffer that is known to have the room.
struct ByteWriter {
  private let out: UnsafeMutableRawBufferPointer
  private(set) var count = 0

  init(_ out: UnsafeMutableRawBufferPointer) { self.out = out }

  /// What is not written yet.
  var rest: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: out[count...]) }

  mutating func put(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { put($0) }
  }

  mutating func put(_ bytes: UnsafeRawBufferPointer) {
    rest.copyMemory(from: bytes)
    count += bytes.count
  }

  /// Counts bytes that were written to `rest`.
  mutating func advance(by bytes: Int) { count += bytes }
}
