import Synchronization
import Tensors

/// Where the largest changes of a tensor begin: the magnitudes above `bits`, and of those equal to it as many as are
/// still wanted, the first first.
///
/// Found by counting the upper and then the lower bits of magnitudes, so that memory is that of blocks.
struct MagnitudeCut {
  private let change: ChangeReader
  /// The bits of the magnitude at the cut; `UInt32.max` where nothing is kept.
  private let bits: UInt32
  /// For each run of elements, how many of those at the cut are kept in it.
  private let equal: [Int]

  /// - Parameter count: how many elements are kept.
  init(_ change: ChangeReader, keeping count: Int, pool: WorkerPool, spaces: WorkspaceShelf) throws {
    self.change = change
    guard count > 0 else {
      (bits, equal) = (.max, [])
      return
    }
    let upper = try Self.counts(change, pool, spaces, bins: 1 << 16) { Int($0 >> 15) }
    // 0x7F80_0000 and above are infinities and NaNs.
    guard upper[(0x7F80_0000 >> 15)...].allSatisfy({ $0 == 0 }) else {
      throw RepositoryError(
        .invalidInput, "tensor \(change.name): finite numbers expected in both models, found NaN or infinity")
    }
    var left = count
    let high = Self.descend(upper, &left)
    let lower = try Self.counts(change, pool, spaces, bins: 1 << 15) {
      Int($0 >> 15) == high ? Int($0 & 0x7FFF) : nil
    }
    let cut = UInt32(high) << 15 | UInt32(Self.descend(lower, &left))
    let runs = MaskDraft.runs([change.elements])
    let found = Mutex([Int](repeating: 0, count: runs.count))
    try pool.run(runs.count) { ticket, _ in
      try Self.magnitudes(change, runs[ticket].elements, spaces) { values in
        let count = values.count { $0 == cut }
        found.withLock { $0[ticket] = count }
      }
    }
    bits = cut
    equal = found.withLock { $0 }.map { there in
      defer { left -= min(left, there) }
      return min(left, there)
    }
  }

  /// Packs the bits of a run of elements.
  func pack(_ elements: Range<Int>, into out: UnsafeMutableRawBufferPointer, _ space: Workspace) throws {
    let values = space.buffer(63, count: elements.count * 4).bindMemory(to: Float.self)
    try change.read(elements, into: values.baseAddress!, space)
    var left = equal.isEmpty ? 0 : equal[elements.lowerBound / MaskDraft.run]
    BitMask.pack(elements.count, into: out) { index in
      let magnitude = values[index].bitPattern & 0x7FFF_FFFF
      if magnitude != bits { return magnitude > bits }
      left -= 1
      return left >= 0
    }
  }

  /// The bin from the top in which the wanted element lies; `left` becomes its place in it, from 1.
  private static func descend(_ counts: [Int], _ left: inout Int) -> Int {
    for bin in counts.indices.reversed() {
      if left <= counts[bin] { return bin }
      left -= counts[bin]
    }
    return 0
  }

  private static func counts(
    _ change: ChangeReader, _ pool: WorkerPool, _ spaces: WorkspaceShelf, bins: Int, _ bin: (UInt32) -> Int?
  ) throws -> [Int] {
    let runs = MaskDraft.runs([change.elements])
    let total = Mutex([Int](repeating: 0, count: bins))
    try pool.run(runs.count) { ticket, _ in
      try magnitudes(change, runs[ticket].elements, spaces) { values in
        var counts = [Int](repeating: 0, count: bins)
        for value in values { if let place = bin(value) { counts[place] += 1 } }
        total.withLock { total in for index in counts.indices { total[index] += counts[index] } }
      }
    }
    return total.withLock { $0 }
  }

  /// Hands over the bits of the magnitudes of a run of elements.
  private static func magnitudes(
    _ change: ChangeReader, _ elements: Range<Int>, _ spaces: WorkspaceShelf,
    _ body: (UnsafeMutableBufferPointer<UInt32>) throws -> Void
  ) throws {
    try spaces.withWorkspace { space in
      let buffer = space.buffer(63, count: elements.count * 4)
      try change.read(elements, into: buffer.bindMemory(to: Float.self).baseAddress!, space)
      let bits = buffer.bindMemory(to: UInt32.self)
      for index in bits.indices { bits[index] &= 0x7FFF_FFFF }
      try body(bits)
    }
  }
}
