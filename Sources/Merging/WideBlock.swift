internal import Tensors

/// The same elements of all inputs of a tensor, stored and, once asked for, as wide numbers.
struct WideBlock<Wide: WideElement> {
  /// Which elements of the tensor these are.
  let elements: Range<Int>
  /// The length of a row: the last extent, 1 for a scalar.
  let rowLength: Int
  /// The random numbers of each of the others; empty for methods that draw none.
  let draws: [Philox]
  /// The stored elements of each input of the tensor, the base among them.
  private let stored: [Stored]
  private let basePlace: Int?
  private let scratch: MergeScratch

  /// Elements as an input stores them.
  struct Stored {
    let bytes: UnsafeRawBufferPointer
    let dtype: DType

    /// Those of a range of these elements.
    func part(_ local: Range<Int>) -> Stored {
      let width = dtype.bits / 8
      return Stored(
        bytes: UnsafeRawBufferPointer(rebasing: bytes[local.lowerBound * width..<local.upperBound * width]),
        dtype: dtype)
    }
  }

  /// - Parameter scratch: keeps the wide numbers; those of the block before are gone.
  init(_ elements: Range<Int>, of tensor: PlannedTensor, _ stored: [Stored], draws: [Philox], scratch: MergeScratch) {
    self.elements = elements
    self.stored = stored
    self.draws = draws
    self.scratch = scratch
    rowLength = max(1, tensor.rowLength)
    basePlace = tensor.method.base
    scratch.beginBlock()
  }

  /// Elements worked on at a time, few enough to stay in the fastest cache with those of all models.
  @inline(__always) static var chunk: Int { 1024 }

  @inline(__always) var count: Int { elements.count }

  /// The base, for methods that have one.
  var base: UnsafeBufferPointer<Wide>? { basePlace.map { wide($0) } }

  /// The other inputs in the order of the recipe.
  var others: Others { Others(block: self, endIndex: stored.count - (basePlace == nil ? 0 : 1)) }

  struct Others: RandomAccessCollection {
    fileprivate let block: WideBlock
    let endIndex: Int
    var startIndex: Int { 0 }
    subscript(_ position: Int) -> UnsafeBufferPointer<Wide> { block.wide(block.place(position)) }
  }

  /// Among the tensor's inputs.
  private func place(_ position: Int) -> Int { position >= basePlace ?? .max ? position + 1 : position }

  private func wide(_ place: Int) -> UnsafeBufferPointer<Wide> {
    let memory = scratch.wide(place).elements(count, of: Wide.self)
    if scratch.beginWidening(place) { Wide.widen(stored[place].bytes, stored[place].dtype, into: memory) }
    return UnsafeBufferPointer(memory)
  }

  /// The block's elements in portions of `size`, as positions in the block.
  @inline(__always)
  func forEachChunk(_ size: Int = WideBlock.chunk, _ body: (Range<Int>) throws -> Void) rethrows {
    var start = 0
    while start < count {
      let end = min(count, start &+ size)
      try body(start..<end)
      start = end
    }
  }

  /// Hands over working memory of the thread's, which costs nothing once it has grown; its old content means nothing.
  @inline(__always)
  func withRoom<Element: BitwiseCopyable, T>(
    of type: Element.Type, capacity: Int, _ body: (UnsafeMutableBufferPointer<Element>) throws -> T
  ) rethrows -> T {
    let room = scratch.beginRoom()
    defer { scratch.endRoom() }
    return try body(room.elements(capacity, of: type))
  }

  /// The chunk that holds only whole rows, for blocks that do.
  var rowChunk: Int { max(1, Self.chunk / rowLength) * rowLength }

  /// `x - b` of one model, or `x` where there is no base.
  func changes(_ position: Int, _ local: Range<Int>, into out: UnsafeMutableBufferPointer<Wide>) {
    let out = UnsafeMutableBufferPointer(rebasing: out[..<local.count])
    guard let basePlace else {
      _ = out.update(from: others[position][local])
      return
    }
    if let (x, b) = storedBF16(position, local) {
      Wide.changeBF16(x, from: b, into: out)
    } else {
      let (x, b) = (wide(place(position)).baseAddress!, wide(basePlace).baseAddress!)
      Wide.subtract(b + local.lowerBound, from: x + local.lowerBound, into: out)
    }
  }

  /// One model's elements and the base's, where both are stored as BF16.
  @inline(__always)
  func storedBF16(_ position: Int, _ local: Range<Int>) -> (x: UnsafeRawPointer, base: UnsafeRawPointer)? {
    guard let basePlace, local.count > 0 else { return nil }
    let (x, b) = (stored[place(position)], stored[basePlace])
    guard x.dtype == .bf16, b.dtype == .bf16 else { return nil }
    return (x.bytes.baseAddress! + 2 * local.lowerBound, b.bytes.baseAddress! + 2 * local.lowerBound)
  }

  /// Adds one model's elements times a weight to the sums.
  func accumulate(
    _ position: Int, _ local: Range<Int>, times weight: Wide, into sums: UnsafeMutableBufferPointer<Wide>
  ) {
    let part = stored[place(position)].part(local)
    Wide.accumulate(part.bytes, part.dtype, times: weight, into: sums)
  }

  /// `b + Σ (xᵢ - b) cᵢ` in the order of models, or `Σ xᵢ cᵢ` where there is no base.
  func combination(_ coefficients: some Collection<Double>, into out: UnsafeMutableBufferPointer<Wide>) {
    let base = base
    if others.isEmpty {
      if let base { _ = out.update(from: base) }
      return
    }
    withRoom(of: Wide.self, capacity: Self.chunk) { memory in
      forEachChunk { local in
        let sums = UnsafeMutableBufferPointer(rebasing: out[local])
        sums.update(repeating: 0)
        let change = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
        for (position, coefficient) in coefficients.enumerated() {
          changes(position, local, into: change)
          Wide.weigh(change, times: 1, times: Wide(coefficient), into: sums.baseAddress!)
        }
        if let base { Wide.add(UnsafeBufferPointer(rebasing: base[local]), to: sums) }
      }
    }
  }
}
