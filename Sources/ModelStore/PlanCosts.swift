import Merging
import Objects

extension Plan {
  /// Bytes of memory that the process comes to at most, about: the program itself, the pieces on their way out (see
  /// `Conveyor`), and what a tensor needs while it is measured and made by so many workers.
  func peakMemory(workers: Int) -> Int {
    let (program, pieces) = (32 << 20, 3 * Frame.blockBytes * min(48, max(16, 4 * workers)))
    // In mergekit's arithmetic one tensor is made at a time, and the last three are kept.
    let isStepwise = arithmetic == Plan.mergekit015
    let tensor = tensors.map { (isStepwise ? 1 : workers) * $0.memory + $0.measuringMemory }.max() ?? 0
    let kept = isStepwise ? tensors.map { 4 * $0.unitCount }.sorted().suffix(3).reduce(0, +) : 0
    return program + pieces + tensor + kept
  }
}
