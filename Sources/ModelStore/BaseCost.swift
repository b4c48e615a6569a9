import Checkpoints
import Codecs
import Lineage
import Objects
import Tensors

/// The look ahead by which bases are chosen.
enum LongRun {
  /// What a checkpoint costs on average if it costs `cost` on a place where there is room for so many more steps, and
  /// as many more come, each put on the one before at the cost `least`. They may never come: what is sure counts more.
  ///
  /// A base that costs a little more but leaves room is the better one: without this all but the first few checkpoints
  /// of a run would rest on the same.
  static func cost(_ cost: Double, least: Double, room: Int) -> Double {
    let others = 0.9 * Double(room)
    return (cost + others * least) / (1 + others)
  }
}

/// What a sample of an import costs as deltas on a model and alone.
struct SampledCost {
  /// How many steps below the model's tensors the deltas are, where the chains of those are full.
  let steps: Int
  private(set) var delta = 0
  private(set) var solo = 0
  private(set) var raw = 0
  private var pieces: [(delta: Int, raw: Int, room: Int)] = []

  init(steps: Int) { self.steps = steps }

  /// Adds what a piece costs, with how many more steps there is room for on top of it.
  mutating func add(delta: Int, solo: Int, raw: Int, room: Int) {
    self.delta += delta
    self.solo += solo
    self.raw += raw
    pieces.append((delta, raw, room))
  }

  var isHelpful: Bool { delta < solo }

  /// Of a raw byte, the part that is stored.
  var share: Double { Double(delta) / Double(max(1, raw)) }

  /// `LongRun.cost` of a raw byte, where those to come cost `least`.
  func inLongRun(least: Double) -> Double {
    pieces.reduce(0) {
      $0 + LongRun.cost(Double($1.delta), least: least * Double($1.raw), room: $1.room)
    } / Double(max(1, raw))
  }

  var text: String {
    func percent(_ part: Int) -> String { "\(Int((Double(part) * 100 / Double(max(1, raw))).rounded())) %" }
    return "a sample costs \(percent(delta)) of its size as a delta, \(percent(solo)) alone"
  }
}

/// A model that was measured as a base.
struct MeasuredBase {
  let model: Digest
  /// On its very tensors, though their chains may be full.
  let nearest: SampledCost
  /// Where deltas can be; by steps below.
  let places: [SampledCost]
  /// The largest tensor that was sampled, and what is below it: its own digest first.
  let sample: (name: String, chain: [Digest])

  /// The best place, given what those after it may cost; nil where none helps.
  func best(least: Double) -> SampledCost? {
    places.filter(\.isHelpful).min { $0.inLongRun(least: least) < $1.inLongRun(least: least) }
  }
}

extension Repository {
  /// How many of a source's tensors, the largest, are sampled.
  private static let sampledTensors = 8
  /// Of each; of less, tables would be a large part.
  private static let sampledBytes = 128 * 1024

  /// Codes a sample of the source on a model's tensors, on each step below those whose chains are full, and alone. Nil
  /// where the two have no tensor in common.
  func measure(_ source: ImportSource, base model: Digest) throws -> MeasuredBase? {
    let bases = try tensorsByName(of: model)
    let shared = source.items.indices.filter { index in
      guard let tensor = source.items[index].tensor, source.items[index].size > 0 else { return false }
      return bases[tensor.name]?.isBase(for: tensor.dtype, tensor.shape) ?? false
    }
    // The largest tensors decide what a model costs.
    let sampled = shared.sorted { (source.items[$0].size, $1) > (source.items[$1].size, $0) }
    var costs = (0...Self.depthLimit).map(SampledCost.init)
    var isFull = false
    var sample: (name: String, chain: [Digest])?
    for index in sampled.prefix(Self.sampledTensors) {
      let tensor = source.items[index].tensor!
      let entry = bases[tensor.name]!
      let chain = try chain(below: entry.digest)
      let full = chain.count > Self.depthLimit
      // Of a chain that is not full, only the upper end.
      let places = try chain.prefix(full ? chain.count : 1).map { digest in
        try deltaBase(digest, digest == entry.digest ? entry.dtype : nil, for: tensor.dtype)
      }
      guard places.first ?? nil != nil, let pieces = try measure(source, index, on: places) else { continue }
      sample = sample ?? (tensor.name, chain)
      isFull = isFull || full
      for steps in costs.indices {
        let place = min(steps, pieces.deltas.count - 1)
        costs[steps].add(
          delta: pieces.deltas[place], solo: pieces.solo, raw: pieces.raw,
          room: max(0, Self.depthLimit - (chain.count - place)))
      }
    }
    guard let sample else { return nil }
    return MeasuredBase(
      model: model, nearest: costs[0], places: isFull ? Array(costs[1...]) : [costs[0]], sample: sample)
  }

  /// Bytes of a piece of an item on each base and alone, which no base is too; nil where the item has no such piece.
  private func measure(
    _ source: ImportSource, _ index: Int, on bases: [DeltaBase?]
  ) throws -> (deltas: [Int], solo: Int, raw: Int)? {
    let size = bases.reduce(source.items[index].size) { min($0, $1?.size ?? $0) }
    let start = size / 2 / 8 * 8
    let range = start..<start + min(Self.sampledBytes, size / 8 * 8 - start)
    guard !range.isEmpty else { return nil }
    return try spaces.withWorkspace { space in
      let bytes = space.buffer(30, count: range.count)
      try source.read(item: index, at: start, into: bytes)
      let out = space.buffer(32, count: BlockCoder.capacity(for: range.count))
      let format = BlockFormat(source.items[index].tensor!.dtype)
      func coded(on base: DeltaBase?) throws -> Int {
        try space.encode(UnsafeRawBufferPointer(bytes), at: range, on: base, format: format, into: out).count
      }
      return (try bases.map(coded), try coded(on: nil), range.count)
    }
  }
}
