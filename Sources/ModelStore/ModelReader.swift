import Foundation
import JSON
import Lineage
import Merging
import Objects
import Tensors

/// Where a tensor's bytes come from: a frame in a pack, or the plan of a merge.
enum TensorBytes {
  case frame(ObjectReader)
  case fused(FusedModel, tensor: Int)
}

/// A model whose tensors are computed from its inputs, which may be such models themselves.
///
/// Nested plans are not made one: a block of a result is computed from blocks of its inputs, those from theirs. That
/// needs no intermediate files, and buffers of some blocks a level; the inner ones are measured once.
final class FusedModel: Sendable {
  let plan: Plan
  private let executor: Executor
  let measurements: [Measurements]
  private let indices: [String: Int]
  private let kept: KeptPieces

  /// - Parameter measurements: for each tensor of the plan; nil measures now, on all workers of the pool.
  init(plan: Plan, source: any TensorSource, measurements: [Measurements]?, pool: WorkerPool) throws {
    self.plan = plan
    let executor = Executor(plan: plan, source: source, isProved: measurements != nil)
    self.executor = executor
    kept = KeptPieces(count: 2 * pool.width)
    let shelf = Shelf { MergeScratch() }
    if let measurements {
      self.measurements = measurements
    } else {
      let measured = try plan.tensors.indices.map { try executor.measure(tensor: $0, pool: pool, shelf: shelf) }
      self.measurements = plan.settled(measured)
    }
    indices = Dictionary(plan.tensors.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  func index(of name: String) -> Int? { indices[name] }

  /// Computes bytes of an output tensor; the range covers whole elements. However much is asked for at once, buffers
  /// are those of a block.
  func produce(
    tensor: Int, from start: Int, into out: UnsafeMutableRawBufferPointer, _ space: Workspace
  ) throws {
    let width = max(1, plan.tensors[tensor].dtype.bits / 8)
    for at in stride(from: 0, to: out.count, by: Frame.blockBytes) {
      let part = UnsafeMutableRawBufferPointer(rebasing: out[at..<min(out.count, at + Frame.blockBytes)])
      let first = (start + at) / width
      try executor.produce(
        tensor: tensor, elements: first..<first + part.count / width, measurements: measurements[tensor], into: part,
        scratch: space.scratch)
    }
  }

  /// The same for another merge, which may want it in small parts.
  func read(tensor: Int, from start: Int, into out: UnsafeMutableRawBufferPointer, _ spaces: WorkspaceShelf) throws {
    guard KeptPieces.isSmall(out.count) else {
      return try spaces.withWorkspace { try produce(tensor: tensor, from: start, into: out, $0) }
    }
    try kept.read(tensor: tensor, from: start, size: plan.tensors[tensor].bytesToWrite, into: out) { start, piece in
      try spaces.withWorkspace { try produce(tensor: tensor, from: start, into: piece, $0) }
    }
  }
}

/// Reads any model's tensors, stored or fused: the one resolver.
final class ModelReader {
  let model: Digest
  let manifest: Manifest
  private let repository: Repository
  private let depth: Int
  private var fused: FusedModel?

  /// Nested recipes deeper than this are refused: they are damage or a cycle.
  static let nestingMax = 64

  init(_ model: Digest, in repository: Repository, depth: Int = 0) throws {
    guard depth <= Self.nestingMax else {
      throw RepositoryError(.corrupt, "model \(model.short): recipes nested more than \(Self.nestingMax) deep")
    }
    try repository.requirePresent(model)
    self.model = model
    self.repository = repository
    self.depth = depth
    manifest = try repository.manifest(of: model)
  }

  /// Finds where a tensor's bytes come from. Throws `corrupt` where they are not as many as the manifest says.
  func open(_ tensor: Manifest.TensorEntry) throws -> TensorBytes {
    if let reader = try repository.openObject(tensor.digest, size: tensor.bytes, tensor.name) { return .frame(reader) }
    let fused = try self.fused ?? repository.fusedModel(model, depth: depth)
    self.fused = fused
    guard let fused, let index = fused.index(of: tensor.name) else {
      throw RepositoryError(
        .corrupt, "model \(model.short), tensor \(tensor.name): object \(tensor.digest.short) is in no pack",
        hint: "run: stemma verify")
    }
    return .fused(fused, tensor: index)
  }
}

extension TensorBytes {
  /// Fills the buffer with the tensor's bytes from an offset.
  func read(at start: Int, into out: UnsafeMutableRawBufferPointer, _ space: Workspace) throws {
    switch self {
    case .frame(let reader): try reader.read(at: start, into: out, space)
    case .fused(let model, let tensor): try model.produce(tensor: tensor, from: start, into: out, space)
    }
  }
}

/// The inputs of a merge, out of the store.
struct StoreTensorSource: TensorSource, @unchecked Sendable {
  // Written once, before any worker reads it.
  private let tensors: [[String: TensorBytes]]
  private let spaces: WorkspaceShelf

  init(models: [ModelReader], spaces: WorkspaceShelf) throws {
    self.spaces = spaces
    tensors = try models.map { reader in
      var found: [String: TensorBytes] = [:]
      for tensor in reader.manifest.tensors { found[tensor.name] = try reader.open(tensor) }
      return found
    }
  }

  func read(input: Int, tensor: String, bytes: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws {
    guard let found = tensors[input][tensor] else {
      throw RepositoryError(.internal, "input \(input) of the plan has no tensor \(tensor)")
    }
    switch found {
    case .frame(let reader): try spaces.withWorkspace { try reader.read(at: bytes.lowerBound, into: out, $0) }
    case .fused(let model, let tensor): try model.read(tensor: tensor, from: bytes.lowerBound, into: out, spaces)
    }
  }

  /// The frame of an input's tensor, where it is stored.
  func frame(input: Int, tensor: String) -> ObjectReader? {
    if case .frame(let reader)? = tensors[input][tensor] { reader } else { nil }
  }
}

extension Repository {
  /// Opens a stored object; nil where it is in no pack, `corrupt` where it has not this size.
  func openObject(_ digest: Digest, size: Int, _ label: String) throws -> ObjectReader? {
    let object = try openObject(digest)
    if let object, object.size != size {
      throw RepositoryError(.corrupt, "\(label): \(size) bytes expected, \(object.size) stored")
    }
    return object
  }

  /// The same; `corrupt` where it is in no pack too.
  func requireObject(_ digest: Digest, size: Int, _ label: String) throws -> ObjectReader {
    if let object = try openObject(digest, size: size, label) { return object }
    throw RepositoryError(.corrupt, "\(label): object \(digest.short) is in no pack", hint: "run: stemma verify")
  }

  /// The merge that a model is computed by; nil where the model was not merged.
  func recordedMerge(of model: Digest) throws -> (derivation: Derivation, plan: Plan)? {
    for row in try lineage.derivations(of: model) where row.kind == .merge {
      let derivation = try Derivation(try documents.get(row.digest))
      // A merge that is its own ancestor (weights 1 and 0) cannot be computed from itself.
      if try lineage.wouldCycle(output: model, inputs: derivation.inputs.map(\.model)) { continue }
      guard let arithmetic = derivation.arithmetic, Plan.arithmetics.contains(arithmetic) else {
        throw RepositoryError(
          .unsupported,
          "model \(model.short): arithmetic \(Plan.arithmetics.joined(separator: " or ")) expected, "
            + "\(derivation.arithmetic ?? "none") found",
          hint: "use the stemma version that made it: \(derivation.tool)")
      }
      guard let record = derivation.plan,
        let plan = PlanRecord.plan(record, arithmetic: arithmetic, tensors: try manifest(of: model).tensors),
        plan.inputs.count == derivation.inputs.count
      else { throw RepositoryError(.corrupt, "derivation \(row.digest.short): its plan does not fit its models") }
      return (derivation, plan)
    }
    return nil
  }

  /// The recorded plan of a merged model, ready to run; nil where the model was not merged.
  func fusedModel(_ model: Digest, depth: Int) throws -> FusedModel? {
    guard let (derivation, plan) = try recordedMerge(of: model) else { return nil }
    let inputs = try derivation.inputs.map { try ModelReader($0.model, in: self, depth: depth + 1) }
    guard plan.fits(inputs.map(\.manifest)) else {
      throw RepositoryError(.corrupt, "model \(model.short): the plan of its merge does not fit its inputs")
    }
    guard let measurements = derivation.measurements, measurements.count == plan.tensors.count else {
      throw RepositoryError(.corrupt, "model \(model.short): no measurements for the tensors of its merge")
    }
    return try FusedModel(
      plan: plan, source: try StoreTensorSource(models: inputs, spaces: spaces), measurements: measurements, pool: pool)
  }
}

extension Plan {
  /// True where every input has the tensors that the plan reads from it, in dtype and size.
  fileprivate func fits(_ manifests: [Manifest]) -> Bool {
    let tables = manifests.map { manifest in
      Dictionary(manifest.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }
    return reads.allSatisfy { read in
      tables[read.model][read.name].map { $0.dtype == read.dtype && $0.shape == read.shape } ?? false
    }
  }
}

extension Manifest {
  /// This model as an input of a plan.
  func mergeInput(reference: String) -> ModelInput {
    ModelInput(
      reference: reference,
      tensors: tensors.map {
        TensorInput(name: $0.name, dtype: $0.dtype, shape: $0.shape, digestHex: $0.digest.hex)
      })
  }
}
