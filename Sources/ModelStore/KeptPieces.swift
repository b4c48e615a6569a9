import Objects
import Synchronization

/// The latest pieces of computed tensors that were read in small parts. Rows of a nested merge that are read in another
/// order than they lie cost their piece once, not each the blocks of stored tensors that it is made of.
final class KeptPieces: Sendable {
  private struct Piece {
    let tensor: Int
    let range: Range<Int>
    let bytes: [UInt8]
  }

  private let count: Int
  private let recent = Mutex<[Piece]>([])

  /// - Parameter count: how many pieces of a block's size are kept; each reader at work needs one.
  init(count: Int) { self.count = count }

  /// True for reads that are worth a piece: much smaller than the blocks in which tensors are stored.
  static func isSmall(_ bytes: Int) -> Bool { bytes <= Frame.blockBytes / 8 }

  /// Fills `out` with bytes of a tensor of `size` bytes; `compute` fills whole pieces.
  func read(
    tensor: Int, from start: Int, size: Int, into out: UnsafeMutableRawBufferPointer,
    compute: (_ start: Int, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    var at = start
    while at < start + out.count {
      let first = at / Frame.blockBytes * Frame.blockBytes
      let piece = try piece(tensor, first..<min(size, first + Frame.blockBytes), compute)
      let end = min(piece.range.upperBound, start + out.count)
      piece.bytes.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: out[at - start..<end - start]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: $0[at - first..<end - first]))
      }
      at = end
    }
  }

  private func piece(
    _ tensor: Int, _ range: Range<Int>, _ compute: (Int, UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Piece {
    let found = recent.withLock { recent -> Piece? in
      guard let at = recent.lastIndex(where: { $0.tensor == tensor && $0.range == range }) else { return nil }
      recent.append(recent.remove(at: at))
      return recent.last
    }
    if let found { return found }
    let bytes = try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
      try compute(
        range.lowerBound, UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<range.count])
      )
      count = range.count
    }
    let piece = Piece(tensor: tensor, range: range, bytes: bytes)
    recent.withLock { recent in
      recent.append(piece)
      if recent.count > count { recent.removeFirst() }
    }
    return piece
  }
}
