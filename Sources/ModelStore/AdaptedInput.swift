import Checkpoints
import Lineage
import Merging
import Objects
import Tensors

/// What one name in a recipe's reference stands for: a model, or an adapter with the base that it is linked to.
struct InputModel {
  /// Its own tensors and files.
  let source: MergeSource
  let adapter: Adapter?
  var kind = StoredKind.model
  /// The base of an adapter that is named alone; nil where there is none on record.
  var linkedBase: () throws -> MergeSource? = { nil }

  /// A recipe's reference as an input of its plan. Of an adapter the files are those of its base.
  ///
  /// - Parameter find: finds what a name or path in it stands for.
  static func mergeSource(_ reference: String, find: (String) throws -> InputModel) throws -> MergeSource {
    guard let written = AdaptedReference(reference) else { throw MergeError.missingInput(reference) }
    let first = try find(written.base)
    try first.kind.requireWeights(written.base)
    guard let name = written.adapter else {
      guard let adapter = first.adapter else { return first.source }
      guard let base = try first.linkedBase() else {
        throw RepositoryError(
          .invalidInput, "\(reference): a model expected, found an adapter without its base",
          hint: "name the base before it: BASE+\(reference)")
      }
      return try base.adapted(as: reference, adapter, from: first.source.input)
    }
    guard first.adapter == nil else {
      throw RepositoryError(
        .invalidInput, "\(reference): a model expected before the '+', found the adapter \(written.base)")
    }
    let second = try find(name)
    guard let adapter = second.adapter else {
      throw RepositoryError(
        .invalidInput, "\(reference): an adapter expected after the '+', found the model \(name)",
        hint: "an adapter has \(Adapter.configFile) and \(Adapter.weightsFile)")
    }
    return try first.source.adapted(as: reference, adapter, from: second.source.input)
  }
}

extension MergeSource {
  /// This model with an adapter applied, under another name.
  fileprivate func adapted(as reference: String, _ adapter: Adapter, from holder: ModelInput) throws -> MergeSource {
    MergeSource(
      input: try ModelInput(reference, base: input, adapter: adapter, from: holder), files: files.called(reference))
  }
}

extension ModelInput {
  /// A base with an adapter applied. Tensors that the adapter does not touch are the base's.
  init(_ reference: String, base: ModelInput, adapter: Adapter, from holder: ModelInput) throws {
    let own = Dictionary(holder.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var changes = try adapter.applied(to: base.tensors.map(\.outline), path: holder.reference)
    var tensors = base.tensors.map { tensor in
      changes.removeValue(forKey: tensor.name).map { TensorInput(tensor.name, $0, own) } ?? tensor
    }
    for (name, change) in changes.sorted(by: { $0.key < $1.key }) { tensors.append(TensorInput(name, change, own)) }
    let numbers = holder.tensors.filter(\.dtype.isMergeable).map { ($0.name, $0.shape) }
    self.init(
      reference: reference, parts: [base.reference, holder.reference], tensors: tensors,
      adapterTensors: Dictionary(numbers, uniquingKeysWith: { first, _ in first }))
  }
}

extension TensorInput {
  /// What a plan needs to know of it to tell an adapter.
  fileprivate var outline: TensorOutline { TensorOutline(name: name, dtype: dtype, shape: shape) }

  /// A tensor that an adapter, the second part of its model, changes or replaces.
  fileprivate init(_ name: String, _ change: AdaptedTensor, _ own: [String: TensorInput]) {
    switch change {
    case .replaced(let tensor):
      self.init(
        name: name, dtype: tensor.dtype, shape: tensor.shape, digestHex: own[tensor.name]?.digestHex, part: 1,
        storedName: tensor.name)
    case .factors(let factors, let isTransposed, let weight, let isOwn):
      func factor(_ tensor: TensorOutline) -> LowRank.Factor { .init(name: tensor.name, dtype: tensor.dtype) }
      self.init(
        name: name, dtype: weight.dtype, shape: weight.shape, part: isOwn ? 1 : 0, storedName: weight.name,
        change: LowRank(
          weightDType: weight.dtype, adapter: 1, a: factors.a.map(factor), b: factor(factors.b),
          magnitude: factors.magnitude.map(factor), rank: factors.rank, scale: factors.scale,
          isTransposed: isTransposed))
    }
  }
}

extension Manifest {
  /// True for an adapter's files.
  var isAdapter: Bool { kind == .adapter }
}

extension Repository {
  /// A stored model, as one name in a recipe's reference.
  ///
  /// - Parameter names: what other names of the recipe stand for; the base of an adapter is called as there.
  func inputModel(_ reference: String, _ model: Digest, among names: [String: Digest]) throws -> InputModel {
    let manifest = try manifest(of: model)
    let source = try mergeSource(of: manifest, reference: reference)
    guard let adapter = try adapter(of: manifest, reference) else {
      return InputModel(source: source, adapter: nil, kind: manifest.kind)
    }
    return InputModel(source: source, adapter: adapter, kind: .adapter) {
      guard let base = try self.linkedBase(of: model) else { return nil }
      let label = try self.label(base)
      let known = names.filter { $0.value == base }.keys.min()
      return try self.mergeSource(
        of: try self.manifest(of: base), reference: known ?? (names[label] == nil ? label : base.hex))
    }
  }

  /// The adapter that a manifest describes; nil for a model.
  func adapter(of manifest: Manifest, _ label: String) throws -> Adapter? {
    guard manifest.isAdapter, let config = manifest.files.first(where: { $0.path == Adapter.configFile }) else {
      return nil
    }
    return try Adapter(
      config: AdapterConfig(parsing: readObject(config.object), path: "\(label)/\(Adapter.configFile)"),
      tensors: manifest.tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: $0.shape) },
      path: label)
  }

  /// The base that an adapter was last said to belong to.
  func linkedBase(of adapter: Digest) throws -> Digest? {
    try lineage.derivations(of: adapter).lazy.compactMap { row in
      row.kind == .adapter || row.kind == .extract ? row.parents.first { $0.role == "base" }?.parent : nil
    }.first
  }
}
