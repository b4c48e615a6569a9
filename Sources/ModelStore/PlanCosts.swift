import Lineage
import Merging
import Objects
import Tensors

/// The memory that a merge takes, with those that it reads from where they are computed, not stored. Bytes.
struct MergeMemory {
  /// The largest buffers of one worker for one plan.
  private let block: Int
  /// The plans that a worker has buffers for at once.
  private let levels: Int
  /// In mergekit's arithmetic: one tensor at a time of each plan on the way, and the last three of every plan.
  private let whole: Int
  private let kept: Int
  private let measuring: Int

  /// - Parameter inputs: those that are computed.
  init(_ plan: Plan, readingFrom inputs: [MergeMemory] = []) {
    let isStepwise = plan.arithmetic == Plan.mergekit015
    block = max(isStepwise ? 0 : plan.memory, inputs.map(\.block).max() ?? 0)
    levels = (isStepwise ? 0 : 1) + (inputs.map(\.levels).max() ?? 0)
    whole = (isStepwise ? plan.memory : 0) + (inputs.map(\.whole).max() ?? 0)
    let last = isStepwise ? plan.tensors.map { 4 * $0.unitCount }.sorted().suffix(3).reduce(0, +) : 0
    kept = inputs.reduce(last) { $0 + $1.kept }
    measuring = max(plan.tensors.map(\.measuringMemory).max() ?? 0, inputs.map(\.measuring).max() ?? 0)
  }

  /// Bytes of memory that the process comes to at most, about: the program itself, the pieces on their way out (see
  /// `Conveyor`), and what a tensor needs while it is measured and made by so many workers.
  func peak(workers: Int) -> Int {
    let (program, pieces) = (32 << 20, 3 * Frame.blockBytes * min(48, max(16, 4 * workers)))
    return program + pieces + workers * levels * block + whole + kept + measuring
  }

  /// Throws where that is not to be had; the program itself is there already.
  func require(workers: Int) throws {
    try Machine.requireMemory(
      peak(workers: workers) - (32 << 20), "to merge with \(workers == 1 ? "one worker" : "\(workers) workers")")
  }
}

extension Repository {
  /// What a model takes where it is computed; nil where it is stored.
  func mergeMemory(of model: Digest, depth: Int = 0) throws -> MergeMemory? {
    guard depth <= ModelReader.nestingMax, try lineage.model(model)?.state == .virtual,
      let merge = try recordedMerge(of: model)
    else { return nil }
    return MergeMemory(
      merge.plan,
      readingFrom: try merge.derivation.inputs.compactMap { try mergeMemory(of: $0.model, depth: depth + 1) })
  }
}
