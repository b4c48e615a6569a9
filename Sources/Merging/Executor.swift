package import Tensors

/// What a method finds in whole tensors before it combines blocks; stored with the derivation.
package typealias Measurements = [Double]

/// Computes blocks of a plan's tensors on demand. Threads may share one executor if each has its own scratch.
package struct Executor: Sendable {
  /// What this executor does.
  package let plan: Plan
  let inputs: InputReader
  /// The means that padding rows of the tensor at work are made of.
  private var padding: ArraySlice<Double> = []
  /// For the arithmetic that knows no blocks.
  private let stepwise: StepExecutor?
  private let isProved: Bool

  /// - Parameter isProved: this plan has run before on these inputs and refused nothing, so that NaN and infinity need
  ///   not be looked for again.
  package init(plan: Plan, source: any TensorSource, isProved: Bool = false) {
    self.plan = plan
    inputs = InputReader(source)
    self.isProved = isProved
    stepwise =
      plan.arithmetic == Plan.mergekit015 ? StepExecutor(plan: plan, inputs: inputs, isProved: isProved) : nil
  }

  /// The measurements of tensor number `tensor` of the plan: empty where its method needs none. May read the inputs
  /// several times, on all workers of the pool.
  package func measure(tensor: Int, pool: WorkerPool, shelf: Shelf<MergeScratch>) throws -> Measurements {
    let planned = plan.tensors[tensor]
    guard stepwise == nil, !planned.isCopied, planned.unitCount > 0 else { return [] }
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
  /// Throws `MergeError.contentMismatch` where copied inputs differ, `notFinite` and `outOfRange` where NaN or infinity
  /// is read or comes out and the recipe does not allow it, and what the source throws.
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
    let block = reader(planned, elements, scratch)
    if planned.isCopied { return try Copy.combine(block, into: target) }
    if let stepwise {
      try stepwise.produce(tensor: tensor, elements: elements, into: target)
    } else if planned.isWide {
      try combine(block, as: Double.self, measurements, into: target, scratch)
    } else {
      try combine(block, as: Float.self, measurements, into: target, scratch)
    }
    try block.checkResult(UnsafeRawBufferPointer(target))
  }

  private func reader(_ tensor: PlannedTensor, _ elements: Range<Int>, _ scratch: MergeScratch) -> BlockReader {
    BlockReader(
      plan: plan, tensor: tensor, elements: elements, inputs: inputs,
      refusesNonfinite: !isProved && !tensor.allowsNonfinite, scratch: scratch, padding: padding)
  }

  private func combine<Wide: WideElement>(
    _ block: BlockReader, as type: Wide.Type, _ measurements: Measurements,
    into target: UnsafeMutableRawBufferPointer, _ scratch: MergeScratch
  ) throws {
    let planned = block.tensor
    guard let method = planned.method.blockMethod else { preconditionFailure("\(planned.method.name) is no method") }
    let (range, length, width) = (block.elements, max(1, planned.rowLength), planned.unitBytes)
    let rows = method.needsRows ? length : 1
    let whole = range.lowerBound / rows * rows..<(range.upperBound + rows - 1) / rows * rows
    let stored: [WideBlock<Wide>.Stored] = try reader(planned, whole, scratch).readAll()
    let draws = planned.method.draws(tensor: planned.name, models: planned.modelCount)
    // What is read at once goes through in portions that fit the caches with all their wide numbers.
    let portion = max(1, Self.portionElements / rows) * rows
    for start in stride(from: whole.lowerBound, to: whole.upperBound, by: portion) {
      let part = start..<min(start + portion, whole.upperBound)
      let local = part.lowerBound - whole.lowerBound..<part.upperBound - whole.lowerBound
      let block = WideBlock(part, of: planned, stored.map { $0.part(local) }, draws: draws, scratch: scratch)
      let sum = scratch.sum.elements(part.count, of: Wide.self)
      try method.combine(block, measurements, into: sum)
      let wanted = part.clamped(to: range)
      let place = (wanted.lowerBound - range.lowerBound) * width
      Wide.narrow(
        UnsafeBufferPointer(
          rebasing: sum[wanted.lowerBound - part.lowerBound..<wanted.upperBound - part.lowerBound]),
        to: planned.dtype,
        into: UnsafeMutableRawBufferPointer(rebasing: target[place..<place + wanted.count * width]))
    }
  }

  private static var portionElements: Int { 8192 }

  /// Hands over these elements of all inputs of a tensor.
  func withBlock<Wide: WideElement, T>(
    _ index: Int, _ elements: Range<Int>, as type: Wide.Type, _ scratch: MergeScratch,
    _ body: (WideBlock<Wide>) throws -> T
  ) throws -> T {
    let planned = plan.tensors[index]
    let stored: [WideBlock<Wide>.Stored] = try reader(planned, elements, scratch).readAll()
    let draws = planned.method.draws(tensor: planned.name, models: planned.modelCount)
    return try body(WideBlock(elements, of: planned, stored, draws: draws, scratch: scratch))
  }
}

/// Reads one block of a tensor from its inputs, and refuses NaN and infinity there.
struct BlockReader {
  let plan: Plan
  let tensor: PlannedTensor
  let elements: Range<Int>
  let inputs: InputReader
  let refusesNonfinite: Bool
  let scratch: MergeScratch
  /// The means that padding rows are made of.
  let padding: ArraySlice<Double>

  /// Reads the block of the input at `place` of the tensor's inputs, as `PlannedTensor.readDType`, into memory of its
  /// own.
  func read(_ place: Int) throws -> UnsafeRawBufferPointer {
    let target = scratch.stored(place).bytes(elements.count * max(1, tensor.readDType(place).bits / 8))
    try read(place, into: target)
    return UnsafeRawBufferPointer(target)
  }

  /// Reads the blocks of all inputs.
  func readAll<Wide: WideElement>() throws -> [WideBlock<Wide>.Stored] {
    try tensor.inputs.indices.map { place in
      WideBlock.Stored(bytes: try read(place), dtype: tensor.readDType(place))
    }
  }

  /// The same into memory of the right size.
  func read(_ position: Int, into target: UnsafeMutableRawBufferPointer) throws {
    if tensor.inputs[position].realignment != nil {
      if tensor.inputs[position].dtype == .f64 {
        try readRealigned(position, as: Double.self, into: target)
      } else {
        try readRealigned(position, as: Float.self, into: target)
      }
    } else if let map = tensor.rows {
      if tensor.isWide {
        try readRows(position, map, as: Double.self, into: target)
      } else {
        try readRows(position, map, as: Float.self, into: target)
      }
    } else {
      try inputs.read(tensor.inputs[position], of: tensor.shape, elements: elements, into: target)
    }
    try checkInput(position, UnsafeRawBufferPointer(target), tensor.readDType(position))
  }
}
