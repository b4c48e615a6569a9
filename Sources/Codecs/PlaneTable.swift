internal import CZstd

/// The coded form of byte planes: for each plane a mode byte and a length, then the planes' bodies.
///
/// Modes: 0 the bytes themselves, 1 one zstd frame, 2 one byte that fills the plane, 3 `NibbleCoder`.
enum PlaneTable {
  private static let entryBytes = 5

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
      let mode: UInt8
      let count: Int
      if bytes.allSatisfy({ $0 == bytes[0] }) {
        (mode, count) = (2, 1)
        out[at] = bytes[0]
      } else if let way = way(of: bytes, width: width, coder: coder),
        let coded = way.compress(bytes, coder, into: UnsafeMutableRawBufferPointer(rebasing: out[at..<at + room])),
        coded < length - length / 50
      {
        (mode, count) = (way.mode, coded)
      } else {
        guard length <= room else { return nil }
        (mode, count) = (0, length)
        UnsafeMutableRawBufferPointer(rebasing: out[at..<at + length]).copyMemory(from: bytes)
      }
      out[plane * entryBytes] = mode
      out.storeBytes(of: UInt32(count).littleEndian, toByteOffset: plane * entryBytes + 1, as: UInt32.self)
      at += count
    }
    return at < planes.count ? at : nil
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
      let noise = coder.zstd.compress(sample, as: .noise, into: out) ?? .max
      let runs = coder.zstd.compress(sample, as: search, into: out) ?? .max
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
      let mode = coded[plane * entryBytes]
      let field = coded.loadUnaligned(fromByteOffset: plane * entryBytes + 1, as: UInt32.self)
      let count = Int(UInt32(littleEndian: field))
      guard count <= coded.count - at else { throw .planeTable(reason: "plane \(plane) runs past the block") }
      let body = UnsafeRawBufferPointer(rebasing: coded[at..<at + count])
      let target = UnsafeMutableRawBufferPointer(rebasing: scratch[plane * length..<(plane + 1) * length])
      var place = UnsafeRawBufferPointer(target)
      switch mode {
      case 0:
        guard count == length else { throw .length(expected: length, found: count) }
        place = body
      case 1: try coder.zstd.decompress(body, into: target, plane: plane)
      case 2:
        guard count == 1 else { throw .length(expected: 1, found: count) }
        target.initializeMemory(as: UInt8.self, repeating: body[0])
      case 3:
        guard coder.nibbles.decode(body, into: target) else {
          throw .planeTable(reason: "plane \(plane) is no well-formed sequence of halves of bytes")
        }
      default: throw .planeTable(reason: "unknown mode \(mode)")
      }
      coder.places[plane] = place.bindMemory(to: UInt8.self).baseAddress
      at += count
    }
    guard at == coded.count else { throw .planeTable(reason: "\(coded.count - at) bytes left over") }
    return UnsafePointer(coder.places)
  }
}
