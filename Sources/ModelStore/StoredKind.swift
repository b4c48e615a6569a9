import Checkpoints
import JSON
import Lineage
import Merging
import Objects
import Tensors

/// What a folder is: by its files, in the store and outside.
enum StoredKind: String, Sendable {
  case model, adapter, mask, subspace, dataset

  init(paths: [String]) {
    if Adapter.isAdapter(paths) {
      self = .adapter
    } else if Mask.isMask(paths) {
      self = .mask
    } else if Subspace.isSubspace(paths) {
      self = .subspace
    } else if DataSet.isDataSet(paths) {
      self = .dataset
    } else {
      self = .model
    }
  }

  /// With its article, for messages.
  var text: String {
    switch self {
    case .adapter: "an adapter"
    case .dataset: "a data set"
    case .model, .mask, .subspace: "a \(rawValue)"
    }
  }

  /// True for what has weights: models and adapters.
  var hasWeights: Bool { self == .model || self == .adapter }

  /// Throws `invalidInput` where this is not what was wanted.
  func require(_ wanted: StoredKind, _ reference: String) throws {
    if self == wanted { return }
    throw refusal(reference, expected: wanted.text)
  }

  /// Throws `invalidInput` for masks, subspaces and data sets.
  func requireWeights(_ reference: String) throws {
    if !hasWeights { throw refusal(reference, expected: "a model") }
  }

  private func refusal(_ reference: String, expected: String) -> RepositoryError {
    let hint: String? =
      switch self {
      case .mask: "a recipe names a mask with the key mask; see it with: stemma mask show \(reference)"
      case .subspace: "a recipe names a subspace with the key project; see it with: stemma subspace show \(reference)"
      case .dataset: "see it with: stemma data show \(reference)"
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

  /// The data set that a manifest describes.
  func dataSet(of manifest: Manifest, _ reference: String) throws -> DataSet {
    try manifest.kind.require(.dataset, reference)
    return try DataSet(
      parsing: text(DataSet.configFile, of: manifest), files: manifest.files.map(\.path), path: reference)
  }

  /// The data set that has these lines; nil where there is none.
  func dataSet(ofLines lines: Digest) throws -> Digest? {
    try lineage.models(withWeights: lines).map(\.id).first { try manifest(of: $0).kind == .dataset }
  }

  private func text(_ path: String, of manifest: Manifest) throws -> [UInt8] {
    guard let file = manifest.files.first(where: { $0.path == path }) else { return [] }
    return try readObject(file.object)
  }
}
