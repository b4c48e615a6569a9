internal import Synchronization
internal import Tensors

/// The factors of one change, widened and laid out so that rows of the weight are `left[row] · right`.
struct LoadedFactors<Wide: LowRankElement & BitwiseCopyable>: KeptFactors {
  /// One row of `rank` numbers for each row of the stored weight.
  let left: [Wide]
  /// `rank` rows, of as many numbers as a row of the stored weight has.
  let right: [Wide]
  /// DoRA: the length of each output.
  let magnitude: [Wide]
  /// DoRA where outputs are columns: what each column is multiplied by.
  var columnFactors: [Wide] = []

  /// Reads all factors of `input`, whose weight has this shape.
  init(_ input: PlannedInput, _ change: LowRank, of shape: Shape, from source: any TensorSource) throws {
    let factors = change.factors(of: shape)
    func load(_ factor: LowRank.Factor?) throws -> [Wide] {
      guard let factor, let shape = factors.first(where: { $0.factor == factor })?.shape else { return [] }
      let reads = change.reads(factor, shape)
      let values = try Self.widened(reads[0], from: source)
      guard let mask = factor.mask else { return values }
      let anchor = try mask.anchor.map { _ in try Self.widened(reads[2], from: source) }
      return try Self.withBytes(reads[1], from: source) { Self.masked(values, mask, $0, anchor: anchor) }
    }
    let (outputs, inputs) = change.extents(of: shape)
    let b = try load(change.b)
    let a = change.a == nil ? [1] : try load(change.a)
    magnitude = try load(change.magnitude)
    if change.isTransposed {
      left = Self.transposed(a, rows: change.rank, columns: inputs)
      right = Self.transposed(b, rows: outputs, columns: change.rank)
    } else {
      (left, right) = (b, a)
    }
  }

  private static func withBytes<T>(
    _ read: StoredRead, from source: any TensorSource, _ body: (UnsafeRawBufferPointer) throws -> T
  ) throws -> T {
    let count = read.shape.byteCount(of: read.dtype) ?? 0
    let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 64)
    defer { stored.deallocate() }
    let bytes = UnsafeMutableRawBufferPointer(rebasing: stored[..<count])
    if !bytes.isEmpty { try source.read(input: read.model, tensor: read.name, bytes: 0..<count, into: bytes) }
    return try body(UnsafeRawBufferPointer(bytes))
  }

  private static func widened(_ read: StoredRead, from source: any TensorSource) throws -> [Wide] {
    let count = read.shape.elementCount ?? 0
    return try withBytes(read, from: source) { bytes in
      [Wide](unsafeUninitializedCapacity: count) { buffer, initialized in
        Wide.widen(bytes, read.dtype, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        initialized = count
      }
    }
  }

  /// `F₀ + m (F - F₀) / mean(m)`, each operation rounded.
  private static func masked(
    _ values: [Wide], _ mask: LowRank.Mask, _ bits: UnsafeRawBufferPointer, anchor: [Wide]?
  ) -> [Wide] {
    let share = Wide(Double(mask.ones) / Double(values.count))
    let divides = mask.rescales && mask.ones < values.count
    var out = values
    for index in out.indices {
      let start = anchor?[index]
      var change = out[index]
      if let start { change = change - start }
      if bits[index / 8] >> UInt8(index % 8) & 1 == 0, change.isFinite {
        change = 0
      } else if divides {
        change = change / share
      }
      out[index] = start.map { $0 + change } ?? change
    }
    return out
  }

  private static func transposed(_ values: [Wide], rows: Int, columns: Int) -> [Wide] {
    [Wide](unsafeUninitializedCapacity: rows * columns) { buffer, initialized in
      for row in 0..<rows {
        for column in 0..<columns { buffer[column * rows + row] = values[row * columns + column] }
      }
      initialized = rows * columns
    }
  }

  var bytes: Int {
    (left.count + right.count + magnitude.count + columnFactors.count) * MemoryLayout<Wide>.stride
  }
}

/// What is computed from whole tensors and kept for their blocks.
protocol KeptFactors: Sendable {
  /// Of memory.
  var bytes: Int { get }
}

/// The factors used last, so that asking for a tensor block by block reads them once.
final class FactorShelf: Sendable {
  private struct Entry: Sendable {
    let input: PlannedInput
    let shape: Shape
    let factors: any Sendable
    let bytes: Int
  }

  private let recent = Mutex<[Entry]>([])
  /// The latest few stay whatever their size; others as long as all together are no larger.
  private static let keptMin = 3
  private static let bytesMax = 64 << 20

  /// The factors of an input, made by `load` where they are not here. One thread loads while others wait.
  func factors<Factors: KeptFactors>(
    of input: PlannedInput, _ shape: Shape, load: () throws -> Factors
  ) throws -> Factors {
    try recent.withLock { recent in
      if let at = recent.lastIndex(where: { $0.input == input && $0.shape == shape }),
        let found = recent[at].factors as? Factors
      {
        recent.append(recent.remove(at: at))
        return found
      }
      let loaded = try load()
      recent.append(Entry(input: input, shape: shape, factors: loaded, bytes: loaded.bytes))
      while recent.count > Self.keptMin, recent.reduce(0, { $0 + $1.bytes }) > Self.bytesMax { recent.removeFirst() }
      return loaded
    }
  }
}
