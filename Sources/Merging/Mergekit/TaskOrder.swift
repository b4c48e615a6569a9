/// The order in which mergekit 0.1.5 comes to tensors that it finds under no name of their own in the models' files,
/// such as fused experts: that in which a Python set hands out the numbers of its tasks.
///
/// mergekit numbers its tasks (for each tensor one to save it, to merge it, to gather its inputs, and one to load each;
/// one more for the writer behind the first, and one at the very end), puts those that are wanted into a set, and takes
/// them out one by one while it adds what each needs. Equal names come in the order in which their loading was seen.
enum TaskOrder {
  /// For each tensor of mergekit's plan the number of its last loading, which orders them.
  ///
  /// - Parameter models: how many inputs each tensor has; at least 1.
  static func turns(tensors: Int, models: Int) -> [Int] {
    let size = 3 + models
    let last = tensors * size + 1
    // The first tensor's task, then the writer's, then the first tensor's other ones: all that follows is one later.
    func save(_ tensor: Int) -> Int { tensor == 0 ? 0 : tensor * size + 1 }
    func needs(_ task: Int) -> [Int] {
      if task == last { return [1] + (0..<tensors).map(save) }
      if task == 0 { return [1, 2] }
      let part = task == 1 ? size : (task - 1) % size
      switch part {
      case 0: return [1, task + 1]
      case 1: return [task + 1]
      case 2: return Array(task + 1...task + models)
      default: return []
      }
    }
    var waiting = PythonSet((0..<tensors).map(save) + [last])
    var isDone = [Bool](repeating: false, count: last + 1)
    var seen = [Int](repeating: -1, count: last + 1)
    var count = 0
    func see(_ task: Int) {
      guard seen[task] < 0 else { return }
      seen[task] = count
      count += 1
    }
    while let task = waiting.popFirst() {
      if isDone[task] { continue }
      isDone[task] = true
      for need in needs(task) {
        waiting.insert(need)
        see(need)
        see(task)
      }
    }
    return (0..<tensors).map { tensor in
      let gather = tensor * size + 3
      return seen[gather + 1...gather + models].max() ?? 0
    }
  }

  /// For tensors of the result, by their names, the turns of those that mergekit finds under no name of their own; none
  /// where its table of the architecture is not known here. Mixtral and Qwen3-MoE are.
  static func turns(of tensors: [PlannedTensor]) -> [String: Int] {
    let models = tensors.map(\.inputs.count).max() ?? 0
    let stacks = LayerStacks(names: tensors.lazy.map(\.name)).counts
    guard tensors.contains(where: { $0.inputs.contains { !$0.pieces.isEmpty } }), stacks.count == 1,
      let layers = stacks["model.layers"], tensors.allSatisfy({ $0.inputs.count == models && $0.rows == nil })
    else { return [:] }
    let isMixtral = tensors.contains { $0.inputs[0].tensor.contains(".block_sparse_moe.") }
    let table = isMixtral ? mixtral : qwen3
    let outside = tensors.count - table.size * layers
    guard (2...3).contains(outside) else { return [:] }
    let turns = turns(tensors: tensors.count, models: models)
    var found: [String: Int] = [:]
    for layer in 0..<layers {
      for (rest, place) in table.places {
        found["model.layers.\(layer).\(rest)"] = turns[1 + table.size * layer + place]
      }
    }
    return found
  }

  /// How many tensors mergekit's table has in a layer, and at which places those are that no file has.
  private struct Table {
    let size: Int
    let places: [String: Int]
  }

  private static let mixtral = Table(
    size: 9, places: ["mlp.experts.gate_up_proj": 6, "mlp.experts.down_proj": 7, "mlp.gate.weight": 8])
  private static let qwen3 = Table(size: 11, places: ["mlp.experts.down_proj": 1, "mlp.experts.gate_up_proj": 2])
}

/// A set of small numbers that hands them out in the order of CPython's (as of 3.11): open addressing, nine steps
/// ahead, then elsewhere; what was taken out leaves a mark, and a new number takes the last mark on its way.
struct PythonSet {
  private var table = [Int](repeating: Self.free, count: 8)
  private var filled = 0
  private var used = 0
  private var finger = 0
  private static let free = -1
  private static let mark = -2

  init(_ numbers: [Int]) {
    for number in numbers { insert(number) }
  }

  mutating func insert(_ number: Int) {
    let place = place(of: number)
    guard table[place] != number else { return }
    let isMarked = table[place] == Self.mark
    table[place] = number
    used += 1
    if isMarked { return }
    filled += 1
    guard filled * 5 >= (table.count - 1) * 3 else { return }
    let numbers = table.filter { $0 >= 0 }
    let least = used > 50_000 ? used * 2 : used * 4
    var size = 8
    while size <= least { size *= 2 }
    table = [Int](repeating: Self.free, count: size)
    filled = used
    for number in numbers { table[self.place(of: number)] = number }
  }

  /// Takes out the next number behind the one that was taken last; nil where there is none.
  mutating func popFirst() -> Int? {
    guard used > 0 else { return nil }
    var place = finger & (table.count - 1)
    while table[place] < 0 { place = place + 1 == table.count ? 0 : place + 1 }
    let number = table[place]
    table[place] = Self.mark
    used -= 1
    finger = place + 1
    return number
  }

  /// Where the number is, or the place where it belongs.
  private func place(of number: Int) -> Int {
    let mask = table.count - 1
    var disturbance = number
    var start = number & mask
    var marked: Int?
    while true {
      for place in start...(start + 9 <= mask ? start + 9 : start) {
        if table[place] == number { return place }
        if table[place] == Self.free { return marked ?? place }
        if table[place] == Self.mark { marked = place }
      }
      disturbance >>= 5
      start = (start * 5 + 1 + disturbance) & mask
    }
  }
}
