import Checkpoints
import Foundation
import Glibc
import Merging
import Objects
import Synchronization
import Tensors

/// A checkpoint folder as an input of a merge without a store.
final class FolderInput: Sendable {
  let reference: String
  let folder: CheckpointFolder
  private let adapter: Adapter?
  /// Those whose tensors are the model or the adapter.
  private let files: [CheckpointFile]
  private let places: [String: (path: String, offset: Int)]
  private let open = Mutex<[String: LocalFile]>([:])

  init(_ reference: String, relativeTo directory: String) throws {
    self.reference = reference
    folder = try CheckpointFolder.scan(Repository.path(reference, relativeTo: directory))
    adapter = try folder.adapter()
    files = folder.weightFiles
    var places: [String: (path: String, offset: Int)] = [:]
    for file in files {
      for tensor in file.header?.tensors ?? [] {
        let place = (path: folder.path + "/" + file.path, offset: file.header!.dataStart + tensor.begin)
        if let other = places.updateValue(place, forKey: tensor.name) {
          throw CheckpointError.tensorTwice(tensor: tensor.name, first: other.path, second: place.path)
        }
      }
    }
    self.places = places
  }

  var inputModel: InputModel {
    let others = folder.files.filter { $0.header == nil }.map(\.path)
    let contents = ModelFiles(reference: reference, paths: others) { [folder] path in
      let file = try LocalFile(folder.path + "/" + path, flags: O_RDONLY | O_CLOEXEC, operation: "open")
      return try file.bytes(at: 0, count: try file.size(), path: path)
    }
    let tensors = files.flatMap { $0.header?.tensors ?? [] }.map {
      TensorInput(name: $0.name, dtype: $0.dtype, shape: $0.shape, digestHex: nil)
    }
    return InputModel(
      source: MergeSource(input: ModelInput(reference: reference, tensors: tensors), files: contents),
      adapter: adapter, kind: StoredKind(paths: folder.files.map(\.path)))
  }

  /// SHA-256 over the paths, sizes and digests of all files. Reads all of them.
  func digest(_ pool: WorkerPool) throws -> Digest {
    let lines = try folder.files.map { file in
      "\(try Self.digest(ofFile: folder.path + "/" + file.path, pool).hex) \(file.size) \(file.path)\n"
    }
    return Digest(of: lines.joined().utf8)
  }

  static func digest(ofFile path: String, _ pool: WorkerPool) throws -> Digest {
    let file = try LocalFile(path, flags: O_RDONLY | O_CLOEXEC, operation: "open")
    var digest = RunningDigest()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    var offset = 0
    while case let count = try file.read(into: buffer, at: offset), count > 0 {
      digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      offset += count
      try pool.checkInterruption()
    }
    return digest.finish()
  }

  func read(_ tensor: String, at start: Int, into out: UnsafeMutableRawBufferPointer) throws {
    guard let place = places[tensor] else {
      throw RepositoryError(.internal, "\(reference) has no tensor \(tensor)")
    }
    let file = try open.withLock { files in
      if let file = files[place.path] { return file }
      let file = try LocalFile(place.path, flags: O_RDONLY | O_CLOEXEC, operation: "open")
      files[place.path] = file
      return file
    }
    guard try file.read(into: out, at: place.offset + start) == out.count else {
      throw RepositoryError(.conflict, "\(place.path) changed while it was read")
    }
  }
}

/// The inputs of a merge that is written out: folders, models of a store, and what earlier recipes make, computed
/// where it is read.
struct FolderTensorSource: TensorSource {
  enum Input {
    case folder(FolderInput)
    /// The source has this model only.
    case stored(StoreTensorSource)
    case step(FusedModel)
  }

  let inputs: [Input]
  let spaces: WorkspaceShelf

  func read(input: Int, tensor: String, bytes: Range<Int>, into out: UnsafeMutableRawBufferPointer) throws {
    switch inputs[input] {
    case .folder(let folder): try folder.read(tensor, at: bytes.lowerBound, into: out)
    case .stored(let source): try source.read(input: 0, tensor: tensor, bytes: bytes, into: out)
    case .step(let model):
      guard let index = model.index(of: tensor) else {
        throw RepositoryError(.internal, "input \(input) of the plan has no tensor \(tensor)")
      }
      try model.read(tensor: index, from: bytes.lowerBound, into: out, spaces)
    }
  }
}

extension Repository {
  /// Plans a recipe whose models are folders, without a store.
  public static func plan(
    recipe text: String, relativeTo directory: String, options: MergeOptions = MergeOptions()
  ) throws(RepositoryError) -> PlanReport {
    try door {
      let steps = try RecipeSteps(yaml: text)
      let planned = try PlannedStep.all(of: steps, options) { try FolderInput($0, relativeTo: directory).inputModel }
      return PlanReport(steps: planned, workers: defaultWorkers(nil)) { _ in nil }
    }
  }

  /// Merges folders into a new folder without a store. Nothing is left behind on a throw.
  ///
  /// Of several recipes the result is written and nothing else: earlier ones are computed block by block where it reads
  /// them, to the bytes that they would have had in a folder.
  ///
  /// - Parameter interruption: is handed, before the work begins, what stops it.
  public static func merge(
    recipe text: String, relativeTo directory: String, to out: String, options: MergeOptions = MergeOptions(),
    threads: Int? = nil,
    interruption: ((@escaping @Sendable () -> Void) -> Void)? = nil, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> MergeReport {
    try door {
      let steps = try RecipeSteps(yaml: text)
      var folders: [String: FolderInput] = [:]
      for name in steps.partsFromOutside { folders[name] = try FolderInput(name, relativeTo: directory) }
      let planned = try PlannedStep.all(of: steps, options) { folders[$0]!.inputModel }
      for recipe in steps.recipes {
        for name in recipe.maskReferences { try folders[name]?.countBits() }
      }
      let (recipe, layout) = (planned[planned.count - 1].recipe, planned[planned.count - 1].layout)
      let files = planned[planned.count - 1].files(called: out)
      let pool = WorkerPool(width: defaultWorkers(threads))
      // From before the first output on: a Ctrl-C that nobody takes leaves what is there.
      interruption?({ pool.interrupt() })
      try MergeMemory(planned[planned.count - 1].plan).require(workers: pool.width)
      let model = try result(of: planned, pool: pool) { .folder(folders[$0]!) }
      let output = try OutputFolder(target: out)
      do {
        let texts = try files.paths.map { (path: $0, bytes: try files.read($0) ?? []) }
        for (path, bytes) in texts {
          try output.create(path, size: bytes.count)
          try bytes.withUnsafeBytes { try output.write(path, $0, at: 0) }
        }
        let id = try write(layout, model: model, to: output, texts: texts, pool: pool, progress: progress)
        try output.publish()
        let bytes = layout.shards.reduce(0) { $0 + $1.size } + texts.reduce(0) { $0 + $1.bytes.count }
        return MergeReport(
          id: id, name: nil, method: recipe.method.rawValue, state: "exported", tensors: model.plan.tensors.count,
          bytes: bytes, bytesAdded: 0)
      } catch {
        output.discard()
        throw error
      }
    }
  }

  /// What the last recipe makes, ready to be computed. Those before it are measured here, in their order.
  ///
  /// - Parameter find: what is read for a name that is none of theirs.
  static func result(
    of steps: [PlannedStep], pool: WorkerPool, find: (String) throws -> FolderTensorSource.Input
  ) throws -> FusedModel {
    let spaces = WorkspaceShelf()
    var made: [String: FusedModel] = [:]
    func ready(_ plan: Plan) throws -> FusedModel {
      let inputs = try plan.inputs.map { try made[$0].map(FolderTensorSource.Input.step) ?? find($0) }
      return try FusedModel(
        plan: plan, source: FolderTensorSource(inputs: inputs, spaces: spaces), measurements: nil, pool: pool)
    }
    let plans = steps.needed
    for (step, plan) in zip(steps, plans).dropLast() { made[step.recipe.name ?? ""] = try ready(plan) }
    return try ready(plans[plans.count - 1])
  }

  /// Computes and writes all tensors; returns the model id of what was written.
  private static func write(
    _ layout: FusedLayout, model: FusedModel, to output: OutputFolder, texts: [(path: String, bytes: [UInt8])],
    pool: WorkerPool, progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> String {
    let spaces = WorkspaceShelf()
    var places: [(file: Int, tensor: Int, offset: Int, size: Int)] = []
    for (index, shard) in layout.shards.enumerated() {
      let head = SafetensorsHeader.fileStart(shard.headerBytes)
      try output.create(shard.path, size: shard.size)
      try head.withUnsafeBytes { try output.write(shard.path, $0, at: 0) }
      var offset = 8 + shard.headerBytes.count
      for tensor in shard.tensors {
        let size = model.plan.tensors[tensor].shape.byteCount(of: model.plan.tensors[tensor].dtype) ?? 0
        places.append((index, tensor, offset, size))
        offset += size
      }
    }
    let (targets, hashes) = (places, places.map { _ in ItemHash() })
    var work = Conveyor.Work(fill: { piece, buffer, _ in
      let place = targets[piece.item]
      try spaces.withWorkspace {
        try model.produce(tensor: place.tensor, from: piece.range.lowerBound, into: buffer, $0)
      }
    })
    work.drain = { slots in
      for slot in slots {
        let place = targets[slot.piece.item]
        try output.write(layout.shards[place.file].path, slot.bytes, at: place.offset + slot.piece.range.lowerBound)
      }
    }
    work.itemHash = { hashes[$0] }
    let total = places.reduce(0) { $0 + $1.size }
    work.progress = progress.map { report in { report($0, total) } }
    let conveyor = Conveyor(pool: pool, pieceBytes: Frame.blockBytes)
    try conveyor.run(Conveyor.cutInTurn(places.map { ($0.file, $0.size) }, pieceBytes: Frame.blockBytes), work)
    var next = 0
    var entries: [Manifest.File] = texts.map {
      .init(path: $0.path, size: $0.bytes.count, digest: Digest(of: $0.bytes))
    }
    for shard in layout.shards {
      let tensors = shard.tensors.map { tensor -> Manifest.TensorEntry in
        defer { next += 1 }
        let planned = model.plan.tensors[tensor]
        return .init(
          name: planned.name, dtype: planned.dtype, shape: planned.shape, digest: hashes[next].running.finish())
      }
      entries.append(
        .init(
          path: shard.path, size: shard.size, header: (Digest(of: shard.headerBytes), shard.headerBytes.count),
          tensors: tensors))
    }
    return Manifest(files: entries, weights: layout.shards.map(\.path)).document.digest.hex
  }
}
