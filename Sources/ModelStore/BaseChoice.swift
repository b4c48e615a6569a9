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
  let used: Place?
  /// Models on which a sample costs less than alone: no mere claims.
  let helpful: Set<Digest>
  /// What the weights come from by comparison: without a declared base the nearest model, with one a model that is
  /// clearly nearer.
  let inferred: Digest?
  /// The measurement, for people.
  let note: String?
  /// What is said besides where `inferred` becomes a parent; it does not where it has the very weights.
  var kinship: String?

  /// The model that the bytes rest on, as far as it is known.
  var base: Digest? { used.map { $0.holder ?? $0.model } }

  /// Where the tensors of an import rest.
  struct Place {
    /// The model whose tensors of the same name are the bases,
    let model: Digest
    /// or where their chains are full what lies so many steps below them.
    let steps: Int
    /// The model that has what is there; nil where none is found.
    let holder: Digest?
  }
}

/// A model that was compared with an import.
private struct Relative {
  let model: Digest
  let isStored: Bool
  let distance: Sketch.Distance

  var text: String { "\(Int((distance.equal * 100).rounded())) % of \(distance.compared) sampled weights equal" }
}

extension Repository {
  /// Decides about the base: of the declared one and the nearest stored models the one whose deltas cost least in the
  /// long run, if they cost less than none. And about the parent that was not declared, which need not be stored.
  func chooseBase(declared: Digest?, sketch: Sketch, source: ImportSource) throws -> BaseChoice {
    let relatives = try relatives(of: sketch)
    let near = relatives.filter(\.distance.isNear)
    let nearest = near.filter { $0.isStored && $0.model != declared }.prefix(Self.nearestMeasured).map(\.model)
    // The one to be preferred comes first.
    let measured = try measure(source, bases: [declared].compactMap(\.self) + nearest).filter { $0.sample != nil }
    let least = measured.map(\.nearest.share).min() ?? 0
    var best: (base: MeasuredBase, cost: SampledCost)?
    for base in measured {
      guard let cost = base.best(least: least) else { continue }
      // 2 % is what it takes to leave what was declared.
      if let best, cost.inLongRun(least: least) > 0.98 * best.cost.inLongRun(least: least) { continue }
      best = (base, cost)
    }
    let used = try best.map { best in
      BaseChoice.Place(
        model: best.base.model, steps: best.cost.steps,
        holder: try holder(of: best.base, below: best.cost.steps, among: near.map(\.model)))
    }
    let helpful = Set(measured.filter(\.nearest.isHelpful).map(\.model))
    guard let declared else { return try findBase(among: near, used, best?.cost, helpful: helpful) }
    let nearer = Self.nearer(than: declared, among: relatives)
    let kinship = try nearer.map { "nearer to \(try label($0.model)), which is a parent too: \($0.text)" }
    var notes: [String] = []
    if !helpful.contains(declared) {
      let why =
        measured.first { $0.model == declared }.map { "does not help (\($0.nearest.text))" }
        ?? "has no stored tensor of the same name and shape, of this type or one to be cast"
      notes.append("declared base \(why): recorded as a claim, not used")
    }
    if let best, let used {
      let text = try text(of: best.cost, on: used)
      let holder = try used.holder.map(label) ?? "what is \(used.steps) steps below"
      notes.append(used.holder == declared ? text : "deltas on \(holder)\(used.steps > 0 ? ", " : ": ")\(text)")
    }
    return BaseChoice(
      declared: declared, used: used, helpful: helpful, inferred: nearer?.model,
      note: notes.isEmpty ? nil : notes.joined(separator: "; "), kinship: kinship)
  }

  /// What was measured of a place.
  private func text(of cost: SampledCost, on place: BaseChoice.Place) throws -> String {
    place.steps == 0 ? cost.text : "as the chain of \(try label(place.model)) is full: \(cost.text)"
  }

  /// The model whose tensors lie so many steps below those of a base, as far as its largest tells; nil where none of
  /// the first few has it.
  private func holder(of base: MeasuredBase, below steps: Int, among models: [Digest]) throws -> Digest? {
    guard let sample = base.sample, sample.chain.count > Self.depthLimit, steps > 0 else { return base.model }
    return try models.prefix(64).first { model in
      try readable { try tensorsByName(of: model)[sample.name]?.digest } == sample.chain[steps]
    }
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
    among near: [Relative], _ used: BaseChoice.Place?, _ cost: SampledCost?, helpful: Set<Digest>
  ) throws -> BaseChoice {
    // Where no deltas prove it, only a close relative is believed to be one.
    guard let nearest = near.first, used != nil || !nearest.isStored && nearest.distance.isClose else {
      return BaseChoice(declared: nil, used: nil, helpful: [], inferred: nil, note: nil)
    }
    var notes: [String] = []
    if let used, let cost {
      if let relative = near.first(where: { $0.model == used.holder }) { notes.append(relative.text) }
      notes.append(try text(of: cost, on: used))
    }
    var kinship: String?
    if nearest.model != used?.holder {
      let absence = nearest.isStored ? "" : ", which is not stored"
      kinship = "the parent is \(try label(nearest.model))\(absence): \(nearest.text)"
    }
    return BaseChoice(
      declared: nil, used: used, helpful: helpful, inferred: nearest.model,
      note: notes.isEmpty ? nil : notes.joined(separator: "; "), kinship: kinship)
  }
}
