internal import Tensors

/// Scalars that a method finds in whole tensors before it combines blocks; they are stored with the derivation.
package typealias Measurements = [Double]

/// Computes blocks of a plan's tensors on demand. Threads may share one executor if each has its own scratch.
package struct Executor: Sendable {
  /// What this executor does.
  package let plan: Plan
  private let source: any TensorSource

  package init(plan: Plan, source: any TensorSource) {
    self.plan = plan
    self.source = source
  }

  /// The measurements of tensor number `tensor` of the plan: empty for the methods there are so far.
  package func measure(tensor: Int) throws -> Measurements {
    switch plan.tensors[tensor].method.name {
    case .linear: try Linear.measure()
    case .taskArithmetic: try TaskArithmetic.measure()
    case .copy: try Copy.measure()
    }
  }

  /// Computes elements of tensor number `tensor` of the plan, as row-major little-endian bytes of its dtype.
  ///
  /// `elements` counts units (`PlannedTensor.unitCount`: bytes where the dtype is smaller than a byte) and lies within
  /// the tensor; `target` holds exactly their bytes. The bytes do not depend on how a tensor is cut into ranges.
  /// Throws `MergeError.contentMismatch` where copied inputs differ, and what the source throws.
  package func produce(
    tensor: Int, elements: Range<Int>, measurements: Measurements, into target: UnsafeMutableRawBufferPointer,
    scratch: inout MergeScratch
  ) throws {
    let planned = plan.tensors[tensor]
    precondition(elements.lowerBound >= 0 && elements.upperBound <= planned.unitCount, "elements outside the tensor")
    precondition(target.count == elements.count * planned.unitBytes, "the target does not fit the elements")
    if elements.isEmpty { return }
    let block = BlockReader(plan: plan, tensor: planned, elements: elements, source: source)
    if planned.method.name == .copy { return try Copy.combine(block, into: target, scratch: scratch) }
    if planned.isWide {
      try combine(block, as: Double.self, measurements, into: target, scratch)
    } else {
      try combine(block, as: Float.self, measurements, into: target, scratch)
    }
  }

  private func combine<Wide: WideElement & BitwiseCopyable>(
    _ block: BlockReader, as type: Wide.Type, _ measurements: Measurements,
    into target: UnsafeMutableRawBufferPointer, _ scratch: borrowing MergeScratch
  ) throws {
    let sum = scratch.sum.elements(block.elements.count, of: Wide.self)
    sum.update(repeating: 0)
    let call = block.tensor.method
    switch call.name {
    case .linear: try Linear(call).combine(block, measurements, into: sum, scratch: scratch)
    case .taskArithmetic: try TaskArithmetic(call).combine(block, measurements, into: sum, scratch: scratch)
    case .copy: break
    }
    Wide.narrow(UnsafeBufferPointer(sum), to: block.tensor.dtype, into: target)
  }
}

/// Reads one block of a tensor from its inputs.
struct BlockReader {
  let plan: Plan
  let tensor: PlannedTensor
  let elements: Range<Int>
  let source: any TensorSource

  /// Reads the block of the input at `position` of the tensor's inputs into `buffer`.
  func read(_ position: Int, _ buffer: MergeScratch.Buffer) throws -> UnsafeRawBufferPointer {
    let target = buffer.bytes(byteRange(position).count)
    try read(position, into: target)
    return UnsafeRawBufferPointer(target)
  }

  /// The same into memory of the right size.
  func read(_ position: Int, into target: UnsafeMutableRawBufferPointer) throws {
    try source.read(
      input: tensor.inputs[position], tensor: tensor.name, bytes: byteRange(position), into: target)
  }

  private func byteRange(_ position: Int) -> Range<Int> {
    let width = max(1, tensor.inputDTypes[position].bits / 8)
    return elements.lowerBound * width..<elements.upperBound * width
  }
}
