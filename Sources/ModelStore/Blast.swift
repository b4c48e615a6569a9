import Lineage
import Objects

/// How much of some weights has reached each of their descendants, and on which ways. Weights are small numbers here.
struct Blast {
  /// A way down, from the start to some weights.
  struct Path {
    /// The product of the shares on it.
    let mass: Double
    /// Indices into `ways`, the first step first.
    let steps: [Int]
  }

  /// How many of the heaviest paths are kept for each weights.
  static let pathsMax = 3

  let start: Int
  let ways: [DescentRow]
  /// Of each of the start's descendants, from 0 to 1.
  private(set) var masses: [Int: Double]
  /// The heaviest paths to each, the heaviest first, none through the same weights twice.
  private(set) var paths: [Int: [Path]] = [:]
  /// The descendants that are reached on more paths than are kept.
  private(set) var crowded: Set<Int> = []

  init(from start: Int, ways: [DescentRow]) {
    self.start = start
    self.ways = ways
    masses = [start: 1]
    weigh()
    walk()
  }

  /// Mass flows down by shares: what a derivation made has the sum over its parents of share times mass, which is the
  /// sum over all paths of the products of shares. Weights that were made in several ways have the largest of their
  /// masses, because each derivation accounts for all of their bytes. Where lineage goes in circles this is the least
  /// solution; it is approached from below until it moves by less than 1e-12.
  private mutating func weigh() {
    var makings: [[DescentRow]] = []
    var places: [Digest: Int] = [:]
    for way in ways where way.above != way.below && way.below != start {
      let place = places[way.derivation, default: makings.count]
      if place == makings.count {
        places[way.derivation] = place
        makings.append([])
      }
      makings[place].append(way)
    }
    // Derivations come in the order in which they were made, so that one sweep does nearly all.
    for _ in 0..<10_000 {
      var moved = 0.0
      for parents in makings {
        let mass = min(1, parents.reduce(0) { $0 + $1.share * (masses[$1.above] ?? 0) })
        let before = masses[parents[0].below] ?? 0
        moved = max(moved, mass - before)
        masses[parents[0].below] = max(mass, before)
      }
      if moved < 1e-12 { return }
    }
  }

  /// Best first: shares are at most 1, so that paths leave the queue heaviest first.
  private mutating func walk() {
    // A merge that was recorded twice is one way.
    var seen: Set<String> = []
    let distinct = ways.indices.filter { index in
      let way = ways[index]
      return seen.insert("\(way.above) \(way.below) \(way.parent) \(way.model) \(way.role) \(way.share)").inserted
    }
    let below = Dictionary(grouping: distinct, by: { ways[$0].above })
    var queue = Heap()
    queue.push(Heap.Entry(mass: 1, steps: []))
    while let next = queue.pop() {
      let here = next.steps.last.map { ways[$0].below } ?? start
      if !next.steps.isEmpty {
        guard paths[here, default: []].count < Self.pathsMax else {
          crowded.insert(here)
          continue
        }
        paths[here, default: []].append(Path(mass: next.mass, steps: next.steps))
      }
      for way in below[here] ?? [] {
        let target = ways[way].below
        // No path leads through the same weights twice.
        if target == start || next.steps.contains(where: { ways[$0].below == target }) { continue }
        // What comes later is no heavier than what is there.
        if paths[target]?.count == Self.pathsMax {
          crowded.insert(target)
          continue
        }
        queue.push(Heap.Entry(mass: next.mass * ways[way].share, steps: next.steps + [way]))
      }
    }
  }
}

/// A queue that gives the heaviest path first; of equal ones the shorter, then the one found first.
private struct Heap {
  struct Entry {
    let mass: Double
    let steps: [Int]
    var number = 0

    func comesBefore(_ other: Entry) -> Bool {
      (-mass, steps.count, number) < (-other.mass, other.steps.count, other.number)
    }
  }

  private var entries: [Entry] = []
  private var count = 0

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    count += 1
    entries[entries.count - 1].number = count
    var child = entries.count - 1
    while child > 0, entries[child].comesBefore(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Entry? {
    guard let first = entries.first, let last = entries.popLast() else { return nil }
    if entries.isEmpty { return first }
    entries[0] = last
    var parent = 0
    while true {
      var best = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
        if entries[child].comesBefore(entries[best]) { best = child }
      }
      if best == parent { return first }
      entries.swapAt(best, parent)
      parent = best
    }
  }
}
