internal import CKernels

/// Memory of a `ChangeCodec`, reused from block to block; contents are whatever was there.
final class ChangeBuffers {
  /// What coding a block takes.
  struct Coding {
    let scales: UnsafeMutablePointer<Int16>
    let counts: UnsafeMutablePointer<UInt32>
    let states: UnsafeMutablePointer<UInt32>
    /// Of the whole block.
    let contexts, tokens: UnsafeMutablePointer<UInt8>
    /// The end of room for a word an element.
    let wordsEnd: UnsafeMutablePointer<UInt16>
    /// Of a tile.
    let bits: UnsafeMutablePointer<UInt8>
    let raw: UnsafeMutableRawPointer
    /// Streams of `streamBytes`, with some room after them.
    let rawBits, escapes: UnsafeMutablePointer<UInt8>
    let streamBytes: Int
    /// A byte a group.
    let bytes: UnsafeMutablePointer<UInt8>
  }

  /// What decoding one takes.
  struct Decoding {
    let scales: UnsafeMutablePointer<Int16>
    let states: UnsafeMutablePointer<UInt32>
    /// Of a tile.
    let contexts, tokens, bits: UnsafeMutablePointer<UInt8>
    let raw: UnsafeMutableRawPointer
    /// A byte a group, and 65,535 at least.
    let bytes: UnsafeMutablePointer<UInt8>
  }

  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { memory.deallocate() }

  func coding(_ n: Int, width: Int, tile: Int) -> Coding {
    let groups = n / Int(CK_CHANGE_GROUP) + 1
    let streamBytes = n * width + 64
    var carver = carver(14 * groups + 4 * n + 2 * streamBytes + 5 * tile + 24 * 1024)
    return Coding(
      scales: carver.take(groups), counts: carver.take(ChangeTables.contexts * ChangeTables.tokens),
      states: carver.take(Int(CK_RANS_LANES_MOST)), contexts: carver.take(n), tokens: carver.take(n),
      wordsEnd: carver.take(n) + n, bits: carver.take(tile), raw: carver.take(4 * tile, of: UInt8.self),
      rawBits: carver.take(streamBytes + 64), escapes: carver.take(streamBytes + 64), streamBytes: streamBytes,
      bytes: carver.take(groups))
  }

  func decoding(groups: Int, tile: Int) -> Decoding {
    let side = max(groups, Int(UInt16.max))
    var carver = carver(2 * groups + 7 * tile + side + 2048)
    return Decoding(
      scales: carver.take(groups), states: carver.take(Int(CK_RANS_LANES_MOST)), contexts: carver.take(tile),
      tokens: carver.take(tile), bits: carver.take(tile), raw: carver.take(4 * tile, of: UInt8.self),
      bytes: carver.take(side))
  }

  private func carver(_ count: Int) -> Carver {
    memory.grow(to: count)
    return Carver(rest: memory)
  }

  /// Cuts memory into arrays, each on a line of its own.
  private struct Carver {
    var rest: UnsafeMutableRawBufferPointer

    mutating func take<T>(_ count: Int, of: T.Type = T.self) -> UnsafeMutablePointer<T> {
      let bytes = (count * MemoryLayout<T>.stride + 63) & ~63
      defer { rest = UnsafeMutableRawBufferPointer(rebasing: rest[bytes...]) }
      return rest.bindMemory(to: T.self).baseAddress!
    }

    mutating func take(_ count: Int, of: UInt8.Type) -> UnsafeMutableRawPointer {
      let taken: UnsafeMutablePointer<UInt8> = take(count)
      return UnsafeMutableRawPointer(taken)
    }
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Makes room for so many bytes; contents are whatever is there.
  mutating func grow(to count: Int) {
    guard self.count < count else { return }
    deallocate()
    self = .allocate(byteCount: count, alignment: 64)
  }
}
