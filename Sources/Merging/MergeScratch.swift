/// The buffers of one worker, kept from block to block. They grow to the largest block asked for.
package final class MergeScratch {
  let sum = Buffer()
  let rows = Buffer()
  /// Of realigned inputs: stored elements of the model and the anchor, wide ones of the anchor, and bits.
  let realigned = (own: Buffer(), anchor: Buffer(), wide: Buffer(), bits: Buffer())
  private var stored: [Buffer] = []
  private var wide: [(buffer: Buffer, isFilled: Bool)] = []
  private var rooms: [Buffer] = []
  private var roomsTaken = 0

  package init() {}

  /// The buffer of stored elements of the input at this place.
  func stored(_ place: Int) -> Buffer {
    while stored.count <= place { stored.append(Buffer()) }
    return stored[place]
  }

  /// The buffer of widened elements of the input at this place.
  func wide(_ place: Int) -> Buffer {
    while wide.count <= place { wide.append((Buffer(), false)) }
    return wide[place].buffer
  }

  /// Forgets what is in the buffers of widened elements.
  func beginBlock() { for place in wide.indices { wide[place].isFilled = false } }

  /// True once a block for each place: its widened elements are then to be filled in.
  func beginWidening(_ place: Int) -> Bool {
    defer { wide[place].isFilled = true }
    return !wide[place].isFilled
  }

  /// A buffer that nobody has, until `endRoom`; the last taken is given back first.
  func beginRoom() -> Buffer {
    if roomsTaken == rooms.count { rooms.append(Buffer()) }
    roomsTaken += 1
    return rooms[roomsTaken - 1]
  }

  func endRoom() { roomsTaken -= 1 }

  /// Raw memory at a cache line's border.
  final class Buffer {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// At least one byte of memory is kept, so that there always is an address.
    func bytes(_ count: Int) -> UnsafeMutableRawBufferPointer {
      if memory.count < max(1, count) {
        memory.deallocate()
        memory = .allocate(byteCount: max(1, count), alignment: 64)
      }
      return UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
    }

    /// The same memory as numbers. Its old content means nothing.
    func elements<Wide: BitwiseCopyable>(_ count: Int, of type: Wide.Type) -> UnsafeMutableBufferPointer<Wide> {
      bytes(count * MemoryLayout<Wide>.stride).bindMemory(to: Wide.self)
    }

    deinit { memory.deallocate() }
  }
}
