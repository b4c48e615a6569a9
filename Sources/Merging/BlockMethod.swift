internal import Tensors

/// A merge method in exact arithmetic: what it finds in whole tensors, and how it makes a block from that.
///
/// A method knows nothing of files, threads or limits. Elements are f32, or f64 where an input is F64; every operation
/// is rounded on its own; the executor narrows once at the end.
protocol BlockMethod {
  init(_ call: MethodCall)

  /// True where `combine` must be given whole rows (vectors along the last axis).
  var needsRows: Bool { get }

  /// Looks at whole tensors as often as it likes; empty where nothing has to be known.
  ///
  /// What it returns is stored with the derivation: scalars, or one value a row or column.
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements

  /// Fills `out` with the block's elements.
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>) throws
}

extension BlockMethod {
  var needsRows: Bool { false }

  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements { [] }
}

extension MethodCall {
  /// The method; nil for a copy, which goes through stored bytes itself.
  var blockMethod: (any BlockMethod)? {
    switch name {
    case .copy: nil
    case .linear: Linear(self)
    case .taskArithmetic: TaskArithmetic(self)
    case .ties: Ties(self)
    case .dareLinear, .dareTies: Dare(self)
    case .della, .dellaLinear: Della(self)
    case .breadcrumbs, .breadcrumbsTies: Breadcrumbs(self)
    case .slerp: Slerp(self)
    case .nuslerp: NuSlerp(self)
    case .multislerp: MultiSlerp(self)
    case .karcher: Karcher(self)
    case .nearswap: NearSwap(self)
    case .modelStock: ModelStock(self)
    case .sce: Sce(self)
    case .ram, .ramPlus: Ram(self)
    case .arceeFusion: ArceeFusion(self)
    case .passthrough: Passthrough(self)
    case .somf: preconditionFailure("somf is planned as one of the methods that it is made of")
    case .resta: Resta(self)
    case .safeLora: SafeLora(self)
    case .safeMerge: SafeMerge(self)
    case .prePost: PrePost(self)
    case .mergeAlign: MergeAlign(self)
    }
  }
}

/// A tensor's inputs as a measuring method sees them: in passes over blocks that never change.
struct TensorPasses<Wide: WideElement> {
  let name: String
  let shape: Shape
  let count: Int
  let rowLength: Int
  /// The number of inputs that are not the base.
  let models: Int
  let executor: Executor
  /// The tensor's place in the plan.
  let index: Int
  private let pool: WorkerPool
  private let shelf: Shelf<MergeScratch>
  /// Elements of a block, a whole number of rows where the method needs rows.
  private let blockElements: Int

  init(executor: Executor, tensor index: Int, wholeRows: Bool, pool: WorkerPool, shelf: Shelf<MergeScratch>) {
    let planned = executor.plan.tensors[index]
    self.executor = executor
    self.index = index
    self.pool = pool
    self.shelf = shelf
    name = planned.name
    shape = planned.shape
    count = planned.unitCount
    rowLength = max(1, planned.rowLength)
    models = planned.modelCount
    blockElements = wholeRows ? max(1, Self.blockElements / rowLength) * rowLength : Self.blockElements
  }

  /// Results of sums depend on how elements are cut into blocks, so this never changes.
  static var blockElements: Int { 65_536 }

  /// What `body` makes of each block, in the order of blocks; blocks are seen by many threads.
  func map<T>(_ body: (WideBlock<Wide>) throws -> T) throws -> [T] { try map(0..<blockCount, body) }

  private var blockCount: Int { (count + blockElements - 1) / blockElements }

  private func map<T>(_ blocks: Range<Int>, _ body: (WideBlock<Wide>) throws -> T) throws -> [T] {
    var found = [T?](repeating: nil, count: blocks.count)
    try found.withUnsafeMutableBufferPointer { found in
      try pool.run(blocks.count) { ticket, _ in
        found[ticket] = try shelf.lend { scratch in
          let start = (blocks.lowerBound + ticket) * blockElements
          return try executor.withBlock(
            index, start..<min(count, start + blockElements), as: Wide.self, scratch, body)
        }
      }
    }
    return found.map { $0! }
  }

  /// Sums of `terms` numbers over all elements: f64 within a block, then in the order of blocks.
  ///
  /// Where terms are many (some a column), blocks are added up before all are done, so that memory stays bounded.
  func sums(_ terms: Int, _ body: (WideBlock<Wide>, inout [Double]) throws -> Void) throws -> [Double] {
    var total = [Double](repeating: 0, count: terms)
    let wave = terms < 1024 ? max(1, blockCount) : 4 * pool.width
    for start in stride(from: 0, to: blockCount, by: wave) {
      let parts = try map(start..<min(start + wave, blockCount)) { block in
        var sums = [Double](repeating: 0, count: terms)
        try body(block, &sums)
        return sums
      }
      for part in parts {
        for term in 0..<terms { total[term] += part[term] }
      }
    }
    return total
  }

  /// Counts in so many bins over all elements.
  func counts(_ bins: Int, _ body: (WideBlock<Wide>, inout [Int]) throws -> Void) throws -> [Int] {
    let tallies = Shelf { [Int](repeating: 0, count: bins) }
    _ = try map { block in try tallies.lend { try body(block, &$0) } }
    var total = [Int](repeating: 0, count: bins)
    for tally in tallies.all {
      for bin in 0..<bins { total[bin] += tally[bin] }
    }
    return total
  }

  /// Elements of this range, which lies within the tensor, one thread alone.
  func read<T>(_ elements: Range<Int>, _ body: (WideBlock<Wide>) throws -> T) throws -> T {
    try shelf.lend { try executor.withBlock(index, elements, as: Wide.self, $0, body) }
  }
}
