internal import Tensors

extension BlockReader {
  /// Fills `target` with the block of a realigned input, as wide numbers.
  func readRealigned<Wide: LowRankElement>(
    _ position: Int, as type: Wide.Type, into target: UnsafeMutableRawBufferPointer
  ) throws {
    let input = tensor.inputs[position]
    guard let realignment = input.realignment else { return }
    let out = target.bindMemory(to: Wide.self)
    let shape = tensor.shape
    // Made of the whole tensor, in the buffers that the block needs next.
    let product = try realignment.projection.map { projection in
      try inputs.projections.factors(of: input, shape) {
        try Projected<Wide>(projection, rows: shape.dimensions[0], columns: shape.dimensions[1], inputs.source) {
          rows, changes in
          _ = try readMasked(input, realignment, shape, rows, position, into: changes)
        }
      }
    }
    let anchor = try readMasked(input, realignment, shape, elements, position, into: out)
    product?.apply(to: out, elements, isOnto: realignment.projection?.isOnto ?? false)
    Wide.add(UnsafeBufferPointer(anchor), to: out)
  }

  /// Fills `out` with the changes of these elements behind the mask; returns the anchor's elements, which stay until
  /// the next call.
  private func readMasked<Wide: LowRankElement>(
    _ input: PlannedInput, _ realignment: Realignment, _ shape: Shape, _ elements: Range<Int>, _ position: Int,
    into out: UnsafeMutableBufferPointer<Wide>
  ) throws -> UnsafeMutableBufferPointer<Wide> {
    let plain = input.plain
    let own = scratch.realigned.own.bytes(elements.count * plain.dtype.bits / 8)
    try inputs.read(plain, of: shape, elements: elements, into: own)
    try checkInput(position, UnsafeRawBufferPointer(own), plain.dtype, from: elements.lowerBound)
    Wide.widen(UnsafeRawBufferPointer(own), plain.dtype, into: out)
    let anchor: UnsafeMutableBufferPointer<Wide> = try widened(anchorOf: realignment, shape, elements)
    if elements.isEmpty { return anchor }
    for index in 0..<elements.count { out[index] = out[index] - anchor[index] }
    guard let mask = realignment.mask else { return anchor }
    let bytes = elements.lowerBound / 8..<(elements.upperBound + 7) / 8
    let bits = scratch.realigned.bits.bytes(bytes.count)
    try inputs.source.read(input: mask.model, tensor: mask.tensor, bytes: bytes, into: bits)
    Wide.keep(out, where: UnsafeRawPointer(bits.baseAddress!), from: elements.lowerBound % 8)
    if mask.rescales, let count = shape.elementCount, mask.ones < count {
      Wide.divide(out, by: Wide(Double(mask.ones) / Double(count)))
    }
    return anchor
  }

  private func widened<Wide: LowRankElement>(
    anchorOf realignment: Realignment, _ shape: Shape, _ elements: Range<Int>
  ) throws -> UnsafeMutableBufferPointer<Wide> {
    let anchor = realignment.anchor
    let stored = scratch.realigned.anchor.bytes(elements.count * anchor.dtype.bits / 8)
    try inputs.read(
      PlannedInput(model: anchor.model, tensor: anchor.tensor, dtype: anchor.dtype), of: shape, elements: elements,
      into: stored)
    let wide = scratch.realigned.wide.elements(elements.count, of: Wide.self)
    Wide.widen(UnsafeRawBufferPointer(stored), anchor.dtype, into: wide)
    return wide
  }
}

/// A basis `U` of a matrix's output side, and `Uᵀ D` of its changes `D`.
private struct Projected<Wide: LowRankElement>: KeptFactors {
  /// rows × rank.
  private let basis: [Wide]
  /// rank × columns.
  private let product: [Wide]
  private let rank: Int
  private let columns: Int

  var bytes: Int { (basis.count + product.count) * MemoryLayout<Wide>.stride }

  /// Rows whose products are summed in the wide type before they go into the sums in f64.
  private static var portion: Int { 64 }

  /// - Parameter changes: fills a buffer with elements of `D`.
  init(
    _ projection: Realignment.Projection, rows: Int, columns: Int, _ source: any TensorSource,
    changes: (Range<Int>, UnsafeMutableBufferPointer<Wide>) throws -> Void
  ) throws {
    let rank = projection.rank
    let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, 4 * rows * rank), alignment: 64)
    defer { stored.deallocate() }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: stored[..<(4 * rows * rank)])
    if !bytes.isEmpty {
      try source.read(input: projection.model, tensor: projection.tensor, bytes: 0..<bytes.count, into: bytes)
    }
    let basis = [Wide](unsafeUninitializedCapacity: rows * rank) { buffer, count in
      Wide.widen(
        UnsafeRawBufferPointer(bytes), .f32, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(rows * rank)]))
      count = rows * rank
    }
    var sums = [Double](repeating: 0, count: rank * columns)
    let portion = UnsafeMutableBufferPointer<Wide>.allocate(capacity: max(1, Self.portion * columns))
    let turned = UnsafeMutableBufferPointer<Wide>.allocate(capacity: max(1, Self.portion * rank))
    let partial = UnsafeMutableBufferPointer<Wide>.allocate(capacity: max(1, rank * columns))
    defer { [portion, turned, partial].forEach { $0.deallocate() } }
    for first in stride(from: 0, to: rank * columns == 0 ? 0 : rows, by: Self.portion) {
      let count = min(Self.portion, rows - first)
      try changes(
        first * columns..<(first + count) * columns, UnsafeMutableBufferPointer(rebasing: portion[..<(count * columns)])
      )
      for row in 0..<count {
        for k in 0..<rank { turned[k * count + row] = basis[(first + row) * rank + k] }
      }
      partial.update(repeating: 0)
      Wide.addProduct(
        turned.baseAddress!, portion.baseAddress!, scale: 1, rows: rank, columns: columns, rank: count,
        rightStride: columns, to: partial.baseAddress!, outStride: columns)
      for index in sums.indices { sums[index] += Double(partial[index]) }
    }
    self.basis = basis
    product = sums.map { Wide($0) }
    self.rank = rank
    self.columns = columns
  }

  /// Replaces changes by their projection, or by what that leaves of them.
  func apply(to out: UnsafeMutableBufferPointer<Wide>, _ elements: Range<Int>, isOnto: Bool) {
    if isOnto { out.update(repeating: 0) }
    if rank == 0 { return }
    basis.withUnsafeBufferPointer { basis in
      product.withUnsafeBufferPointer { product in
        var next = elements.lowerBound
        while next < elements.upperBound {
          let (row, column) = next.quotientAndRemainder(dividingBy: columns)
          let rows = column == 0 ? max(1, (elements.upperBound - next) / columns) : 1
          let count = min(columns - column, elements.upperBound - next)
          Wide.addProduct(
            basis.baseAddress! + row * rank, product.baseAddress! + column, scale: isOnto ? 1 : -1, rows: rows,
            columns: count, rank: rank, rightStride: columns, to: out.baseAddress! + (next - elements.lowerBound),
            outStride: columns)
          next += rows == 1 ? count : rows * columns
        }
      }
    }
  }
}
