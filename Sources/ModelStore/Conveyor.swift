import Tensors

/// Moves raw bytes through a pool of workers in rounds, with bounded memory.
///
/// An item is a tensor or a file of a checkpoint, cut into pieces of at most one block. Each round does three things at
/// once on as many sets of buffers: it fills the next set, codes and digests the one before, and writes out the one
/// before that (where nothing is coded, the one before). Digests and writes need their bytes in order, so they run as
/// one ticket for all digests, which takes them two at a time, and one for all writes: two writers of one file would
/// only wait for each other. Everything else takes tickets piece by piece.
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
    /// What digests an item, in the order of its pieces.
    var itemHash: ((_ item: Int) -> ItemHash)?
    /// What digests a file, in the order of all pieces.
    var fileHash: ((_ file: Int) -> ItemHash)?
    /// Told that an item's digest is whole.
    var digested: ((_ item: Int) throws -> Void)?
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

  /// - Parameter pieceBytes: the largest piece; memory is two sets of 24 to 48 of them; three, and each
  ///   twice, where they are coded.
  init(pool: WorkerPool, pieceBytes: Int) {
    self.pool = pool
    self.pieceBytes = pieceBytes
    let wanted = pieceBytes * min(48, max(24, 4 * pool.width))
    // Little memory: shorter turns. There are six such arenas at most, and as much is left for the rest.
    arenaBytes = Machine.freeMemory().map { min(wanted, max(4 * pieceBytes, $0 / 12)) } ?? wanted
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

  /// The same, but two items at a time, piece by piece in turn, for work that does not mind: their digests then run
  /// side by side.
  static func cutInTurn(_ items: [(file: Int, size: Int)], pieceBytes: Int) -> [Piece] {
    let all = cut(items, pieceBytes: pieceBytes)
    var (rest, lanes) = (all[...], [all[..<0], all[..<0]])
    var pieces: [Piece] = []
    pieces.reserveCapacity(all.count)
    while pieces.count < all.count {
      for lane in 0..<2 {
        if lanes[lane].isEmpty, let item = rest.first?.item {
          lanes[lane] = rest.prefix { $0.item == item }
          rest = rest[lanes[lane].endIndex...]
        }
        if let piece = lanes[lane].popFirst() { pieces.append(piece) }
      }
    }
    return pieces
  }

  /// Runs all pieces through. Throws what the work throws; no further round starts then.
  func run(_ pieces: [Piece], _ work: Work) throws {
    let batches = batches(of: pieces)
    let lag = work.code == nil ? 1 : 2
    let sets = lag + 1
    var slots = [[Slot]](repeating: [], count: sets)
    var done = 0
    if arenas.isEmpty {
      let bytes = arenaBytes + piecesMax * 64
      let coded = work.code == nil ? 0 : arenaBytes + piecesMax * Self.slack
      // And what a worker has besides.
      try Machine.requireMemory(
        sets * (bytes + coded) + pool.width * 4 * pieceBytes,
        "for \(pool.width == 1 ? "one worker" : "\(pool.width) workers")")
      arenas = (0..<sets).map { _ in .allocate(byteCount: bytes + coded, alignment: 64) }
    }
    guard !batches.isEmpty else { return }
    for round in 0..<batches.count + lag {
      if round < batches.count {
        slots[round % sets] = place(pieces[batches[round]], in: arenas[round % sets], coded: work.code != nil)
      }
      let drained = (round + sets - lag) % sets
      try self.round(
        filling: round < batches.count ? slots[round % sets] : [],
        coding: &slots[(round + sets - 1) % sets], isCoding: round >= 1 && round - 1 < batches.count,
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
    let streams = streams(of: coded, work)
    if !streams.isEmpty {
      chains.append {
        ItemHash.fold(streams)
        for slot in coded where slot.piece.isLast { try work.digested?(slot.piece.item) }
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

  /// What each digest takes of these slots.
  private func streams(of slots: [Slot], _ work: Work) -> [ItemHash.Stream] {
    var streams: [ItemHash.Stream] = []
    for (hash, key) in [(work.fileHash, \Piece.file), (work.itemHash, \Piece.item)] {
      guard let hash else { continue }
      var places: [Int: Int] = [:]
      for slot in slots {
        let number = slot.piece[keyPath: key]
        if let place = places[number] {
          streams[place].slots.append(slot.bytes)
        } else {
          places[number] = streams.count
          streams.append(ItemHash.Stream(hash: hash(number), slots: [slot.bytes]))
        }
      }
    }
    return streams
  }
}
