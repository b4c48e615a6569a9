import Lineage
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("which frames go together")
struct FrameChoiceTests {
  private static func object(_ number: Int) -> Digest { Digest(of: Array("object \(number)".utf8)) }

  /// A random set of one frame for each object, whose chains have at most 4 steps.
  private static func frames(_ count: Int, pack: Int64, _ dice: inout SplitMix) -> [NewObject] {
    var depths: [Int: Int] = [:]
    return (0..<count).shuffled(using: &dice).map { number in
      let bases = depths.filter { $0.value < Repository.depthLimit }.keys.sorted()
      let base = UInt8.random(in: 0..<4, using: &dice) == 0 ? nil : bases.randomElement(using: &dice)
      depths[number] = base.map { depths[$0]! + 1 } ?? 0
      return NewObject(
        digest: object(number), pack: pack, offset: number, length: Int.random(in: 1...100, using: &dice),
        rawBytes: 100, base: base.map(object))
    }
  }

  @Test("of frames that were consistent in several packs all objects come out, on chains that end within the limit")
  func mixed() {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    for round in 0..<200 {
      let count = Int.random(in: 1...30, using: &dice)
      var choice = FrameChoice()
      var shortest: [Digest: Int] = [:]
      let packs = (0..<3).map { Self.frames(count, pack: $0, &dice) }
      for frame in packs.joined() {
        choice.add(frame)
        shortest[frame.digest] = min(shortest[frame.digest] ?? .max, frame.length)
      }
      let (frames, tooDeep) = choice.choose()
      let context: Comment = "seed \(seed), round \(round)"
      #expect(tooDeep.isEmpty && Set(frames.map(\.digest)).count == count && frames.count == count, context)
      var depths: [Digest: Int] = [:]
      for frame in frames {
        let depth = frame.base.map { depths[$0].map { $0 + 1 } ?? 99 } ?? 0
        #expect(depth <= Repository.depthLimit, context)
        depths[frame.digest] = depth
      }
      let sum = frames.reduce(0) { $0 + $1.length }
      #expect(sum >= shortest.values.reduce(0, +), context)
      let alone = packs.map { $0.reduce(0) { $0 + $1.length } }.max() ?? 0
      #expect(sum <= alone, context)
    }
  }

  @Test("the smaller frame is taken; a chain too long, or without an end, is not")
  func simple() {
    func frame(_ number: Int, on base: Int?, _ length: Int, pack: Int64 = 1) -> NewObject {
      NewObject(
        digest: Self.object(number), pack: pack, offset: 0, length: length, rawBytes: 9, base: base.map(Self.object))
    }
    var choice = FrameChoice()
    choice.add(frame(0, on: nil, 50))
    choice.add(frame(0, on: nil, 40, pack: 2))
    for step in 1...5 { choice.add(frame(step, on: step - 1, 10)) }
    choice.add(frame(8, on: 9, 1))
    // Smaller, but each on the other.
    choice.add(frame(10, on: nil, 30))
    choice.add(frame(11, on: nil, 20))
    choice.add(frame(10, on: 11, 5))
    choice.add(frame(11, on: 10, 6))
    let (frames, tooDeep) = choice.choose()
    #expect(tooDeep == [Self.object(5)])
    #expect(frames.first { $0.digest == Self.object(0) }?.length == 40)
    #expect(!frames.contains { $0.digest == Self.object(8) })
    #expect(frames.filter { [10, 11].map(Self.object).contains($0.digest) }.reduce(0) { $0 + $1.length } == 25)
    #expect(frames.count == 7)
  }

  @Test("a change of bases is allowed where nothing below or above gets too long, and nothing goes in circles")
  func chains() {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    var chains = BaseChains()
    var bases: [Int: Int] = [:]
    /// By walking all chains; nil where one does not end.
    func deepest() -> Int? {
      var most = 0
      for start in 0..<12 {
        var (next, depth) = (bases[start], 0)
        while let step = next {
          depth += 1
          if depth > 12 { return nil }
          next = bases[step]
        }
        most = max(most, depth)
      }
      return most
    }
    for _ in 0..<3000 {
      let object = Int.random(in: 0..<12, using: &dice)
      let base = UInt8.random(in: 0..<5, using: &dice) == 0 ? nil : Int.random(in: 0..<12, using: &dice)
      let before = bases[object]
      bases[object] = base
      let isFine = deepest().map { $0 <= Repository.depthLimit } ?? false
      guard chains.allows(Self.object(object), on: base.map(Self.object)) == isFine else {
        Issue.record("seed \(seed): \(object) on \(base.map(String.init) ?? "nothing"), \(bases)")
        return
      }
      if isFine { chains.rest(Self.object(object), on: base.map(Self.object)) } else { bases[object] = before }
    }
  }
}
