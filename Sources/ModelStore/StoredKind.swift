import Checkpoints
import JSON
import Lineage
import Merging
import Objects
import Tensors

/// What a folder of tensors is: by its files, in the store and outside.
enum StoredKind: String, Sendable {
  case model, adapter, mask, subspace

  init(paths: [String]) {
    if Adapter.isAdapter(paths) {
      self = .adapter
    } else if Mask.isMask(paths) {
      self = .mask
    } else if Subspace.isSubspace(paths) {
      self = .subspace
    } else {
      self = .model
    }
  }

  /// With its article, for messages.
  var text: String { self == .adapter ? "an adapter" : "a \(rawValue)" }

  /// True for what has weights: models and adapters.
  var hasWeights: Bool { self == .model || self == .adapter }

  /// Throws `invalidInput` where this is not what was wanted.
  func require(_ wanted: StoredKind, _ reference: String) throws {
    if self == wanted { return }
    throw refusal(reference, expected: wanted.text)
  }

  /// Throws `invalidInput` for masks and subspaces.
  func requireWeights(_ reference: String) throws {
    if !hasWeights { throw refusal(reference, expected: "a model") }
  }

  private func refusal(_ reference: String, expected: String) -> RepositoryError {
    let hint: String? =
      switch self {
      case .mask: "a recipe names a mask with the key mask; see it with: stemma mask show \(reference)"
      case .subspace: "a recipe names a subspace with the key project; see it with: stemma subspace show \(reference)"
      case .model, .adapter: nil
      }
    return RepositoryError(.invalidInput, "\(reference): \(expected) expected, found \(text)", hint: hint)
  }
}

extension Manifest {
  var kind: StoredKind { StoredKind(paths: files.map(\.path)) }

  fileprivate var outlines: [TensorOutline] {
    tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
  }
}

/// A mask as an input of a merge: what it is, and its bits as U8 tensors that are read like a model's.
struct MaskInput: Sendable {
  let mask: Mask
  let input: ModelInput
}

/// A subspace as an input of a merge: what it is, and its bases as F32 tensors that are read like a model's.
struct SubspaceInput: Sendable {
  let subspace: Subspace
  let input: ModelInput
}

extension Repository {
  /// The mask that a manifest describes. `reference` is what the user called it.
  ///
  /// Its bits are read as any model's: by `ModelReader` and `StoreTensorSource`, under the names of the tensors that
  /// they stand for.
  func mask(of manifest: Manifest, _ reference: String) throws -> Mask {
    try manifest.kind.require(.mask, reference)
    return try Mask(parsing: text(Mask.configFile, of: manifest), bits: manifest.outlines, path: reference)
  }

  /// The subspace that a manifest describes, in the same way.
  func subspace(of manifest: Manifest, _ reference: String) throws -> Subspace {
    try manifest.kind.require(.subspace, reference)
    return try Subspace(parsing: text(Subspace.configFile, of: manifest), bases: manifest.outlines, path: reference)
  }

  /// A stored mask that a recipe names.
  func maskInput(_ reference: String, _ model: Digest) throws -> MaskInput {
    let manifest = try manifest(of: model)
    return MaskInput(mask: try mask(of: manifest, reference), input: manifest.mergeInput(reference: reference))
  }

  /// A stored subspace that a recipe names.
  func subspaceInput(_ reference: String, _ model: Digest) throws -> SubspaceInput {
    let manifest = try manifest(of: model)
    return SubspaceInput(
      subspace: try subspace(of: manifest, reference), input: manifest.mergeInput(reference: reference))
  }

  private func text(_ path: String, of manifest: Manifest) throws -> [UInt8] {
    guard let file = manifest.files.first(where: { $0.path == path }) else { return [] }
    return try readObject(file.digest)
  }
}

extension FolderInput {
  /// A mask's folder that a recipe names where there is no store. Its bits are not counted.
  var maskInput: MaskInput {
    get throws {
      guard let mask = try folder.mask() else { throw wrongKind(.mask) }
      return MaskInput(mask: mask, input: inputModel.source.input)
    }
  }

  /// A subspace's folder in the same way.
  var subspaceInput: SubspaceInput {
    get throws {
      guard let subspace = try folder.subspace() else { throw wrongKind(.subspace) }
      return SubspaceInput(subspace: subspace, input: inputModel.source.input)
    }
  }

  private func wrongKind(_ wanted: StoredKind) -> RepositoryError {
    RepositoryError(
      .invalidInput,
      "\(reference): \(wanted.text) expected, found \(StoredKind(paths: folder.files.map(\.path)).text)")
  }
}
