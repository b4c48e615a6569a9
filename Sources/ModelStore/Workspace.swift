import Codecs
import Merging
import Objects
import Synchronization

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

/// Workspaces that are free; one is made where none is.
final class WorkspaceShelf: Sendable {
  private struct Free: @unchecked Sendable { var spaces: [Workspace] = [] }
  /// A workspace on its way in or out: one thread has it at a time.
  private struct Loan: @unchecked Sendable { let space: Workspace? }
  private let free = Mutex(Free())

  /// Lends a workspace for the length of `body`.
  func withWorkspace<T>(_ body: (Workspace) throws -> T) rethrows -> T {
    let found = free.withLock { Loan(space: $0.spaces.popLast()) }.space
    let space = found ?? Workspace()
    let loan = Loan(space: space)
    defer { free.withLock { $0.spaces.append(loan.space!) } }
    return try body(space)
  }
}
