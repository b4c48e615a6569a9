internal import Tensors

extension BlockReader {
  /// Fills `target` with the block of an input whose rows come from `map`, widened: its own rows, those of other
  /// inputs, zeros, and means. Reads the rows it needs and no others.
  func readRows<Wide: WideElement>(
    _ position: Int, _ map: RowMap, as type: Wide.Type, into target: UnsafeMutableRawBufferPointer
  ) throws {
    let out = target.assumingMemoryBound(to: Wide.self)
    let length = tensor.rowElements
    let rows = elements.lowerBound / length..<(elements.upperBound + length - 1) / length
    // In the order of what is read, so that a source that is kept in blocks decodes each of them once.
    for run in map.runs(position, rows).sorted(by: { $0.source.first < $1.source.first }) {
      let part = elements.clamped(to: run.start * length..<run.end * length)
      let local = UnsafeMutableBufferPointer(
        rebasing: out[part.lowerBound - elements.lowerBound..<part.upperBound - elements.lowerBound])
      switch run.source {
      case .row(let input, let first):
        let stored = try stored(input, part, shifted: (first - run.start) * length)
        Wide.widen(stored, tensor.inputs[input].dtype, into: local)
      case .zero: local.update(repeating: 0)
      case .mean: try average(part, map, length, into: local)
      case .padding:
        let means = padding.dropFirst(position * length).prefix(length)
        for index in local.indices { local[index] = Wide(means[means.startIndex + (part.lowerBound + index) % length]) }
      }
    }
  }

  /// `(0 + a + b + …) / n` over the inputs that have the row, in their order.
  private func average<Wide: WideElement>(
    _ part: Range<Int>, _ map: RowMap, _ length: Int, into out: UnsafeMutableBufferPointer<Wide>
  ) throws {
    var start = part.lowerBound
    while start < part.upperBound {
      let runs = map.inputs.indices.map { map.run($0, at: start / length) }
      let end = min(part.upperBound, (runs.map(\.end).min() ?? 0) * length)
      let local = UnsafeMutableBufferPointer(rebasing: out[start - part.lowerBound..<end - part.lowerBound])
      local.update(repeating: 0)
      var owners: Wide = 0
      for (input, run) in runs.enumerated() {
        guard case .row(input, let first) = run.source else { continue }
        let stored = try stored(input, start..<end, shifted: (first - run.start) * length)
        Wide.accumulate(stored, tensor.inputs[input].dtype, times: 1, into: local)
        owners += 1
      }
      Wide.divide(local, by: owners)
      start = end
    }
  }

  private func stored(_ input: Int, _ part: Range<Int>, shifted by: Int) throws -> UnsafeRawBufferPointer {
    let planned = tensor.inputs[input]
    let width = max(1, planned.dtype.bits / 8)
    let bytes = scratch.rows.bytes(part.count * width)
    try inputs.read(
      planned, of: tensor.inputShape(input), elements: part.lowerBound + by..<part.upperBound + by, into: bytes)
    return UnsafeRawBufferPointer(bytes)
  }
}

extension Executor {
  /// The means of the columns of each input over all rows that have a token: what padding is filled with. Empty where
  /// there is none. Sums are f64 over blocks of whole rows, in the order of blocks.
  func paddingMeans(tensor index: Int, pool: WorkerPool, shelf: Shelf<MergeScratch>) throws -> Measurements {
    let planned = plan.tensors[index]
    guard planned.paddingCount > 0, let map = planned.rows?.unpadded else { return [] }
    let inner = PlannedTensor(
      name: planned.name, dtype: planned.dtype, shape: planned.shape.alongRows(map), method: MethodCall(.copy),
      inputs: planned.inputs, rows: map)
    let executor = Executor(
      plan: Plan(arithmetic: plan.arithmetic, inputs: plan.inputs, tensors: [inner]), source: inputs.source)
    let sums =
      planned.isWide
      ? try Self.columnSums(
        TensorPasses<Double>(executor: executor, tensor: 0, wholeRows: true, pool: pool, shelf: shelf), inner)
      : try Self.columnSums(
        TensorPasses<Float>(executor: executor, tensor: 0, wholeRows: true, pool: pool, shelf: shelf), inner)
    return sums.map { $0 / Double(map.rows) }
  }

  private static func columnSums<Wide: WideElement>(
    _ passes: TensorPasses<Wide>, _ tensor: PlannedTensor
  ) throws -> [Double] {
    let length = tensor.rowElements
    return try passes.finite(
      passes.sums(tensor.inputs.count * length) { block, sums in
        for (input, values) in block.others.enumerated() {
          var column = block.elements.lowerBound % length
          for value in values {
            sums[input * length + column] += Double(value)
            column = column + 1 == length ? 0 : column + 1
          }
        }
      })
  }
}
