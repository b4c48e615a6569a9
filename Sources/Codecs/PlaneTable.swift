internal import CZstd

/// The coded form of byte planes: for each plane a mode byte and a length, then the planes' bodies.
///
/// Modes: 0 the bytes themselves, 1 one zstd frame, 2 one byte that fills the plane, 3 `NibbleCoder`.
enum PlaneTable {
  static let entryBytes = 5

  /// Codes planes that lie one after another. Nil where the result would not be smaller than the planes.
  static func encode(
    _ planes: UnsafeRawBufferPointer, width: Int, coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    let length = planes.count / width
    var at = width * entryBytes
    for plane in 0..<width {
      let bytes = UnsafeRawBufferPointer(rebasing: planes[plane * length..<(plane + 1) * length])
      let room = planes.count - at
      guard room > 0 else { return nil }
      let body = UnsafeMutableRawBufferPointer(rebasing: out[at..<at + room])
      guard let (mode, count) = code(bytes, width: width, coder: coder, into: body) else { return nil }
      out[plane * entryBytes] = mode
      out.storeBytes(of: UInt32(count).littleEndian, toByteOffset: plane * entryBytes + 1, as: UInt32.self)
      at += count
    }
    return at < planes.count ? at : nil
  }

  /// Codes one plane; nil where it does not fit.
  private static func code(
    _ bytes: UnsafeRawBufferPointer, width: Int, coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
  ) -> (mode: UInt8, count: Int)? {
    if let first = bytes.first, bytes.allSatisfy({ $0 == first }) {
      out[0] = first
      return (2, 1)
    }
    if let way = way(of: bytes, width: width, coder: coder), let coded = way.compress(bytes, coder, into: out),
      coded < bytes.count - bytes.count / 50
    {
      return (way.mode, coded)
    }
    guard bytes.count <= out.count else { return nil }
    out.copyMemory(from: bytes)
    return (0, bytes.count)
  }

  /// Appends one plane of single bytes with its entry: at most its size and that of the entry.
  static func put(_ bytes: UnsafeRawBufferPointer, coder: BlockCoder, into writer: inout ByteWriter) {
    let entry = writer.rest
    let body = UnsafeMutableRawBufferPointer(rebasing: entry[entryBytes...])
    guard let (mode, count) = code(bytes, width: 1, coder: coder, into: body) else {
      preconditionFailure("room for a plane as it is")
    }
    writer.put(mode)
    writer.put(UInt32(count))
    writer.advance(by: count)
  }

  /// Reads such a plane from `at` on, of exactly the size of `out`.
  static func take(
    _ coded: UnsafeRawBufferPointer, _ at: inout Int, into out: UnsafeMutableRawBufferPointer, coder: BlockCoder
  ) throws(CodecError) {
    guard coded.count - at >= entryBytes else { throw .planeTable(reason: "cut short") }
    let (mode, count) = entry(coded, at: at)
    at += entryBytes
    guard count <= coded.count - at else { throw .planeTable(reason: "a plane runs past the block") }
    let body = UnsafeRawBufferPointer(rebasing: coded[at..<at + count])
    let place = try decode(body, mode: mode, plane: 0, into: out, coder: coder)
    if place.baseAddress != UnsafeRawPointer(out.baseAddress) { out.copyMemory(from: place) }
    at += count
  }

  /// Bytes of a plane that are looked at to choose a profile.
  private static let sampleBytes = 16384

  /// How a plane is compressed.
  private enum Way {
    case zstd(ZstdProfile)
    /// Slower to read than Huffman codes: for where those waste much.
    case nibbles

    var mode: UInt8 {
      switch self {
      case .zstd: 1
      case .nibbles: 3
      }
    }

    func compress(
      _ plane: UnsafeRawBufferPointer, _ coder: BlockCoder, into out: UnsafeMutableRawBufferPointer
    ) -> Int? {
      switch self {
      case .zstd(let profile): coder.zstd.compress(plane, as: profile, into: out)
      case .nibbles: coder.nibbles.encode(plane, into: out)
      }
    }
  }

  /// What makes four stretches of a plane smallest; nil where nothing helps.
  private static func way(of plane: UnsafeRawBufferPointer, width: Int, coder: BlockCoder) -> Way? {
    let search = width == 1 ? ZstdProfile.ordinary : .runs
    return withUnsafeTemporaryAllocation(byteCount: 2 * sampleBytes, alignment: 64) { buffer in
      var sample = plane
      if plane.count > sampleBytes {
        let stretch = sampleBytes / 4
        for part in 0..<4 {
          let start = (plane.count - stretch) / 3 * part
          UnsafeMutableRawBufferPointer(rebasing: buffer[part * stretch..<(part + 1) * stretch])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: plane[start..<start + stretch]))
        }
        sample = UnsafeRawBufferPointer(rebasing: buffer[..<sampleBytes])
      }
      let out = UnsafeMutableRawBufferPointer(rebasing: buffer[sampleBytes...])
      // What does not fit is stored as it is.
      let noise = coder.zstd.compress(sample, as: .noise, into: out) ?? sample.count
      let runs = coder.zstd.compress(sample, as: search, into: out) ?? sample.count
      let best = min(noise, runs)
      // A small plane would be all tables.
      if plane.count > sampleBytes, Double(best) > 1.05 * NibbleCoder.entropy(of: sample) / 8 * Double(sample.count) {
        return .nibbles
      }
      return best >= sample.count ? nil : .zstd(noise <= runs ? .noise : search)
    }
  }

  /// Decodes the planes of a block of `count` bytes and returns where each then lies: in the coder's scratch, or in
  /// `coded` where it was stored as it is. Valid until the coder is used again.
  static func decode(
    _ coded: UnsafeRawBufferPointer, width: Int, count: Int, coder: BlockCoder
  ) throws(CodecError) -> UnsafePointer<UnsafePointer<UInt8>?> {
    let (scratch, length) = (coder.scratch(count), count / width)
    guard coded.count >= width * entryBytes else { throw .planeTable(reason: "cut short") }
    var at = width * entryBytes
    for plane in 0..<width {
      let (mode, count) = entry(coded, at: plane * entryBytes)
      guard count <= coded.count - at else { throw .planeTable(reason: "plane \(plane) runs past the block") }
      let body = UnsafeRawBufferPointer(rebasing: coded[at..<at + count])
      let target = UnsafeMutableRawBufferPointer(rebasing: scratch[plane * length..<(plane + 1) * length])
      let place = try decode(body, mode: mode, plane: plane, into: target, coder: coder)
      coder.places[plane] = place.bindMemory(to: UInt8.self).baseAddress
      at += count
    }
    guard at == coded.count else { throw .planeTable(reason: "\(coded.count - at) bytes left over") }
    return UnsafePointer(coder.places)
  }

  /// The mode of a plane and the bytes of its body.
  private static func entry(_ coded: UnsafeRawBufferPointer, at offset: Int) -> (mode: UInt8, count: Int) {
    (coded[offset], Int(UInt32(littleEndian: coded.loadUnaligned(fromByteOffset: offset + 1, as: UInt32.self))))
  }

  /// Decodes one plane and says where it lies then: in `target`, or where it was stored as it is.
  private static func decode(
    _ body: UnsafeRawBufferPointer, mode: UInt8, plane: Int, into target: UnsafeMutableRawBufferPointer,
    coder: BlockCoder
  ) throws(CodecError) -> UnsafeRawBufferPointer {
    switch mode {
    case 0:
      guard body.count == target.count else { throw .length(expected: target.count, found: body.count) }
      return body
    case 1: try coder.zstd.decompress(body, into: target, plane: plane)
    case 2:
      guard body.count == 1 else { throw .length(expected: 1, found: body.count) }
      target.initializeMemory(as: UInt8.self, repeating: body[0])
    case 3:
      guard coder.nibbles.decode(body, into: target) else {
        throw .planeTable(reason: "plane \(plane) is no well-formed sequence of halves of bytes")
      }
    default: throw .planeTable(reason: "unknown mode \(mode)")
    }
    return UnsafeRawBufferPointer(target)
  }
}
