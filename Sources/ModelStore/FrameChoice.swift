import Lineage
import Objects

/// Which frame of each object is taken where packs have several, as after a repack: small ones that go together.
struct FrameChoice {
  private var frames: [Digest: [NewObject]] = [:]

  /// Takes a frame of a pack.
  mutating func add(_ frame: NewObject) { frames[frame.digest, default: []].append(frame) }

  /// One frame an object, bases before their deltas; and the objects whose frames are all on too long a chain.
  ///
  /// First each object gets the frame with the shortest chain: where any choice of frames keeps within the limit, this
  /// one does. Then the smaller frames take their places, those that save most first, as far as chains allow. Objects
  /// whose chain ends in no pack are left out.
  func choose() -> (frames: [NewObject], tooDeep: [Digest]) {
    let (first, left) = shortest()
    var chosen = first
    let tooDeep = left.filter { digest in frames[digest]!.contains { first[$0.base ?? digest] != nil } }
    var chains = BaseChains()
    for frame in chosen.values { chains.rest(frame.digest, on: frame.base) }
    var better: [(saved: Int, frame: NewObject)] = []
    for (digest, frame) in chosen {
      for other in frames[digest]! where other.length < frame.length {
        better.append((frame.length - other.length, other))
      }
    }
    better.sort { ($1.saved, $0.frame.digest) < ($0.saved, $1.frame.digest) }
    for (_, frame) in better where frame.length < chosen[frame.digest]!.length {
      guard frame.base.map({ chosen[$0] != nil }) ?? true, chains.allows(frame.digest, on: frame.base) else { continue }
      chains.rest(frame.digest, on: frame.base)
      chosen[frame.digest] = frame
    }
    let ordered = chosen.values.map { (depth: chains.depth(of: $0.digest), frame: $0) }
      .sorted { ($0.depth, $0.frame.pack, $0.frame.offset) < ($1.depth, $1.frame.pack, $1.frame.offset) }
    return (ordered.map(\.frame), tooDeep.sorted())
  }

  /// Frames by the length of their chains: those without a base, then those on them, and so on to the limit. The
  /// smallest of those with equal chains. And the objects that are left.
  private func shortest() -> (chosen: [Digest: NewObject], left: [Digest]) {
    var chosen: [Digest: NewObject] = [:]
    var waiting = Array(frames.keys)
    for _ in 0...Repository.depthLimit {
      var found: [NewObject] = []
      waiting = waiting.filter { digest in
        let ready = frames[digest]!.filter { frame in frame.base.map { chosen[$0] != nil } ?? true }
        guard let least = ready.min(by: { $0.length < $1.length }) else { return true }
        found.append(least)
        return false
      }
      for frame in found { chosen[frame.digest] = frame }
      if found.isEmpty { break }
    }
    return (chosen, waiting)
  }
}
