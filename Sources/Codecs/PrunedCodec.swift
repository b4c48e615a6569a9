internal import CKernels

/// A block many of whose elements became zero: which they are, and the block as if they had stayed the base's.
enum PrunedCodec {
  /// Which zeros, by the number that a coded block stores.
  private enum Zero: UInt8 {
    case bits = 0
    /// With the base's sign, as of a product of the base with a mask.
    case signed = 1
  }

  /// Fewer than one in so many are better off as large changes.
  private static let rarest = 64

  /// The codecs of the block without its zeros.
  private static let inner: Set<BlockCodec> = [.delta, .equal, .change]

  /// Nil where few elements are zeroed, the result does not fit, or the block is no whole number of elements.
  static func encode(
    _ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    let (n, width) = (block.count / format.width, Int32(format.width))
    guard n > 0, block.count % format.width == 0 else { return nil }
    var counts = [0, 0]
    ck_pruned_count(block.baseAddress, base.baseAddress, n, width, &counts)
    let zero: Zero = format.isFloat && counts[1] > counts[0] ? .signed : .bits
    guard counts[Int(zero.rawValue)] > n / rarest else { return nil }
    let (mask, rest) = coder.pruned(n, bytes: block.count)
    ck_pruned_split(
      block.baseAddress, base.baseAddress, n, width, Int32(zero.rawValue), mask.baseAddress, rest.baseAddress)
    guard 2 + PlaneTable.entryBytes + mask.count <= out.count else { return nil }
    var writer = ByteWriter(out)
    writer.put(zero.rawValue)
    PlaneTable.put(UnsafeRawBufferPointer(mask), coder: coder, into: &writer)
    let left = UnsafeMutableRawBufferPointer(rebasing: writer.rest[1...])
    guard let coded = coder.encodeChange(UnsafeRawBufferPointer(rest), base: base, format: format, into: left) else {
      return nil
    }
    writer.put(coded.codec.rawValue)
    return writer.count + coded.count
  }

  static func decode(
    _ coded: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer?, format: BlockFormat, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    let base = try format.checked(base, for: out)
    guard let zero = coded.first.flatMap(Zero.init) else { throw .pruned(reason: "no known zero") }
    guard zero == .bits || format.isFloat else { throw .pruned(reason: "signs of elements that are no floats") }
    let n = out.count / format.width
    var at = 1
    try PlaneTable.take(coded, &at, into: coder.pruned(n, bytes: 0).mask, coder: coder)
    guard at < coded.count, let codec = BlockCodec(rawValue: coded[at]), inner.contains(codec) else {
      throw .pruned(reason: "no codec that uses the base")
    }
    try coder.decode(
      codec.rawValue, UnsafeRawBufferPointer(rebasing: coded[(at + 1)...]), base: base, format: format, into: out)
    ck_pruned_join(
      coder.pruned(n, bytes: 0).mask.baseAddress, base.baseAddress, n, Int32(format.width), Int32(zero.rawValue),
      out.baseAddress)
  }
}
