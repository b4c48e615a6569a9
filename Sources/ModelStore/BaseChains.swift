import Objects

/// Which object is a delta on which, in memory: for plans of many changes, before a transaction proves each.
struct BaseChains {
  private var bases: [Digest: Digest] = [:]
  private var deltas: [Digest: Set<Digest>] = [:]

  /// Steps from an object down to one that stands alone.
  func depth(of object: Digest) -> Int { chain(below: object).count }

  /// What an object rests on, and what that rests on, and so on.
  func chain(below object: Digest) -> [Digest] {
    var chain: [Digest] = []
    var next = bases[object]
    while let base = next {
      chain.append(base)
      next = bases[base]
    }
    return chain
  }

  /// Whether an object may become a delta on this base, or stand alone: neither it nor what rests on it would be in a
  /// circle, or have more than `Repository.depthLimit` steps.
  func allows(_ object: Digest, on base: Digest?) -> Bool {
    guard let base else { return true }
    var depth = 1
    var next = Optional(base)
    while let step = next {
      if step == object { return false }
      next = bases[step]
      depth += next == nil ? 0 : 1
    }
    return depth <= Repository.depthLimit && !rests(above: object, Repository.depthLimit - depth)
  }

  /// Whether something is more steps above an object than this many.
  private func rests(above object: Digest, _ steps: Int) -> Bool {
    guard let above = deltas[object] else { return false }
    return steps == 0 || above.contains { rests(above: $0, steps - 1) }
  }

  /// Makes an object a delta on a base, or stand alone.
  mutating func rest(_ object: Digest, on base: Digest?) {
    if let old = bases[object] {
      deltas[old]?.remove(object)
      if deltas[old]?.isEmpty == true { deltas[old] = nil }
    }
    bases[object] = base
    if let base { deltas[base, default: []].insert(object) }
  }
}
