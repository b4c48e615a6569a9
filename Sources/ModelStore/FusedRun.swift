import Checkpoints
import Merging
import Objects
import Tensors

/// One execution of a plan for the record: digests of all that the manifest names, a sketch, and packs for what must
/// be kept.
final class FusedRun {
  private let layout: FusedLayout
  private let plan: Plan
  private let model: FusedModel
  private let repository: Repository
  private let draft: SketchDraft
  private var weights: Ingest?
  private var small: Ingest?

  init(layout: FusedLayout, plan: Plan, model: FusedModel, repository: Repository) {
    self.layout = layout
    self.plan = plan
    self.model = model
    self.repository = repository
    draft = SketchDraft(plan.tensors.map { ($0.name, $0.dtype, $0.shape) })
  }

  /// The fused model's sketch, after `run`.
  var sketch: Sketch { draft.sketch }

  var sealed: [Ingest.SealedPack] { (small?.sealed ?? []) + (weights?.sealed ?? []) }

  /// Runs the plan. Small files and headers are always packed, tensors only where bytes are kept.
  func run(
    keepBytes: Bool, source: StoreTensorSource, base: Int, progress: (@Sendable (Int, Int) -> Void)?
  ) throws {
    let texts = layout.shards.map(\.headerBytes) + layout.made.map(\.bytes)
    let small = Ingest(
      repository: repository, items: texts.enumerated().map { .bytes(file: $0, size: $1.count) },
      prefixes: [])
    try small.run(packing: true, progress: nil) { piece, buffer, _ in
      texts[piece.item].withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[piece.range])) }
    }
    self.small = small
    var items: [Ingest.Item] = []
    var contents: [Int?] = []
    for (index, shard) in layout.shards.enumerated() {
      items.append(.bytes(file: index, size: shard.headerBytes.count))
      contents.append(nil)
      for tensor in shard.tensors {
        let planned = plan.tensors[tensor]
        let near = keepBytes ? source.frame(input: base, tensor: planned.name)?.trailer : nil
        let nearBase = try near.flatMap { near in
          try DType(code: near.dtype).flatMap { try repository.openBase(near.digest, $0, for: planned.dtype) }
        }
        items.append(
          .tensor(
            file: index, size: planned.shape.byteCount(of: planned.dtype) ?? 0, dtype: planned.dtype,
            base: nearBase))
        contents.append(tensor)
      }
    }
    let weights = Ingest(repository: repository, items: items, prefixes: [])
    let total = layout.shards.reduce(0) { $0 + $1.size }
    let (model, shards, spaces, draft) = (model, layout.shards, repository.spaces, draft)
    let files = items.map(\.file)
    try weights.run(packing: keepBytes, progress: progress.map { report in { report($0, total) } }) {
      piece, buffer, _ in
      if let tensor = contents[piece.item] {
        try spaces.withWorkspace {
          try model.produce(tensor: tensor, from: piece.range.lowerBound, into: buffer, $0)
        }
        draft.take(tensor: tensor, from: piece.range.lowerBound, UnsafeRawBufferPointer(buffer))
      } else {
        shards[files[piece.item]].headerBytes.withUnsafeBytes {
          buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[piece.range]))
        }
      }
    }
    self.weights = weights
  }

  /// The fused model's manifest, after `run`.
  func manifest(donor: Manifest) -> Manifest {
    guard let small, let weights else { preconditionFailure("the plan has not been run") }
    var files: [Manifest.File] = []
    var next = 0
    for shard in layout.shards {
      let tensors = shard.tensors.enumerated().map { position, tensor in
        Manifest.TensorEntry(
          name: plan.tensors[tensor].name, dtype: plan.tensors[tensor].dtype, shape: plan.tensors[tensor].shape,
          digest: weights.digest(next + 1 + position))
      }
      files.append(
        .init(
          path: shard.path, size: shard.size, header: (weights.digest(next), shard.headerBytes.count),
          tensors: tensors))
      next += 1 + tensors.count
    }
    for (index, made) in layout.made.enumerated() {
      files.append(
        .init(path: made.path, size: made.bytes.count, digest: small.digest(layout.shards.count + index)))
    }
    files += donor.files.filter { layout.takenOver.contains($0.path) && $0.header == nil }
    return Manifest(files: files, weights: layout.shards.map(\.path))
  }
}
