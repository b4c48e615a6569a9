internal import CKernels

/// The CRC-32C of `bytes`: what blocks, trailers and indexes are checked by.
package func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  bytes.count == 0 ? 0 : ck_crc32c(0, bytes.baseAddress, bytes.count)
}

extension Array where Element == UInt8 {
  /// Appends an integer, least significant byte first.
  mutating func append(little value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}

/// Reads little-endian fields one after another; nil past the end.
struct FieldReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var remaining: Int { bytes.count - position }

  mutating func integer<T: FixedWidthInteger>(_: T.Type) -> T? {
    guard remaining >= MemoryLayout<T>.size else { return nil }
    defer { position += MemoryLayout<T>.size }
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
  }

  mutating func digest() -> Digest? {
    guard remaining >= 32 else { return nil }
    defer { position += 32 }
    return Digest(UnsafeRawBufferPointer(rebasing: bytes[position..<position + 32]))
  }
}
