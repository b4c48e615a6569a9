package import Tensors

/// What a method finds in whole tensors before it combines blocks; stored with the derivation.
package typealias Measurements = [Double]

/// Computes blocks of a plan's tensors on demand. Threads may share one executor if each has its own scratch.
package struct Executor: Sendable {
  /// What this executor does.
  package let plan: Plan
  let source: any TensorSource
  /// The means that padding rows of the tensor at work are made of.
  private var padding: ArraySlice<Double> = []
  /// For the arithmetic that knows no blocks.
  private let stepwise: StepExecutor?

  package init(plan: Plan, source: any TensorSource) {
    self.plan = plan
    self.source = source
    stepwise = plan.arithmetic == Plan.mergekit015 ? StepExecutor(plan: plan, source: source) : nil
  }

  /// The measurements of tensor number `tensor` of the plan: empty where its method needs none. May read the inputs
  /// several times, on all workers of the pool.
  package func measure(tensor: Int, pool: WorkerPool, shelf: ScratchShelf) throws -> Measurements {
    let planned = plan.tensors[tensor]
    guard stepwise == nil, planned.unitCount > 0 else { return [] }
    let means = try paddingMeans(tensor: tensor, pool: pool, shelf: shelf)
    guard let method = planned.method.blockMethod else { return means }
    let executor = with(padding: means[...])
    if planned.isWide {
      return try means
        + method.measure(
          TensorPasses<Double>(
            executor: executor, tensor: tensor, wholeRows: method.needsRows, pool: pool, shelf: shelf))
    }
    return try means
      + method.measure(
        TensorPasses<Float>(
          executor: executor, tensor: tensor, wholeRows: method.needsRows, pool: pool, shelf: shelf))
  }

  private func with(padding: ArraySlice<Double>) -> Executor {
    var executor = self
    executor.padding = padding
    return executor
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
    let ahead = planned.paddingCount
    if ahead > 0, padding.isEmpty {
      return try with(padding: measurements.prefix(ahead)).produce(
        tensor: tensor, elements: elements, measurements: Array(measurements.dropFirst(ahead)), into: target,
        scratch: scratch)
    }
    let block = BlockReader(
      plan: plan, tensor: planned, elements: elements, source: source, scratch: scratch, padding: padding)
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
    let reader = BlockReader(
      plan: plan, tensor: planned, elements: elements, source: source, scratch: scratch, padding: padding)
    var base: UnsafeBufferPointer<Wide>?
    var others: [UnsafeBufferPointer<Wide>] = []
    for position in planned.inputs.indices {
      let stored = try reader.read(position, scratch.input)
      let wide = scratch.wide(position).bytes(elements.count * MemoryLayout<Wide>.stride)
        .assumingMemoryBound(to: Wide.self)
      Wide.widen(stored, planned.readDType(position), into: wide)
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
  let source: any TensorSource
  let scratch: MergeScratch
  /// The means that padding rows are made of.
  let padding: ArraySlice<Double>

  /// Reads the block of the input at `position` of the tensor's inputs into `buffer`, as `PlannedTensor.readDType`.
  func read(_ position: Int, _ buffer: MergeScratch.Buffer) throws -> UnsafeRawBufferPointer {
    let target = buffer.bytes(byteRange(position).count)
    try read(position, into: target)
    return UnsafeRawBufferPointer(target)
  }

  /// The same into memory of the right size.
  func read(_ position: Int, into target: UnsafeMutableRawBufferPointer) throws {
    if let map = tensor.rows {
      if tensor.isWide { return try readRows(position, map, as: Double.self, into: target) }
      return try readRows(position, map, as: Float.self, into: target)
    }
    let input = tensor.inputs[position]
    try source.read(input: input.model, tensor: input.tensor, bytes: byteRange(position), into: target)
  }

  private func byteRange(_ position: Int) -> Range<Int> {
    let width = max(1, tensor.readDType(position).bits / 8)
    return elements.lowerBound * width..<elements.upperBound * width
  }
}
