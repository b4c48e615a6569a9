import Codecs
import Lineage
import Objects
import Tensors

/// An object that is to get a better frame.
struct Recoding {
  let row: ObjectRow
  let reader: ObjectReader
  /// What the new frame is a delta on; nil for none.
  let base: DeltaBase?
  /// The frame that it has.
  let known: KnownFrame
  /// What the new frame may have of `KnownFrame.bytes`, by a sample.
  let estimate: Int
}

/// A frame on record, by which another of the same object is judged.
struct KnownFrame {
  let digest: Digest
  /// Of its blocks, and of its base's digest.
  let bytes: Int
  /// Whether its chain is longer than the other's.
  let isDeeper: Bool

  /// Whether one of so many bytes is worth its place: it saves 1 %, and 64 bytes for the pack around it, or it costs no
  /// more and has the shorter chain.
  func isWorse(than bytes: Int) -> Bool {
    bytes + 64 <= self.bytes && bytes * 100 <= self.bytes * 99 || isDeeper && bytes <= self.bytes
  }
}

extension FrameTrailer {
  /// Bytes of the base's digest, where there is one.
  static let baseBytes = 32
  /// Bytes of the blocks, and of the base's digest.
  var payloadBytes: Int { blocks.reduce(base == nil ? 0 : Self.baseBytes) { $0 + $1.length } }
}

/// Finds by samples what an object is best coded on.
struct BaseTrial {
  /// What an object may be a delta on.
  struct Candidate {
    let base: DeltaBase
    /// The steps that the object would have.
    let depth: Int
    /// Whether it can be put there; where not, it is measured to know what others would cost there.
    let isOpen: Bool
  }

  /// Blocks of an object that are coded; of one with no more, all.
  private static let blocksMax = 4
  private let row: ObjectRow
  private let reader: ObjectReader
  private let depth: Int
  private let future: Int
  private let blocks: [Int]

  /// - Parameters:
  ///   - depth: the steps that it has now.
  ///   - future: how many more may come to be put on it, one on the other.
  init(_ row: ObjectRow, _ reader: ObjectReader, depth: Int, future: Int) {
    self.row = row
    self.reader = reader
    self.depth = depth
    self.future = future
    let count = reader.trailer.blocks.count
    let sampled = min(count, Self.blocksMax)
    blocks = (0..<sampled).map { (2 * $0 + 1) * count / (2 * sampled) }
  }

  /// The way that is cheapest in the long run, if it is clearly better than the frame on record; nil where that one
  /// stays.
  ///
  /// - Parameter bases: candidates; it may always stand alone.
  func best(of bases: [Candidate], _ spaces: WorkspaceShelf) throws -> Recoding? {
    guard !blocks.isEmpty else { return nil }
    let ways =
      bases.map { (base: Optional($0.base), depth: $0.depth, isOpen: $0.isOpen) } + [
        (base: nil, depth: 0, isOpen: true)
      ]
    let sample = try spaces.withWorkspace { try measure(ways.map(\.base), $0) }
    let least = Double(min(sample.known, sample.costs.min()!))
    func inLongRun(_ cost: Int, _ depth: Int) -> Double {
      LongRun.cost(Double(cost), least: least, room: min(future, Repository.depthLimit - depth))
    }
    func known(_ bytes: Int, _ way: Int) -> KnownFrame {
      KnownFrame(digest: row.digest, bytes: bytes, isDeeper: depth > ways[way].depth)
    }
    let stay = inLongRun(sample.known, depth)
    let costs = ways.indices.map { inLongRun(sample.costs[$0], ways[$0].depth) }
    let better = ways.indices.filter { way in
      ways[way].isOpen && known(sample.known, way).isWorse(than: sample.costs[way])
        && (costs[way] <= 0.99 * stay || depth > ways[way].depth && costs[way] <= stay)
    }
    // Of what costs the same within half a percent the shortest chain, and of those what comes first.
    let cheapest = better.map { costs[$0] }.min() ?? 0
    let chosen = better.filter { costs[$0] <= 1.005 * cheapest }.min { ways[$0].depth < ways[$1].depth }
    guard let chosen else { return nil }
    return Recoding(
      row: row, reader: reader, base: ways[chosen].base, known: known(reader.trailer.payloadBytes, chosen),
      estimate: scaled(sample.costs[chosen], of: sample.known))
  }

  /// What the whole frame costs where the sample costs `part`, and what is on record of it `known`.
  private func scaled(_ part: Int, of known: Int) -> Int {
    let share = known == 0 ? 1 : Double(part) / Double(known)
    return min(reader.size, Int((Double(reader.trailer.payloadBytes) * share).rounded()))
  }

  /// Bytes of the sampled blocks on each base and as they are on record.
  private func measure(_ bases: [DeltaBase?], _ space: Workspace) throws -> (costs: [Int], known: Int) {
    let trailer = reader.trailer
    // A base's digest is there once for all blocks.
    let share = FrameTrailer.baseBytes * blocks.count / trailer.blocks.count
    var costs = bases.map { $0 == nil ? 0 : share }
    var known = trailer.base == nil ? 0 : share
    for block in blocks {
      let range = trailer.rawRange(ofBlock: block)
      let bytes = space.buffer(30, count: range.count)
      try reader.read(at: range.lowerBound, into: bytes, space)
      let out = space.buffer(32, count: BlockCoder.capacity(for: range.count))
      known += trailer.blocks[block].length
      for (index, base) in bases.enumerated() {
        costs[index] +=
          try space.encode(
            UnsafeRawBufferPointer(bytes), at: range, on: base, format: trailer.format, into: out
          ).count
      }
    }
    return (costs, known)
  }
}
