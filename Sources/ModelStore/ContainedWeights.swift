import Lineage
import Objects
import Synchronization
import Tensors

// A model that has all tensors of advised weights beside others is made from them, whatever its weights id. A folder to
// which a file was added that changes what a loader would load is one.
extension Repository {
  /// Of the models whose weights an open advisory is on, those whose tensors are all among the files of a manifest, and
  /// not its weights. Costs reading a manifest an open advisory.
  func advisedModels(inside manifest: Manifest) throws -> [Digest] {
    let advised = try lineage.advisories().filter { $0.withdrawal == nil && $0.weightsID != manifest.weightsID }
    if advised.isEmpty { return [] }
    let tensors = Set(manifest.storedTensors.map(\.digest))
    return try Set(advised.map(\.model)).sorted().filter { model in
      guard try lineage.model(model) != nil else { return false }
      let theirs = try self.manifest(of: model).tensors
      return !theirs.isEmpty && theirs.allSatisfy { tensors.contains($0.digest) }
    }
  }

  /// Records that models which have all tensors of a model beside others are made from it, where that is not recorded
  /// yet. This comes before the model is advised, so that no moment is without a flag. Costs reading all manifests.
  func recordContainers(of model: Digest) throws {
    let manifest = try manifest(of: model)
    let tensors = Set(manifest.tensors.map(\.digest))
    if tensors.isEmpty { return }
    let others = try lineage.models().map(\.model).filter { $0.weightsID != manifest.weightsID }
    let found = Mutex<[Digest]>([])
    try pool.run(others.count) { ticket, _ in
      let other = others[ticket].id
      if tensors.isSubset(of: try self.manifest(of: other).storedTensors.map(\.digest)) {
        found.withLock { $0.append(other) }
      }
    }
    for container in found.withLock({ $0 }).sorted() {
      let known = try lineage.ancestors(of: container).flatMap(\.parents).map(\.parent)
      if known.contains(model) { continue }
      let derivation = Derivation(
        kind: DerivationKind.import.rawValue, model: container, madeAt: now(), madeBy: whoami(), tool: Self.tool,
        parents: [.containing(model)])
      let state = try lineage.model(container)?.state ?? .absent
      _ = try publish(derivation, of: self.manifest(of: container), recipe: nil, naming: nil) { _ in state }
    }
  }
}

extension Derivation.Parent {
  /// A model all of whose tensors are in the one that was made.
  static func containing(_ model: Digest) -> Derivation.Parent {
    Derivation.Parent(
      role: "base", model: model, coefficient: nil, claimed: true, reference: nil, isInferred: true)
  }
}
