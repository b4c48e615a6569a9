import Tensors

/// Moves raw bytes through a pool of workers in rounds, with bounded memory.
///
/// An item is a tensor or a file of a checkpoint, cut into pieces of at most one block. Each round does three things at
/// once on three sets of buffers: it fills the next set, codes and digests the one before, and writes out the one
/// before that (where nothing is coded, the one before). Digests and writes need their bytes in order, so they run as
/// one ticket an item, one a file and one for all writes: two writers of one file would only wait for each other.
/// Everything else takes tickets piece by piece.
final class Conveyor {
  /// A piece of an item: at most one block.
  struct Piece {
    let file: Int
    let item: Int
    /// Of the item's raw bytes.
    let range: Range<Int>
    let isFirst: Bool
    let isLast: Bool
  }

  /// A piece in its buffers.
  struct Slot {
    let piece: Piece
    let raw: UnsafeMutableRawBufferPointer
    /// Room for the coded piece; empty where nothing is coded.
    let coded: UnsafeMutableRawBufferPointer
    var codec: UInt8 = 0
    var codedCount = 0
    var checksum: UInt32 = 0

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(raw) }
    var codedBytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: coded[0..<codedCount]) }
  }

  /// What is done with the pieces.
  struct Work {
    /// Puts a piece's raw bytes into its buffer; any order, any worker.
    var fill: (Piece, UnsafeMutableRawBufferPointer, _ worker: Int) throws -> Void
    /// Codes a piece; any order, any worker. Nil: nothing is coded.
    var code: ((inout Slot, _ worker: Int) throws -> Void)?
    /// Takes the slots of one item in order.
    var foldItem: ((_ item: Int, ArraySlice<Slot>) throws -> Void)?
    /// Takes the slots of one file in order.
    var foldFile: ((_ file: Int, ArraySlice<Slot>) throws -> Void)?
    /// Takes all slots in order.
    var drain: ((ArraySlice<Slot>) throws -> Void)?
    /// Told the bytes drained so far.
    var progress: ((Int) -> Void)?
  }

  private let pool: WorkerPool
  private let pieceBytes: Int
  private let arenaBytes: Int
  private let piecesMax = 512
  private static let slack = 192
  private var arenas: [UnsafeMutableRawBufferPointer] = []

  /// - Parameter pieceBytes: the largest piece; memory is three sets of 16 to 48 of them, twice where coded.
  init(pool: WorkerPool, pieceBytes: Int) {
    self.pool = pool
    self.pieceBytes = pieceBytes
    arenaBytes = pieceBytes * min(48, max(16, 4 * pool.width))
  }

  deinit { for arena in arenas { arena.deallocate() } }

  /// Cuts items of these sizes into pieces. An empty item is one empty piece.
  static func cut(_ items: [(file: Int, size: Int)], pieceBytes: Int) -> [Piece] {
    var pieces: [Piece] = []
    for (index, item) in items.enumerated() {
      var start = 0
      repeat {
        let end = min(item.size, start + pieceBytes)
        pieces.append(
          Piece(file: item.file, item: index, range: start..<end, isFirst: start == 0, isLast: end == item.size))
        start = end
      } while start < item.size
    }
    return pieces
  }

  /// Runs all pieces through. Throws what the work throws; no further round starts then.
  func run(_ pieces: [Piece], _ work: Work) throws {
    let batches = batches(of: pieces)
    var slots: [[Slot]] = [[], [], []]
    var done = 0
    if arenas.isEmpty {
      let bytes = arenaBytes + piecesMax * 64
      let coded = work.code == nil ? 0 : arenaBytes + piecesMax * Self.slack
      arenas = (0..<3).map { _ in .allocate(byteCount: bytes + coded, alignment: 64) }
    }
    guard !batches.isEmpty else { return }
    let lag = work.code == nil ? 1 : 2
    for round in 0..<batches.count + lag {
      if round < batches.count {
        slots[round % 3] = place(pieces[batches[round]], in: arenas[round % 3], coded: work.code != nil)
      }
      let drained = (round + 3 - lag) % 3
      try self.round(
        filling: round < batches.count ? slots[round % 3] : [],
        coding: &slots[(round + 2) % 3], isCoding: round >= 1 && round - 1 < batches.count,
        draining: round >= lag ? slots[drained] : [], work)
      if round >= lag {
        done += slots[drained].reduce(0) { $0 + $1.raw.count }
        work.progress?(done)
      }
    }
  }

  private func round(
    filling: [Slot], coding: inout [Slot], isCoding: Bool, draining: [Slot], _ work: Work
  ) throws {
    var chains: [() throws -> Void] = []
    if let drain = work.drain, !draining.isEmpty { chains.append { try drain(draining[...]) } }
    let coded = isCoding ? coding : []
    for (fold, key) in [(work.foldFile, \Piece.file), (work.foldItem, \Piece.item)] {
      guard let fold else { continue }
      for group in Self.groups(coded, by: { $0[keyPath: key] }) {
        chains.append { try fold(coded[group.lowerBound].piece[keyPath: key], coded[group]) }
      }
    }
    let codingCount = work.code == nil ? 0 : coded.count
    try coding.withUnsafeMutableBufferPointer { slots in
      try pool.run(chains.count + codingCount + filling.count) { ticket, worker in
        if ticket < chains.count {
          try chains[ticket]()
        } else if ticket < chains.count + codingCount {
          try work.code?(&slots[ticket - chains.count], worker)
        } else {
          let slot = filling[ticket - chains.count - codingCount]
          try work.fill(slot.piece, slot.raw, worker)
        }
      }
    }
  }

  /// Runs of pieces that fit one arena.
  private func batches(of pieces: [Piece]) -> [Range<Int>] {
    var batches: [Range<Int>] = []
    var start = 0
    var bytes = 0
    for (index, piece) in pieces.enumerated() {
      if index - start == piecesMax || (index > start && bytes + piece.range.count > arenaBytes) {
        batches.append(start..<index)
        (start, bytes) = (index, 0)
      }
      bytes += piece.range.count
    }
    if start < pieces.count { batches.append(start..<pieces.count) }
    return batches
  }

  private func place(_ pieces: ArraySlice<Piece>, in arena: UnsafeMutableRawBufferPointer, coded: Bool) -> [Slot] {
    var at = 0
    var codedAt = arenaBytes + piecesMax * 64
    return pieces.map { piece in
      let raw = UnsafeMutableRawBufferPointer(rebasing: arena[at..<at + piece.range.count])
      at += (piece.range.count + 63) & ~63
      let room = coded ? piece.range.count + 128 : 0
      let out = UnsafeMutableRawBufferPointer(rebasing: arena[codedAt..<codedAt + room])
      codedAt += room
      return Slot(piece: piece, raw: raw, coded: out)
    }
  }

  private static func groups(_ slots: [Slot], by key: (Piece) -> Int) -> [Range<Int>] {
    var groups: [Range<Int>] = []
    var start = 0
    for index in slots.indices where index > start && key(slots[index].piece) != key(slots[start].piece) {
      groups.append(start..<index)
      start = index
    }
    if start < slots.count { groups.append(start..<slots.count) }
    return groups
  }
}
