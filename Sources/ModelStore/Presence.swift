import Lineage
import Objects

/// Where the bytes of models can come from: the one rule by which `collect` and `rebuild` call a model stored, virtual
/// or absent.
///
/// *Stored* is a model whose objects are all in packs. *Virtual* is one of which at least all but the tensors is in
/// packs, and that a merge made whose inputs are all stored or virtual. Every other model is *absent*.
struct Presence: Sendable {
  private var found: [Digest: ModelState] = [:]
  /// Models that lack nothing but tensors.
  private var lackTensors: Set<Digest> = []

  /// Takes a model by what is in packs.
  mutating func add(_ model: Digest, _ manifest: Manifest, isInPack: (Digest) -> Bool) {
    let isReadable = manifest.files.allSatisfy { isInPack($0.object) }
    let isStored = isReadable && manifest.storedTensors.allSatisfy { isInPack($0.digest) }
    found[model] = isStored ? .stored : .absent
    if isReadable, !isStored { lackTensors.insert(model) }
  }

  /// Takes a model that is known to be stored.
  mutating func addStored(_ model: Digest) { found[model] = .stored }

  /// The state of every model taken. One is virtual by others found before it, so never by itself.
  ///
  /// - Parameter merges: oldest first, or the search takes longer.
  func states(merges: [DerivationRow]) -> [Digest: ModelState] {
    var states = found
    var waiting = merges.filter { lackTensors.contains($0.model) }
    var count: Int
    repeat {
      count = waiting.count
      var later: [DerivationRow] = []
      for merge in waiting {
        if merge.inputs.allSatisfy({ states[$0.parent] == .stored || states[$0.parent] == .virtual }) {
          states[merge.model] = .virtual
        } else {
          later.append(merge)
        }
      }
      waiting = later
    } while waiting.count < count
    return states
  }
}
