import Checkpoints
import JSON
import Lineage
import Objects
import Synchronization
import Tensors

/// A mask to be: for each tensor where its bits come from.
struct MaskDraft {
  /// One tensor's bits.
  struct Tensor {
    let name: String
    let shape: Shape
    /// Packs the bits of a run of elements; it begins at a multiple of 8.
    let fill: (Range<Int>, UnsafeMutableRawBufferPointer, Workspace) throws -> Void
  }

  let space: Mask.Space
  let rule: MaskRule
  let tensors: [Tensor]
  var data: [Mask.DataFile] = []
  var training: JSONValue?
  var parents: [Derivation.Parent] = []
  /// Called when all bits have been made; may still throw.
  var finish: () throws -> Void = {}

  /// Elements whose bits are made at once.
  static let run = 1 << 19

  /// Runs of all tensors.
  static func runs(_ counts: [Int]) -> [(tensor: Int, elements: Range<Int>)] {
    counts.enumerated().flatMap { index, count in
      stride(from: 0, to: count, by: run).map { (index, $0..<min(count, $0 + run)) }
    }
  }

  /// Writes the folder of the mask, its bits by all workers. The file lies as the official library would have it.
  func write(
    to output: OutputFolder, pool: WorkerPool, spaces: WorkspaceShelf, progress: (@Sendable (Int, Int) -> Void)?
  ) throws {
    let outlines = SafetensorsHeader.officialOrder(
      tensors.map { Mask.Tensor(name: $0.name, shape: $0.shape, ones: 0).outline })
    let head = SafetensorsHeader.fileStart(
      try SafetensorsHeader.canonicalBytes(tensors: outlines, metadata: [("format", "pt")]))
    var places: [String: Int] = [:]
    var size = head.count
    for outline in outlines {
      places[outline.name] = size
      size += outline.shape.elementCount ?? 0
    }
    try output.create(Mask.bitsFile, size: size)
    try head.withUnsafeBytes { try output.write(Mask.bitsFile, $0, at: 0) }
    let counts = tensors.map { $0.shape.elementCount ?? 0 }
    let total = counts.reduce(0, +)
    let found = Mutex((ones: counts.map { _ in 0 }, done: 0))
    let (runs, offsets) = (Self.runs(counts), places)
    try pool.run(runs.count) { ticket, _ in
      let (index, elements) = runs[ticket]
      let ones = try spaces.withWorkspace { space in
        let bits = space.buffer(70, count: BitMask.byteCount(of: elements.count))
        try tensors[index].fill(elements, bits, space)
        try output.write(
          Mask.bitsFile, UnsafeRawBufferPointer(bits), at: offsets[tensors[index].name]! + elements.lowerBound / 8)
        return BitMask.ones(in: UnsafeRawBufferPointer(bits))
      }
      let done = found.withLock { found in
        found.ones[index] += ones
        found.done += elements.count
        return found.done
      }
      progress?(done, total)
    }
    try finish()
    let ones = found.withLock { $0.ones }
    let mask = Mask(
      space: space, rule: rule,
      tensors: tensors.indices.map { .init(name: tensors[$0].name, shape: tensors[$0].shape, ones: ones[$0]) },
      data: data, training: training, madeFrom: parents.filter { $0.role != ParentRow.data }.map(\.model.hex))
    let config = mask.config
    try output.create(Mask.configFile, size: config.count)
    try config.withUnsafeBytes { try output.write(Mask.configFile, $0, at: 0) }
  }
}
