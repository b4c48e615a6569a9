internal import Glibc

/// A block whose bytes are its base's: nothing is stored.
enum EqualCodec {
  static func applies(_ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer) -> Bool {
    memcmp(block.baseAddress!, base.baseAddress!, block.count) == 0
  }

  static func decode(
    _ coded: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer?, into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    guard coded.count == 0 else { throw .length(expected: 0, found: coded.count) }
    out.copyMemory(from: try BlockFormat.bytes.checked(base, for: out))
  }
}
