import CRivals
import CZstd
import Codecs
import Tensors

/// One way to code tensors. Each worker has its own contexts and buffers, kept from piece to piece.
protocol Way: AnyObject {
  /// What is coded at once: blocks, or whole tensors.
  func pieces(of tensor: Stretch) -> [Stretch]
  /// The most bytes that a piece can take.
  func room(for count: Int) -> Int
  /// Bytes written, and the number of the codec where there are several.
  func encode(
    _ piece: Stretch, of material: Material, worker: Int, into out: UnsafeMutableRawBufferPointer
  ) throws -> (codec: UInt8, count: Int)
  func decode(
    _ coded: UnsafeRawBufferPointer, codec: UInt8, _ piece: Stretch, of material: Material, worker: Int) throws
}

/// The store's: blocks of the size that it cuts.
final class StemmaWay: Way {
  static let blockBytes = 512 << 10
  private let coders: [BlockCoder]

  init(workers: Int) {
    coders = (0..<workers).map { _ in BlockCoder() }
  }

  private func format(_ piece: Stretch) -> BlockFormat {
    BlockFormat(piece.dtype)
  }

  func pieces(of tensor: Stretch) -> [Stretch] { tensor.cut(Self.blockBytes) }
  func room(for count: Int) -> Int { BlockCoder.capacity(for: count) }

  func encode(
    _ piece: Stretch, of material: Material, worker: Int, into out: UnsafeMutableRawBufferPointer
  ) -> (codec: UInt8, count: Int) {
    let (codec, count) = coders[worker].encode(
      material.bytes(of: piece), base: material.base(of: piece), format: format(piece), into: out)
    return (codec.rawValue, count)
  }

  func decode(
    _ coded: UnsafeRawBufferPointer, codec: UInt8, _ piece: Stretch, of material: Material, worker: Int
  ) throws {
    try coders[worker].decode(
      codec, coded, base: material.base(of: piece), format: format(piece), into: material.place(of: piece))
  }
}

/// Zstd of the bytes as they are, by the store's blocks.
final class ZstdWay: Way {
  private let contexts: [ZstdPair]

  init(workers: Int, level: Int32) {
    contexts = (0..<workers).map { _ in ZstdPair(level: level) }
  }

  func pieces(of tensor: Stretch) -> [Stretch] { tensor.cut(StemmaWay.blockBytes) }
  func room(for count: Int) -> Int { ZSTD_compressBound(count) }

  func encode(
    _ piece: Stretch, of material: Material, worker: Int, into out: UnsafeMutableRawBufferPointer
  ) throws -> (codec: UInt8, count: Int) {
    (0, try contexts[worker].compress(material.bytes(of: piece), into: out))
  }

  func decode(
    _ coded: UnsafeRawBufferPointer, codec: UInt8, _ piece: Stretch, of material: Material, worker: Int
  ) throws {
    try contexts[worker].decompress(coded, into: material.place(of: piece))
  }
}

/// BitX's form: XOR with the base in planes of whole tensors, each plane through zstd level 3; tensors over 10 MB in
/// pieces of 1 MiB a plane. Elements are of two or four bytes.
final class BitXWay: Way {
  private static let pieceElements = 1 << 20
  private let contexts: [ZstdPair]
  private let planes: [UnsafeMutableRawBufferPointer]

  init(workers: Int, material: Material) {
    contexts = (0..<workers).map { _ in ZstdPair(level: 3) }
    let most = material.tensors.lazy.map { Self.cut($0)[0].count }.max() ?? 0
    planes = (0..<workers).map { _ in
      let planes = UnsafeMutableRawBufferPointer.allocate(byteCount: most, alignment: 64)
      planes.initializeMemory(as: UInt8.self, repeating: 0)
      return planes
    }
  }

  deinit {
    for planes in planes { planes.deallocate() }
  }

  private static func cut(_ tensor: Stretch) -> [Stretch] {
    tensor.count > 10_000_000 ? tensor.cut(pieceElements * tensor.width) : [tensor]
  }

  func pieces(of tensor: Stretch) -> [Stretch] { Self.cut(tensor) }
  func room(for count: Int) -> Int { ZSTD_compressBound(count) + 8 * 64 }

  func encode(
    _ piece: Stretch, of material: Material, worker: Int, into out: UnsafeMutableRawBufferPointer
  ) throws -> (codec: UInt8, count: Int) {
    guard let base = material.base(of: piece) else { throw Problem("BitX without a base") }
    let (elements, scratch) = (piece.count / piece.width, planes[worker])
    rival_bitx_split(
      material.bytes(of: piece).baseAddress, base.baseAddress, scratch.baseAddress, elements, Int32(piece.width))
    var count = 0
    for plane in 0..<piece.width {
      let bytes = UnsafeRawBufferPointer(rebasing: scratch[plane * elements..<(plane + 1) * elements])
      count += try contexts[worker].compress(bytes, into: .init(rebasing: out[count...]))
    }
    return (0, count)
  }

  func decode(
    _ coded: UnsafeRawBufferPointer, codec: UInt8, _ piece: Stretch, of material: Material, worker: Int
  ) throws {
    guard let base = material.base(of: piece) else { throw Problem("BitX without a base") }
    let (elements, scratch) = (piece.count / piece.width, planes[worker])
    var rest = coded
    for plane in 0..<piece.width {
      let frame = ZSTD_findFrameCompressedSize(rest.baseAddress, rest.count)
      guard ZSTD_isError(frame) == 0 else { throw Problem("BitX: a plane without its frame") }
      let to = UnsafeMutableRawBufferPointer(rebasing: scratch[plane * elements..<(plane + 1) * elements])
      try contexts[worker].decompress(.init(rebasing: rest[..<frame]), into: to)
      rest = .init(rebasing: rest[frame...])
    }
    rival_bitx_join(
      scratch.baseAddress, base.baseAddress, material.place(of: piece).baseAddress, elements, Int32(piece.width))
  }
}

/// FM-Delta's form, whole tensors. Elements are of two or four bytes.
final class FMDeltaWay: Way {
  func pieces(of tensor: Stretch) -> [Stretch] { [tensor] }
  func room(for count: Int) -> Int { count + count / 4 + 64 }

  func encode(
    _ piece: Stretch, of material: Material, worker: Int, into out: UnsafeMutableRawBufferPointer
  ) throws -> (codec: UInt8, count: Int) {
    let count = rival_fmdelta_encode(
      material.bytes(of: piece).baseAddress, material.base(of: piece)?.baseAddress, piece.count / piece.width,
      Int32(piece.width), out.baseAddress, out.count)
    guard count > 0 else { throw Problem("FM-Delta: no room") }
    return (0, count)
  }

  func decode(
    _ coded: UnsafeRawBufferPointer, codec: UInt8, _ piece: Stretch, of material: Material, worker: Int
  ) throws {
    let isRead = rival_fmdelta_decode(
      coded.baseAddress, coded.count, material.base(of: piece)?.baseAddress, material.place(of: piece).baseAddress,
      piece.count / piece.width, Int32(piece.width))
    guard isRead == 1 else { throw Problem("FM-Delta: cannot be read back") }
  }
}

/// Contexts of zstd for both directions.
final class ZstdPair {
  private let compression = ZSTD_createCCtx()
  private let decompression = ZSTD_createDCtx()

  init(level: Int32) {
    ZSTD_CCtx_setParameter(compression, ZSTD_c_compressionLevel, level)
  }

  deinit {
    ZSTD_freeCCtx(compression)
    ZSTD_freeDCtx(decompression)
  }

  func compress(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = ZSTD_compress2(compression, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
    guard ZSTD_isError(count) == 0 else { throw Problem("zstd: \(String(cString: ZSTD_getErrorName(count)))") }
    return count
  }

  /// Fills `out` exactly, or throws.
  func decompress(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) throws {
    let count = ZSTD_decompressDCtx(decompression, out.baseAddress, out.count, bytes.baseAddress, bytes.count)
    guard count == out.count else { throw Problem("zstd: a frame of \(out.count) bytes that cannot be read back") }
  }
}
