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
  /// Models on which a sample costs less than alone, `used` among them: no mere claims.
  let helpful: Set<Digest>
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
  /// Decides about the base: of the declared one and the nearest stored models the one whose deltas cost least, if
  /// they cost less than none. And about the parent that was not declared, which need not be stored.
  func chooseBase(declared: Digest?, sketch: Sketch, source: ImportSource) throws -> BaseChoice {
    let relatives = try relatives(of: sketch)
    let near = relatives.filter(\.distance.isNear)
    // The one to be preferred comes first.
    var measured = try declared.map { [($0, try deltaCost(source, base: $0))] } ?? []
    for relative in near.filter({ $0.isStored && $0.model != declared }).prefix(Self.nearestMeasured) {
      measured.append((relative.model, try deltaCost(source, base: relative.model)))
    }
    let helpful = measured.compactMap { model, cost in
      cost.flatMap { $0.delta < $0.solo ? (model: model, cost: $0) : nil }
    }
    var best = helpful.first
    for other in helpful.dropFirst() where other.cost.isClearlyLess(than: best?.cost) { best = other }
    guard let declared else { return try findBase(among: near, best, helpful: Set(helpful.map(\.model))) }
    let nearer = Self.nearer(than: declared, among: relatives)
    let kinship = try nearer.map { "nearer to \(try label($0.model)), which is a parent too: \($0.text)" }
    var notes: [String] = []
    if !helpful.contains(where: { $0.model == declared }) {
      let why = measured[0].1.map { "does not help (\($0.text))" } ?? "has no stored tensor of the same name and shape"
      notes.append("declared base \(why): recorded as a claim, not used")
    }
    if let best {
      notes.append(best.model == declared ? best.cost.text : "deltas on \(try label(best.model)): \(best.cost.text)")
    }
    return BaseChoice(
      declared: declared, used: best?.model, helpful: Set(helpful.map(\.model)), inferred: nearer?.model,
      kind: best.map { $0.model == declared ? "declared" : "found" } ?? "none",
      note: notes.joined(separator: "; "), kinship: kinship)
  }

  /// How many of the nearest stored models are measured.
  private static let nearestMeasured = 2

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

  /// The choice where none was declared: the nearest model is the parent, the best stored one has the deltas.
  private func findBase(
    among near: [Relative], _ best: (model: Digest, cost: SampledCost)?, helpful: Set<Digest>
  ) throws -> BaseChoice {
    let used = best.flatMap { best in near.first { $0.model == best.model } }
    // Where no deltas prove it, only a close relative is believed to be one.
    guard let nearest = near.first, used != nil || !nearest.isStored && nearest.distance.isClose else {
      return BaseChoice(declared: nil, used: nil, helpful: [], inferred: nil, kind: "none", note: nil)
    }
    var kinship: String?
    if nearest.model != used?.model {
      let absence = nearest.isStored ? "" : ", which is not stored"
      kinship = "the parent is \(try label(nearest.model))\(absence): \(nearest.text)"
    }
    return BaseChoice(
      declared: nil, used: used?.model, helpful: helpful, inferred: nearest.model,
      kind: used == nil ? "none" : "found",
      note: used.flatMap { used in best.map { "\(used.text); \($0.cost.text)" } }, kinship: kinship)
  }

  /// What a sample of the source costs as deltas on a model and alone.
  struct SampledCost {
    var delta = 0
    var solo = 0
    var raw = 0

    /// True where the deltas save 2 % of the other's.
    func isClearlyLess(than other: SampledCost?) -> Bool {
      // By their share of what was sampled: not all models have all tensors.
      other.map { delta * 100 * $0.raw <= $0.delta * 98 * raw } ?? true
    }

    var text: String {
      func share(_ part: Int) -> String { "\(Int((Double(part) * 100 / Double(max(1, raw))).rounded())) %" }
      return "a sample costs \(share(delta)) of its size as a delta, \(share(solo)) alone"
    }
  }

  /// Codes 128 KiB out of up to 8 tensors both ways: less would be all tables. Nil where the two have no tensor in
  /// common.
  private func deltaCost(_ source: ImportSource, base: Digest) throws -> SampledCost? {
    let bases = try tensorsByName(of: base)
    let shared = source.items.indices.filter { index in
      guard let tensor = source.items[index].tensor, source.items[index].size > 0 else { return false }
      return bases[tensor.name]?.isBase(for: tensor.dtype, tensor.shape) ?? false
    }
    guard !shared.isEmpty else { return nil }
    // The largest tensors decide what a model costs.
    let sampled = shared.sorted { (source.items[$0].size, $1) > (source.items[$1].size, $0) }.prefix(8)
    var cost = SampledCost()
    try spaces.withWorkspace { space in
      for index in sampled {
        let item = Ingest.Item.tensor(
          file: 0, size: source.items[index].size, dtype: source.items[index].tensor!.dtype, base: nil)
        let tensor = source.items[index].tensor!
        guard let base = try openBase(bases[tensor.name]!, for: tensor.dtype, tensor.shape) else { continue }
        let size = min(item.size, base.size)
        let start = size / 2 / 8 * 8
        let range = start..<start + min(128 * 1024, size / 8 * 8 - start)
        guard !range.isEmpty else { continue }
        let bytes = space.buffer(30, count: range.count)
        try source.read(item: index, at: start, into: bytes)
        let out = space.buffer(32, count: BlockCoder.capacity(for: range.count))
        func coded(on base: DeltaBase?) throws -> Int {
          try space.encode(UnsafeRawBufferPointer(bytes), at: range, on: base, format: item.format, into: out).count
        }
        cost.solo += try coded(on: nil)
        cost.delta += try coded(on: base)
        cost.raw += range.count
      }
    }
    return cost.raw == 0 ? nil : cost
  }
}
