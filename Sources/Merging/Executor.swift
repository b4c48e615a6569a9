package import Tensors

/// What a method finds in whole tensors before it combines blocks; stored with the derivation.
package typealias Measurements = [Double]

/// Computes blocks of a plan's tensors on demand. Threads may share one executor if each has its own scratch.
package struct Executor: Sendable {
  /// What this executor does.
  package let plan: Plan
  private let inputs: InputReader
  /// For the arithmetic that knows no blocks.
  private let stepwise: StepExecutor?

  package init(plan: Plan, source: any TensorSource) {
    self.plan = plan
    inputs = InputReader(source)
    stepwise = plan.arithmetic == Plan.mergekit015 ? StepExecutor(plan: plan, inputs: inputs) : nil
  }

  /// The measurements of tensor number `tensor` of the plan: empty where its method needs none. May read the inputs
  /// several times, on all workers of the pool.
  package func measure(tensor: Int, pool: WorkerPool, shelf: ScratchShelf) throws -> Measurements {
    let planned = plan.tensors[tensor]
    guard stepwise == nil, let method = planned.method.blockMethod, planned.unitCount > 0 else { return [] }
    if planned.isWide {
      return try method.measure(
        TensorPasses<Double>(
          executor: self, tensor: tensor, wholeRows: method.needsRows, pool: pool, shelf: shelf))
    }
    return try method.measure(
      TensorPasses<Float>(executor: self, tensor: tensor, wholeRows: method.needsRows, pool: pool, shelf: shelf))
  }

  /// Computes elements of tensor number `tensor` of the plan, as row-major little-endian bytes of its dtype.
  ///
  /// `elements` counts units (`PlannedTensor.unitCount`: bytes where the dtype is smaller than a byte) and lies within
  /// the tensor; `target` holds exactly their bytes. The bytes do not depend on how a tensor is cut into ranges.
  /// Throws `MergeError.contentMismatch` where copied inputs differ, and what the source throws.
  package func produce(
    tensor: Int, elements: Range<Int>, measurements: Measurements, into target: UnsafeMutableRawBufferPointer,
    scratch: MergeScratch
  ) throws {
    let planned = plan.tensors[tensor]
    precondition(elements.lowerBound >= 0 && elements.upperBound <= planned.unitCount, "elements outside the tensor")
    precondition(target.count == elements.count * planned.unitBytes, "the target does not fit the elements")
    if elements.isEmpty { return }
    let block = BlockReader(plan: plan, tensor: planned, elements: elements, inputs: inputs)
    if planned.method.name == .copy { return try Copy.combine(block, into: target, scratch: scratch) }
    if let stepwise { return try stepwise.produce(tensor: tensor, elements: elements, into: target) }
    if planned.isWide {
      try combine(block, tensor, as: Double.self, measurements, into: target, scratch)
    } else {
      try combine(block, tensor, as: Float.self, measurements, into: target, scratch)
    }
  }

  private func combine<Wide: WideElement & BitwiseCopyable>(
    _ block: BlockReader, _ index: Int, as type: Wide.Type, _ measurements: Measurements,
    into target: UnsafeMutableRawBufferPointer, _ scratch: MergeScratch
  ) throws {
    let planned = block.tensor
    if let method = planned.method.blockMethod {
      let length = max(1, planned.rowLength)
      let range = block.elements
      let whole =
        method.needsRows
        ? range.lowerBound / length * length..<(range.upperBound + length - 1) / length * length : range
      let sum = scratch.sum.elements(whole.count, of: Wide.self)
      try withBlock(index, whole, as: Wide.self, scratch) { try method.combine($0, measurements, into: sum) }
      let wanted = range.lowerBound - whole.lowerBound..<range.upperBound - whole.lowerBound
      return Wide.narrow(UnsafeBufferPointer(rebasing: sum[wanted]), to: planned.dtype, into: target)
    }
    let sum = scratch.sum.elements(block.elements.count, of: Wide.self)
    sum.update(repeating: 0)
    if planned.method.name == .linear {
      try Linear(planned.method).combine(block, into: sum, scratch: scratch)
    } else {
      try TaskArithmetic(planned.method).combine(block, into: sum, scratch: scratch)
    }
    Wide.narrow(UnsafeBufferPointer(sum), to: planned.dtype, into: target)
  }

  /// Hands over these elements of all inputs of a tensor, widened.
  func withBlock<Wide: WideElement, T>(
    _ index: Int, _ elements: Range<Int>, as type: Wide.Type, _ scratch: MergeScratch,
    _ body: (WideBlock<Wide>) throws -> T
  ) throws -> T {
    let planned = plan.tensors[index]
    let reader = BlockReader(plan: plan, tensor: planned, elements: elements, inputs: inputs)
    var base: UnsafeBufferPointer<Wide>?
    var others: [UnsafeBufferPointer<Wide>] = []
    for position in planned.inputs.indices {
      let stored = try reader.read(position, scratch.input)
      let wide = scratch.wide(position).bytes(elements.count * MemoryLayout<Wide>.stride)
        .assumingMemoryBound(to: Wide.self)
      Wide.widen(stored, planned.inputs[position].dtype, into: wide)
      if position == planned.method.base {
        base = UnsafeBufferPointer(wide)
      } else {
        others.append(UnsafeBufferPointer(wide))
      }
    }
    return try body(
      WideBlock(
        elements: elements, rowLength: max(1, planned.rowLength), base: base, others: others,
        draws: planned.method.draws(tensor: planned.name, models: others.count)))
  }
}

/// Reads one block of a tensor from its inputs.
struct BlockReader {
  let plan: Plan
  let tensor: PlannedTensor
  let elements: Range<Int>
  let inputs: InputReader

  /// Reads the block of the input at `position` of the tensor's inputs into `buffer`.
  func read(_ position: Int, _ buffer: MergeScratch.Buffer) throws -> UnsafeRawBufferPointer {
    let target = buffer.bytes(elements.count * max(1, tensor.inputs[position].dtype.bits / 8))
    try read(position, into: target)
    return UnsafeRawBufferPointer(target)
  }

  /// The same into memory of the right size.
  func read(_ position: Int, into target: UnsafeMutableRawBufferPointer) throws {
    try inputs.read(tensor.inputs[position], of: tensor.shape, elements: elements, into: target)
  }
}
