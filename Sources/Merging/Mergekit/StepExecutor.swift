internal import Synchronization
internal import Tensors

/// Runs a plan in the arithmetic `mergekit-0.1.5`: a whole tensor at a time, because its sums, its sorts and its one
/// stream of random numbers know no ranges. The last tensors are kept, so that asking block by block costs one run.
///
/// Memory: about 4 bytes an element for each input and as many for what a method needs between.
final class StepExecutor: Sendable {
  private struct State {
    /// Finished tensors, the latest last.
    var finished: [(tensor: Int, values: [Float])] = []
    /// The generator at the start of the first tensor of `order`, the second, … as far as anyone asked.
    var starts: [MersenneTwister]
  }

  private let plan: Plan
  private let inputs: InputReader
  private let isProved: Bool
  /// The tensors in the order in which mergekit makes them, and the place of each there.
  private let order: [Int]
  private let turns: [Int]
  private let state: Mutex<State>
  private static let kept = 3

  init(plan: Plan, inputs: InputReader, isProved: Bool) {
    self.plan = plan
    self.inputs = inputs
    self.isProved = isProved
    order = Self.order(of: plan.tensors)
    var turns = order
    for (turn, tensor) in order.enumerated() { turns[tensor] = turn }
    self.turns = turns
    state = Mutex(State(starts: [MersenneTwister(seed: plan.seed ?? 0)]))
  }

  /// mergekit makes a tensor as soon as it has read its inputs, and reads by name: so the order is that of the last
  /// name among the inputs, then of the model that is read last under it, then top to bottom.
  private static func order(of tensors: [PlannedTensor]) -> [Int] {
    let layers = tensors.map { LayerStacks.layer(of: $0.name)?.index ?? (LayerStacks.isAhead($0.name) ? -1 : .max) }
    // A head read from the embedding it is tied to is read apart.
    func read(_ input: PlannedInput, for tensor: Int) -> [String] {
      [
        String(input.model), String(input.change?.adapter ?? -1), input.readName,
        layers[tensor] == .max ? tensors[tensor].name : "",
      ]
    }
    var reads: [[String]: Int] = [:]
    for tensor in tensors.indices.sorted(by: { (layers[$0], $0) < (layers[$1], $1) }) {
      for input in tensors[tensor].inputs where reads[read(input, for: tensor)] == nil {
        reads[read(input, for: tensor)] = reads.count
      }
    }
    let unnamed = TaskOrder.turns(of: tensors)
    let keys = tensors.indices.map { tensor in
      let inputs = tensors[tensor].inputs
      let last = inputs.map { Array($0.readName.utf8) }.max { $0.lexicographicallyPrecedes($1) } ?? []
      let ready = inputs.filter { last.elementsEqual($0.readName.utf8) }.compactMap { reads[read($0, for: tensor)] }
        .max()
      let turn = last.isEmpty ? unnamed[tensors[tensor].name] ?? ready : ready
      return (name: last, turn: (turn ?? 0, layers[tensor], tensor))
    }
    return tensors.indices.sorted { a, b in
      keys[a].name == keys[b].name
        ? keys[a].turn < keys[b].turn : keys[a].name.lexicographicallyPrecedes(keys[b].name)
    }
  }

  /// Fills `target` with these elements of a tensor, in the tensor's dtype.
  func produce(tensor: Int, elements: Range<Int>, into target: UnsafeMutableRawBufferPointer) throws {
    try state.withLock { state in
      if let found = state.finished.last(where: { $0.tensor == tensor }) {
        return narrow(found.values, elements, plan.tensors[tensor].dtype, target)
      }
      let values = try run(tensor, &state)
      state.finished.append((tensor, values))
      if state.finished.count > Self.kept { state.finished.removeFirst() }
      narrow(values, elements, plan.tensors[tensor].dtype, target)
    }
  }

  private func narrow(
    _ values: [Float], _ elements: Range<Int>, _ dtype: DType, _ target: UnsafeMutableRawBufferPointer
  ) {
    values.withUnsafeBufferPointer {
      Float.narrow(UnsafeBufferPointer(rebasing: $0[elements]), to: dtype, into: target)
    }
  }

  private func run(_ index: Int, _ state: inout State) throws -> [Float] {
    while state.starts.count <= turns[index] {
      var next = state.starts[state.starts.count - 1]
      let passed = plan.tensors[order[state.starts.count - 1]]
      next.skip(StepMethod.randomWords(passed.method, elements: passed.unitCount))
      state.starts.append(next)
    }
    let planned = plan.tensors[index]
    let working = planned.workingDType ?? .f32
    let method = StepMethod(call: planned.method, tensor: try read(planned, working))
    var random = state.starts[turns[index]]
    let values =
      switch working {
      case .bf16: method.run(WorkingBF16.self, &random)
      case .f16: method.run(WorkingF16.self, &random)
      default: method.run(WorkingF32.self, &random)
      }
    guard let values else { throw MergeError.cancellingDirections(tensor: planned.name) }
    return values
  }

  private static func round(_ values: UnsafeMutableBufferPointer<Float>, to dtype: DType) {
    switch dtype {
    case .bf16: for index in values.indices { values[index] = WorkingBF16.round(values[index]) }
    case .f16: for index in values.indices { values[index] = WorkingF16.round(values[index]) }
    default: break
    }
  }

  /// All inputs, rounded to the working type as mergekit does when it loads them. A weight with an adapter is first
  /// rounded to its own dtype, in which mergekit keeps the two once PEFT has merged them.
  private func read(_ planned: PlannedTensor, _ working: DType) throws -> StepTensor {
    var loaded: [[Float]] = []
    let whole = BlockReader(
      plan: plan, tensor: planned, elements: 0..<planned.unitCount, inputs: inputs,
      refusesNonfinite: !isProved && !planned.allowsNonfinite, scratch: MergeScratch(), padding: [])
    var stored: [UInt8] = []
    for (position, input) in planned.inputs.enumerated() {
      let count = planned.inputShape(position).elementCount ?? 0
      stored = [UInt8](repeating: 0, count: count * input.dtype.bits / 8)
      let values = try stored.withUnsafeMutableBytes { bytes in
        if !bytes.isEmpty {
          try inputs.read(input, of: planned.inputShape(position), elements: 0..<count, into: bytes)
          try whole.checkInput(position, UnsafeRawBufferPointer(bytes), input.dtype)
        }
        return [Float](unsafeUninitializedCapacity: count) { values, initialized in
          initialized = count
          let target = UnsafeMutableBufferPointer(rebasing: values[..<count])
          Float.widen(UnsafeRawBufferPointer(bytes), input.dtype, into: target)
          if let stored = input.change?.weightDType { Self.round(target, to: stored) }
          if input.dtype != working { Self.round(target, to: working) }
        }
      }
      loaded.append(values)
    }
    if let map = planned.rows { loaded = Self.align(loaded, map, length: planned.rowElements, working) }
    let others = loaded.indices.filter { $0 != planned.method.base }.map { loaded[$0] }
    return StepTensor(shape: planned.shape.dimensions, base: planned.method.base.map { loaded[$0] }, others: others)
  }

  private static func align(_ values: [[Float]], _ map: RowMap, length: Int, _ working: DType) -> [[Float]] {
    switch working {
    case .bf16: StepRows<WorkingBF16>.aligned(values, map, length: length)
    case .f16: StepRows<WorkingF16>.aligned(values, map, length: length)
    default: StepRows<WorkingF32>.aligned(values, map, length: length)
    }
  }
}

extension PlannedInput {
  /// The name by which mergekit finds it in the model's files: the model's own spelling of it, and none for what
  /// transformers makes of other tensors or finds under another name.
  fileprivate var readName: String {
    if !pieces.isEmpty || (tensor.contains(".block_sparse_moe.") && name.contains(".mlp.")) { return "" }
    let isNorm = TensorNames.swappingNorm(tensor) == name
    return isNorm || name.hasSuffix("." + tensor) ? tensor : name
  }
}
