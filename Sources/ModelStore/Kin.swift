import Lineage
import Objects

/// The models that are near others in lineage.
struct Kin {
  private let makings: [Digest: [DerivationRow]]
  private let sequences: [Digest: Int]
  /// What was made from a model, the oldest first.
  private var children: [Digest: [Digest]] = [:]
  private let sketches: [Digest: [UInt8]]

  /// Parents, and theirs, that are told.
  private static let parentsMax = 4
  /// Siblings that are compared, the youngest first, and those that are told.
  private static let siblingsCompared = 64
  private static let siblingsMax = 2

  init(_ lineage: LineageDatabase) throws {
    let derivations = try lineage.allDerivations()
    makings = Dictionary(grouping: derivations, by: \.model)
    sequences = Dictionary(
      try lineage.models().map { ($0.model.id, $0.model.sequence) }, uniquingKeysWith: { first, _ in first })
    for derivation in derivations.reversed() {
      for parent in derivation.inputs { children[parent.parent, default: []].append(derivation.model) }
    }
    sketches = Dictionary(
      try lineage.sketches().map { ($0.model, $0.sketch) }, uniquingKeysWith: { first, _ in first })
  }

  /// The models whose tensors may be good bases of a model's: its parents; of their other children before it those that
  /// are nearest by their sketches, such as the checkpoint before; and the parents' parents. No merges: were others
  /// deltas on them, they could not be evicted.
  func near(_ model: Digest) -> [Digest] {
    let parents = parents(of: model)
    var found = parents + previous(model, among: parents)
    for parent in parents.flatMap(self.parents) where !found.contains(parent) { found.append(parent) }
    return found.filter { $0 != model && !isMerge($0) }
  }

  /// How many models may yet come to rest on a model one on the other, as far as lineage tells: the checkpoints that
  /// were made from it one after another, or from what it was made from after it.
  func future(of model: Digest, upTo limit: Int) -> Int {
    guard limit > 0 else { return 0 }
    var most = 0
    for child in children[model, default: []] where most < limit && child != model {
      most = max(most, 1 + future(of: child, upTo: limit - 1))
    }
    let own = sequences[model] ?? .max
    for parent in parents(of: model) where most < limit {
      let younger = children[parent, default: []].lazy.filter { (sequences[$0] ?? 0) > own }
      most = max(most, younger.prefix(limit).count)
    }
    return most
  }

  private func isMerge(_ model: Digest) -> Bool { makings[model, default: []].contains { $0.kind == .merge } }

  private func parents(of model: Digest) -> [Digest] {
    var found: [Digest] = []
    for parent in makings[model, default: []].flatMap(\.inputs).map(\.parent) where !found.contains(parent) {
      found.append(parent)
    }
    return Array(found.prefix(Self.parentsMax))
  }

  private func sketch(of model: Digest) -> Sketch? {
    sketches[model].flatMap { Sketch(text: String(decoding: $0, as: UTF8.self)) }
  }

  private func previous(_ model: Digest, among parents: [Digest]) -> [Digest] {
    guard let mine = sketch(of: model), let sequence = sequences[model] else { return [] }
    var siblings: [Digest: Int] = [:]
    for parent in parents {
      let before = children[parent, default: []].reversed().lazy.compactMap { sibling in
        sequences[sibling].flatMap { $0 < sequence ? (sibling, $0) : nil }
      }
      for (sibling, number) in before.prefix(Self.siblingsCompared) where !parents.contains(sibling) {
        siblings[sibling] = number
      }
    }
    let youngest = siblings.sorted { $1.value < $0.value }.prefix(Self.siblingsCompared).map(\.key)
    let distances = youngest.compactMap { sibling in
      sketch(of: sibling).map { (model: sibling, distance: mine.distance(to: $0)) }
    }
    return distances.filter(\.distance.isNear).sorted { $0.distance.bits < $1.distance.bits }
      .prefix(Self.siblingsMax).map(\.model)
  }
}
