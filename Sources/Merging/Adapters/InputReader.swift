internal import Tensors

/// Reads the inputs of a plan's tensors: stored elements as they are, and weights with an adapter applied.
///
/// The numbers of an element do not depend on what else is read with it. A range costs its part of the weight and the
/// factors whole; for DoRA whole rows of the weight, and where its outputs are columns (GPT-2, embeddings) all of it.
struct InputReader: Sendable {
  let source: any TensorSource
  private let shelf = FactorShelf()
  /// Of `Uᵀ D`; apart, because making one may need factors.
  let projections = FactorShelf()

  init(_ source: any TensorSource) { self.source = source }

  /// Fills `target` with these elements of an input of a tensor of `shape`, in the input's dtype.
  ///
  /// Elements count units: bytes where the dtype is smaller than a byte.
  func read(
    _ input: PlannedInput, of shape: Shape, elements: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws {
    guard let change = input.change else {
      let width = max(1, input.dtype.bits / 8)
      let bytes = elements.lowerBound * width..<elements.upperBound * width
      guard !input.pieces.isEmpty else {
        return try source.read(input: input.model, tensor: input.tensor, bytes: bytes, into: target)
      }
      return try readPieces(input, size: (shape.elementCount ?? 0) * width / input.pieces.count, bytes, into: target)
    }
    if elements.isEmpty { return }
    if input.dtype == .f64 {
      try apply(change, input, shape, elements, as: Double.self, into: target)
    } else {
      try apply(change, input, shape, elements, as: Float.self, into: target)
    }
  }

  /// Bytes of an input that is stored in pieces of `size` bytes.
  private func readPieces(
    _ input: PlannedInput, size: Int, _ bytes: Range<Int>, into target: UnsafeMutableRawBufferPointer
  ) throws {
    var next = bytes.lowerBound
    while next < bytes.upperBound {
      let (piece, start) = next.quotientAndRemainder(dividingBy: size)
      let count = min(size - start, bytes.upperBound - next)
      let place = next - bytes.lowerBound
      try source.read(
        input: input.model, tensor: input.pieces[piece], bytes: start..<start + count,
        into: UnsafeMutableRawBufferPointer(rebasing: target[place..<place + count]))
      next += count
    }
  }

  private func apply<Wide: LowRankElement & BitwiseCopyable>(
    _ change: LowRank, _ input: PlannedInput, _ shape: Shape, _ elements: Range<Int>, as type: Wide.Type,
    into target: UnsafeMutableRawBufferPointer
  ) throws {
    let factors = try shelf.factors(of: input, shape) {
      var loaded = try LoadedFactors<Wide>(input, change, of: shape, from: source)
      if change.isTransposed, change.magnitude != nil {
        loaded.columnFactors = try columnFactors(loaded, change, input, shape)
      }
      return loaded
    }
    let out = target.bindMemory(to: Wide.self)
    let columns = shape.dimensions.count == 2 ? shape.dimensions[1] : 1
    guard change.magnitude != nil else { return try sum(factors, change, input, columns, elements, into: out) }
    guard !change.isTransposed else {
      try sum(factors, change, input, columns, elements, into: out)
      for (position, element) in elements.enumerated() {
        out[position] = factors.columnFactors[element % columns] * out[position]
      }
      return
    }
    try scaleRows(factors, change, input, columns, elements, into: out)
  }

  /// `W + scale · B A` of these elements.
  private func sum<Wide: LowRankElement & BitwiseCopyable>(
    _ factors: LoadedFactors<Wide>, _ change: LowRank, _ input: PlannedInput, _ columns: Int, _ elements: Range<Int>,
    into out: UnsafeMutableBufferPointer<Wide>
  ) throws {
    let width = change.weightDType.bits / 8
    let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: elements.count * width, alignment: 64)
    defer { stored.deallocate() }
    try source.read(
      input: input.model, tensor: input.tensor, bytes: elements.lowerBound * width..<elements.upperBound * width,
      into: stored)
    Wide.widen(UnsafeRawBufferPointer(stored), change.weightDType, into: out)
    let rank = change.rank
    factors.left.withUnsafeBufferPointer { left in
      factors.right.withUnsafeBufferPointer { right in
        var next = elements.lowerBound
        while next < elements.upperBound {
          let (row, column) = next.quotientAndRemainder(dividingBy: columns)
          let left = left.baseAddress! + row * rank
          let target = out.baseAddress! + (next - elements.lowerBound)
          // Whole rows together; what is left of a row before and after them alone.
          let rows = column == 0 ? max(1, (elements.upperBound - next) / columns) : 1
          let count = min(columns - column, elements.upperBound - next)
          Wide.addProduct(
            left, right.baseAddress! + column, scale: Wide(change.scale), rows: rows, columns: count, rank: rank,
            rightStride: columns, to: target, outStride: columns)
          next += rows == 1 ? count : rows * columns
        }
      }
    }
  }

  /// DoRA: each row divided by its length and multiplied by the learnt one. Lengths are √Σx² in f64, rounded once.
  private func scaleRows<Wide: LowRankElement & BitwiseCopyable>(
    _ factors: LoadedFactors<Wide>, _ change: LowRank, _ input: PlannedInput, _ columns: Int, _ elements: Range<Int>,
    into out: UnsafeMutableBufferPointer<Wide>
  ) throws {
    let whole = elements.lowerBound / columns * columns..<(elements.upperBound + columns - 1) / columns * columns
    let rows = UnsafeMutableBufferPointer<Wide>.allocate(capacity: whole.count)
    defer { rows.deallocate() }
    try sum(factors, change, input, columns, whole, into: rows)
    for start in stride(from: whole.lowerBound, to: whole.upperBound, by: columns) {
      let row = UnsafeMutableBufferPointer(rebasing: rows[(start - whole.lowerBound)...].prefix(columns))
      let length = Wide(Wide.products(row.baseAddress!, row.baseAddress!, columns).squareRoot())
      let factor = factors.magnitude[start / columns] / length
      let wanted = elements.clamped(to: start..<start + columns)
      for element in wanted { out[element - elements.lowerBound] = factor * row[element - start] }
    }
  }

  /// DoRA where outputs are columns: learnt length / length of each, its squares added in f64 from the first row on.
  private func columnFactors<Wide: LowRankElement & BitwiseCopyable>(
    _ factors: LoadedFactors<Wide>, _ change: LowRank, _ input: PlannedInput, _ shape: Shape
  ) throws -> [Wide] {
    let (rows, columns) = (shape.dimensions[0], shape.dimensions[1])
    var sums = [Double](repeating: 0, count: columns)
    let portion = max(1, PlannedTensor.blockElements / max(1, columns))
    let block = UnsafeMutableBufferPointer<Wide>.allocate(capacity: max(1, portion * columns))
    defer { block.deallocate() }
    for start in stride(from: 0, to: columns == 0 ? 0 : rows, by: portion) {
      let end = min(rows, start + portion)
      let values = UnsafeMutableBufferPointer(rebasing: block[..<((end - start) * columns)])
      try sum(factors, change, input, columns, start * columns..<end * columns, into: values)
      for row in 0..<end - start {
        let row = UnsafeBufferPointer(rebasing: values[(row * columns)...].prefix(columns))
        sums.withUnsafeMutableBufferPointer { Wide.addSquares(row, to: $0.baseAddress!) }
      }
    }
    return sums.indices.map { factors.magnitude[$0] / Wide(sums[$0].squareRoot()) }
  }
}
