import Objects
import TestSupport
import Testing

@testable import Lineage
@testable import ModelStore

@Suite("what a model has reached") struct BlastTests {
  /// A family in which each derivation names a child and its parents with their shares; the start is 0.
  private func blast(_ makings: [(child: Int, parents: [(Int, Double)])]) -> Blast {
    var ways: [DescentRow] = []
    for (index, making) in makings.enumerated() {
      for (parent, share) in making.parents {
        ways.append(
          DescentRow(
            model: Digest(of: [UInt8(making.child)]), below: making.child, parent: Digest(of: [UInt8(parent)]),
            above: parent, derivation: Digest(of: Array("derivation \(index)".utf8)), kind: .merge, role: "input",
            share: share, claimed: false, inferred: false))
      }
    }
    return Blast(from: 0, ways: ways)
  }

  private func steps(_ path: Blast.Path, _ blast: Blast) -> [Int] { path.steps.map { blast.ways[$0].below } }

  @Test("mass is multiplied along a path and summed over paths")
  func diamond() throws {
    let found = blast([(1, [(0, 0.5)]), (2, [(0, 0.25)]), (3, [(1, 0.6), (2, 0.4)]), (4, [(3, 1)])])
    #expect(found.masses == [0: 1, 1: 0.5, 2: 0.25, 3: 0.4, 4: 0.4])
    let paths = try #require(found.paths[4])
    #expect(paths.map { steps($0, found) } == [[1, 3, 4], [2, 3, 4]])
    #expect(paths.map(\.mass) == [0.3, 0.1])
    #expect(found.crowded.isEmpty)
  }

  @Test("what was made twice counts as the making that brought more, not as both")
  func twice() {
    #expect(blast([(1, [(0, 0.5)]), (1, [(0, 0.75)])]).masses[1] == 0.75)
  }

  @Test("circles end: mass stays at most 1 and no path goes round")
  func circles() {
    let found = blast([(1, [(0, 0.5), (2, 0.5)]), (2, [(1, 1)]), (0, [(2, 1)])])
    // m1 = 1/2 + m2 / 2 and m2 = m1: the least solution is 1.
    #expect(abs((found.masses[1] ?? 0) - 1) < 1e-9 && abs((found.masses[2] ?? 0) - 1) < 1e-9)
    #expect(found.paths[1]?.map { steps($0, found) } == [[1]])
    #expect(found.paths[2]?.map { steps($0, found) } == [[1, 2]])
  }

  @Test("only the heaviest paths are kept, and that there are more is said")
  func crowd() {
    let found = blast((1...5).map { ($0, [(0, 0.1 * Double($0))]) } + [(9, (1...5).map { ($0, 0.2) })])
    #expect(found.paths[9]?.map { steps($0, found)[0] } == [5, 4, 3])
    #expect(found.crowded == [9])
    #expect(abs((found.masses[9] ?? 0) - 0.3) < 1e-12)
  }

  @Test("in any family without circles, mass is the sum over all paths")
  func anyFamily() {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    for _ in 0..<50 {
      var makings: [(child: Int, parents: [(Int, Double)])] = []
      for child in 1..<9 {
        let parents = (0..<child).filter { _ in Bool.random(using: &dice) }
        let weights = parents.map { _ in Double.random(in: 0..<1, using: &dice) }
        let sum = weights.reduce(0, +)
        if !parents.isEmpty { makings.append((child, Array(zip(parents, weights.map { $0 / sum })))) }
      }
      /// All paths from the start, multiplied and added.
      func mass(_ child: Int) -> Double {
        if child == 0 { return 1 }
        return makings.first { $0.child == child }?.parents.reduce(0) { $0 + $1.1 * mass($1.0) } ?? 0
      }
      let found = blast(makings.shuffled(using: &dice))
      for child in 1..<9 { #expect(abs((found.masses[child] ?? 0) - mass(child)) < 1e-9, "seed \(seed)") }
    }
  }
}
