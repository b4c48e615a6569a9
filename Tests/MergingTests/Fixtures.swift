import Merging
import Tensors

/// Tensors in arrays: the bytes of `tensors[input][name]`.
struct ArraySource: TensorSource {
  struct Unreadable: Error {}
  let tensors: [[String: [UInt8]]]

  func read(input: Int, tensor: String, bytes: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    guard let all = tensors[input][tensor], bytes.upperBound <= all.count else { throw Unreadable() }
    target.copyBytes(from: all[bytes])
  }
}

extension Executor {
  /// A whole tensor, measured by so many workers and computed in blocks of so many elements.
  func bytes(of tensor: Int, block: Int, workers: Int = 1) throws -> [UInt8] {
    let planned = plan.tensors[tensor]
    let scratch = MergeScratch()
    var out = [UInt8](repeating: 0xAA, count: planned.bytesToWrite)
    let measurements = try measure(tensor: tensor, pool: WorkerPool(width: workers), shelf: Shelf { MergeScratch() })
    try out.withUnsafeMutableBytes { out in
      for start in stride(from: 0, to: planned.unitCount, by: block) {
        let elements = start..<min(start + block, planned.unitCount)
        let target = out[elements.lowerBound * planned.unitBytes..<elements.upperBound * planned.unitBytes]
        try produce(
          tensor: tensor, elements: elements, measurements: measurements,
          into: UnsafeMutableRawBufferPointer(rebasing: target), scratch: scratch)
      }
    }
    return out
  }
}

/// A model with one dtype throughout.
func model(_ reference: String, _ tensors: [(String, [Int])], _ dtype: DType = .bf16) -> ModelInput {
  ModelInput(
    reference: reference, tensors: tensors.map { TensorInput(name: $0.0, dtype: dtype, shape: Shape($0.1)) })
}
