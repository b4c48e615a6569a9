import Codecs
import Merging
import Objects
import Tensors

/// Buffers and codec contexts of one worker, reused from block to block.
final class Workspace {
  let coder = BlockCoder()
  let scratch = MergeScratch()
  private var buffers: [UnsafeMutableRawBufferPointer] = []

  /// Raw bytes of an object.
  struct Held: Equatable {
    let object: Digest
    let range: Range<Int>
  }

  /// By level of `ObjectReader`, what its buffer for whole blocks holds; nobody else uses that.
  var held: [Int: Held] = [:]

  deinit { for buffer in buffers { buffer.deallocate() } }

  /// Buffer number `index` with room for `count` bytes; contents are whatever was there.
  func buffer(_ index: Int, count: Int) -> UnsafeMutableRawBufferPointer {
    while buffers.count <= index { buffers.append(.allocate(byteCount: 0, alignment: 64)) }
    if buffers[index].count < count {
      buffers[index].deallocate()
      buffers[index] = .allocate(byteCount: count, alignment: 64)
    }
    return UnsafeMutableRawBufferPointer(rebasing: buffers[index][0..<count])
  }
}

/// A workspace for each worker.
typealias WorkspaceShelf = Shelf<Workspace>

extension Shelf<Workspace> {
  convenience init() { self.init { Workspace() } }

  /// Lends a workspace for the length of `body`.
  func withWorkspace<T>(_ body: (Workspace) throws -> T) rethrows -> T { try lend { try body($0) } }
}
