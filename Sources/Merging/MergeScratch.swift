/// The buffers of one worker, kept from block to block. They grow to the largest block asked for.
package final class MergeScratch {
  let sum = Buffer()
  let input = Buffer()
  let base = Buffer()
  let wideBase = Buffer()
  let rows = Buffer()
  private var wide: [Buffer] = []

  package init() {}

  /// The buffer of widened elements of the input at this position.
  func wide(_ position: Int) -> Buffer {
    while wide.count <= position { wide.append(Buffer()) }
    return wide[position]
  }

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
