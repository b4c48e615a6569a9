import Checkpoints
import Codecs
import Lineage
import Objects
import Tensors

/// Which base an import is expressed against, which parent it has that nobody declared, and why.
struct BaseChoice {
  /// What the user declared.
  let declared: Digest?
  /// What deltas are taken against; nil for none.
  let used: Digest?
  /// What the weights come from by comparison: without a declared base the nearest model, with one a model that is
  /// clearly nearer.
  let inferred: Digest?
  /// `declared`, `found` or `none`.
  let kind: String
  /// The measurement, for people.
  let note: String?
  /// What is said besides where `inferred` becomes a parent; it does not where it has the very weights.
  var kinship: String?
}

/// A model that was compared with an import.
private struct Relative {
  let model: Digest
  let isStored: Bool
  let distance: Sketch.Distance

  var text: String { "\(Int((distance.equal * 100).rounded())) % of \(distance.compared) sampled weights equal" }
}

extension Repository {
  /// Decides about the base: the declared one, else the nearest stored model, if its deltas cost less than none. And
  /// about the parent that was not declared, which need not be stored.
  func chooseBase(declared: Digest?, sketch: Sketch, source: ImportSource) throws -> BaseChoice {
    let relatives = try relatives(of: sketch)
    guard let declared else { return try findBase(among: relatives.filter(\.distance.isNear), source) }
    let nearer = Self.nearer(than: declared, among: relatives)
    let kinship = try nearer.map { "nearer to \(try label($0.model)), which is a parent too: \($0.text)" }
    func choice(_ kind: String, _ used: Digest?, _ note: String) -> BaseChoice {
      BaseChoice(
        declared: declared, used: used, inferred: nearer?.model, kind: kind, note: note, kinship: kinship)
    }
    guard let cost = try deltaCost(source, base: declared) else {
      return choice(
        "none", nil, "declared base has no stored tensor of the same name and shape: recorded as a claim, not used")
    }
    guard cost.delta < cost.solo else {
      return choice("none", nil, "declared base does not help (\(cost.text)): recorded as a claim, not used")
    }
    return choice("declared", declared, cost.text)
  }

  /// All models that have a sketch with how far they are, the nearest first; of equally near ones the oldest.
  private func relatives(of sketch: Sketch) throws -> [Relative] {
    let found = try lineage.sketches().reversed().compactMap { row in
      Sketch(text: String(decoding: row.sketch, as: UTF8.self)).map {
        Relative(model: row.model, isStored: row.state == .stored, distance: sketch.distance(to: $0))
      }
    }
    return found.enumerated().sorted { ($0.element.distance.bits, $0.offset) < ($1.element.distance.bits, $1.offset) }
      .map(\.element)
  }

  /// The nearest model where it is clearly nearer than the declared base: a sibling is farther than that.
  private static func nearer(than declared: Digest, among relatives: [Relative]) -> Relative? {
    guard let nearest = relatives.first(where: \.distance.isNear) else { return nil }
    let base = relatives.first { $0.model == declared }?.distance
    // Strangers, and models that cannot be compared, are as far as can be.
    let bits = base.map { $0.isNear ? $0.bits : 16 } ?? 16
    return nearest.distance.bits < bits && nearest.distance.bits <= 0.75 * bits ? nearest : nil
  }

  /// The base where none was declared: the nearest model is the parent, the nearest stored one has the deltas.
  private func findBase(among near: [Relative], _ source: ImportSource) throws -> BaseChoice {
    var cost: SampledCost?
    if let stored = near.first(where: \.isStored) {
      cost = try deltaCost(source, base: stored.model).flatMap { $0.delta < $0.solo ? $0 : nil }
    }
    let used = cost == nil ? nil : near.first(where: \.isStored)
    // Where no deltas prove it, only a close relative is believed to be one.
    guard let nearest = near.first, used != nil || !nearest.isStored && nearest.distance.isClose else {
      return BaseChoice(declared: nil, used: nil, inferred: nil, kind: "none", note: nil)
    }
    var kinship: String?
    if nearest.model != used?.model {
      kinship = "the parent is \(try label(nearest.model)), which is not stored: \(nearest.text)"
    }
    return BaseChoice(
      declared: nil, used: used?.model, inferred: nearest.model, kind: used == nil ? "none" : "found",
      note: used.flatMap { used in cost.map { "\(used.text); \($0.text)" } }, kinship: kinship)
  }

  /// What a sample of the source costs as deltas on a model and alone.
  struct SampledCost {
    var delta = 0
    var solo = 0
    var raw = 0

    var text: String {
      func share(_ part: Int) -> String { "\(Int((Double(part) * 100 / Double(max(1, raw))).rounded())) %" }
      return "a sample costs \(share(delta)) of its size as a delta, \(share(solo)) alone"
    }
  }

  /// Codes 16 KiB out of up to 16 tensors both ways. Nil where the two have no tensor in common.
  private func deltaCost(_ source: ImportSource, base: Digest) throws -> SampledCost? {
    let bases = try tensorsByName(of: base)
    let shared = source.items.indices.filter { index in
      guard let tensor = source.items[index].tensor, source.items[index].size > 0,
        let other = bases[tensor.name]
      else { return false }
      return tensor.dtype == other.dtype
        && tensor.shape.dimensions.dropFirst() == other.shape.dimensions.dropFirst()
    }
    guard !shared.isEmpty else { return nil }
    // The largest tensors decide what a model costs.
    let sampled = shared.sorted { (source.items[$0].size, $1) > (source.items[$1].size, $0) }.prefix(16)
    var cost = SampledCost()
    try spaces.withWorkspace { space in
      for index in sampled {
        let tensor = source.items[index].tensor!
        guard let reader = try openBase(bases[tensor.name]!.digest) else { continue }
        let count = min(16 * 1024, source.items[index].size, reader.size) / 8 * 8
        guard count > 0 else { continue }
        let start = min(source.items[index].size, reader.size) / 2 / 8 * 8
        let length = min(count, min(source.items[index].size, reader.size) - start)
        let bytes = space.buffer(30, count: length)
        try source.read(item: index, at: start, into: bytes)
        let theirs = space.buffer(31, count: length)
        try reader.read(at: start, into: theirs, space)
        let out = space.buffer(32, count: BlockCoder.capacity(for: length))
        let format = BlockFormat(tensor.dtype)
        let block = UnsafeRawBufferPointer(bytes)
        cost.solo += space.coder.encode(block, base: nil, format: format, into: out).count
        cost.delta += space.coder.encode(block, base: UnsafeRawBufferPointer(theirs), format: format, into: out).count
        cost.raw += length
      }
    }
    return cost.raw == 0 ? nil : cost
  }
}
