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

  /// Whether deltas save 2 %: even noise helps a little, where it shares exponents.
  var isHelpful: Bool { Double(delta) < 0.98 * Double(solo) }

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

/// A model that is measured as a base.
struct MeasuredBase {
  let model: Digest
  /// What deltas cost on its very tensors, and where the chains of those are full so many steps below.
  private var costs = (0...Repository.depthLimit).map(SampledCost.init)
  private var isFull = false
  /// The largest tensor that was sampled, and what is below it: its own digest first.
  private(set) var sample: (name: String, chain: [Digest])?

  init(_ model: Digest) { self.model = model }

  /// On its very tensors, though their chains may be full.
  var nearest: SampledCost { costs[0] }

  /// Adds what a piece of a tensor costs alone and on each place of a chain; of one that is not full on the upper end.
  mutating func add(_ name: String, chain: [Digest], raw: Int, solo: Int, deltas: [Int]) {
    sample = sample ?? (name, chain)
    isFull = isFull || deltas.count > 1
    for steps in costs.indices {
      let place = min(steps, deltas.count - 1)
      costs[steps].add(
        delta: deltas[place], solo: solo, raw: raw, room: max(0, Repository.depthLimit - (chain.count - place)))
    }
  }

  /// The best place, given what those after it may cost; nil where none helps.
  func best(least: Double) -> SampledCost? {
    (isFull ? costs[1...] : costs[...0]).filter(\.isHelpful)
      .min { $0.inLongRun(least: least) < $1.inLongRun(least: least) }
  }
}

extension Repository {
  /// How many of a source's tensors are sampled, and among how many those are looked for: the largest ones, which
  /// decide what a model costs.
  private static let (sampledTensors, seenTensors) = (8, 256)
  /// Of each; of less, tables would be a large part.
  private static let sampledBytes = 128 * 1024
  /// Of all together, what it takes to tell.
  private static let toldBytes = 4096

  /// What a sample of the source costs alone and on the tensors of each model, and on each step below those whose
  /// chains are full.
  func measure(_ source: ImportSource, bases models: [Digest]) throws -> [MeasuredBase] {
    // What is damaged is no base.
    let tables = try models.map { model in try readable { try tensorsByName(of: model) } ?? [:] }
    let items = source.items.indices.filter { source.isWeight(source.items[$0]) && source.items[$0].size > 0 }
      .sorted { (source.items[$0].size, $1) > (source.items[$1].size, $0) }
    var (measured, frozen) = (models.map(MeasuredBase.init), models.map(MeasuredBase.init))
    var (sampled, seen) = (0, 0)
    for index in items where sampled < Self.sampledTensors && seen < Self.seenTensors {
      let tensor = source.items[index].tensor!
      let places = try tables.map { table in
        try table[tensor.name].flatMap { base in try readable { try self.places(base, for: tensor) } }
      }
      let isEarly = seen < Self.sampledTensors
      guard let piece = try readable({ try measure(source, index, on: places, orKnown: isEarly) }) else { continue }
      seen += 1
      sampled += piece.isKnown ? 0 : 1
      for (model, places) in places.enumerated() where !piece.isKnown || isEarly {
        guard let places else { continue }
        func add(to base: inout MeasuredBase) {
          base.add(tensor.name, chain: places.chain, raw: piece.raw, solo: piece.solo, deltas: piece.deltas[model])
        }
        // What one of the models has as it is costs nothing whatever the base: it counts only where nothing else does.
        if piece.isKnown { add(to: &frozen[model]) } else { add(to: &measured[model]) }
      }
    }
    // A few small ones tell nothing either.
    let isTold = measured.contains { $0.nearest.raw >= Self.toldBytes } || frozen.allSatisfy { $0.sample == nil }
    return isTold ? measured : frozen
  }

  /// Where a tensor can be put: on this one, or where its chain is full on each below it; nil where it does not fit.
  private func places(_ base: Manifest.TensorEntry, for tensor: TensorRecord) throws -> Places? {
    guard base.isBase(for: tensor.dtype, tensor.shape),
      let first = try deltaBase(base.digest, base.dtype, for: tensor.dtype)
    else { return nil }
    let chain = try chain(from: base.digest)
    let below = chain.count > Self.depthLimit ? chain.dropFirst() : []
    return Places(chain: chain, bases: [first] + (try below.map { try deltaBase($0, nil, for: tensor.dtype) }))
  }

  /// Codes a piece of an item on all places, and alone, which no base is too; nil where the item has no such piece or
  /// no place. If one of the models has the piece as it is, that is done only on demand.
  private func measure(
    _ source: ImportSource, _ index: Int, on places: [Places?], orKnown: Bool
  ) throws -> (raw: Int, solo: Int, deltas: [[Int]], isKnown: Bool)? {
    let bases = places.map { $0?.bases ?? [] }
    let size = bases.joined().reduce(source.items[index].size) { min($0, $1?.size ?? $0) }
    let start = size / 2 / 8 * 8
    let range = start..<start + min(Self.sampledBytes, size / 8 * 8 - start)
    guard !range.isEmpty, !bases.joined().isEmpty else { return nil }
    return try spaces.withWorkspace { space in
      let bytes = space.buffer(30, count: range.count)
      try source.read(item: index, at: start, into: bytes)
      let out = space.buffer(32, count: BlockCoder.capacity(for: range.count))
      let format = BlockFormat(source.items[index].tensor!.dtype)
      func coded(on base: DeltaBase?) throws -> Int {
        try space.encode(UnsafeRawBufferPointer(bytes), at: range, on: base, format: format, into: out).count
      }
      let upper = try bases.map { try $0.first.map(coded) }
      let isKnown = upper.contains(0)
      if isKnown && !orKnown { return (range.count, 0, [], true) }
      let deltas = try zip(upper, bases).map { upper, bases in
        try upper.map { [$0] + (try bases.dropFirst().map(coded)) } ?? []
      }
      return (range.count, try coded(on: nil), deltas, isKnown)
    }
  }
}

/// The places for a tensor on one of another model.
private struct Places {
  /// That tensor's object, and what it rests on.
  let chain: [Digest]
  /// The object alone, or if its chain is full all of it; nil where one of them is no base for the tensor.
  let bases: [DeltaBase?]
}
