package import Tensors

/// What will be done, tensor by tensor. A value: the same recipe and inputs always give an equal plan.
package struct Plan: Sendable, Equatable {
  /// The arithmetic version; what it computes never changes once shipped.
  package let arithmetic: String
  /// The seed of mergekit's generator; nil in exact arithmetic, where each method call has its own.
  package let seed: UInt32?
  /// The references of the models read.
  package let inputs: [String]
  /// The tensors of the fused model, sorted by the bytes of their names.
  package let tensors: [PlannedTensor]

  package init(arithmetic: String, seed: UInt32? = nil, inputs: [String], tensors: [PlannedTensor]) {
    self.arithmetic = arithmetic
    self.seed = seed
    self.inputs = inputs
    self.tensors = tensors
  }

  /// The arithmetic of this version: f32 elements (f64 where an input is F64), nothing fused, one rounding at the end.
  package static let exact1 = "exact-1"

  /// That of mergekit 0.1.5 on a CPU: rounded to the working type after every operation, whole tensors, one stream of
  /// random numbers.
  package static let mergekit015 = "mergekit-0.1.5"

  /// What people call the model that an input is read from: `base`, or `base+adapter`.
  package func label(of input: PlannedInput) -> String {
    inputs[input.model] + (input.change.map { "+" + inputs[$0.adapter] } ?? "")
  }

  /// Every arithmetic there is.
  package static let arithmetics = [exact1, mergekit015]

  /// Bytes of all input tensors that will be read, measuring passes included.
  package var bytesToRead: Int { tensors.reduce(0) { $0 + $1.bytesToRead } }

  /// Bytes of all tensors that will be produced.
  package var bytesToWrite: Int { tensors.reduce(0) { $0 + $1.bytesToWrite } }

  /// Bytes of buffers of one worker, at most.
  package var memory: Int { tensors.map(\.memory).max() ?? 0 }
}

/// A tensor that is read to make another.
package struct PlannedInput: Sendable, Hashable {
  /// An index into `Plan.inputs`.
  package let model: Int
  /// The name under which it is stored there.
  package let tensor: String
  /// Where it is stored as several tensors of one size, whose bytes follow each other: their names, `tensor` first;
  /// else none.
  package let pieces: [String]
  /// Its name in the model; another than the output's where layers are moved, and than the stored one where an adapter
  /// holds it or the model spells it in its own way.
  package let name: String
  /// As it is read: as it is stored, or what an adapter's change or a realignment is computed in.
  package let dtype: DType
  /// What an adapter makes of it.
  package let change: LowRank?
  /// What a mask and a subspace then make of it.
  package let realignment: Realignment?

  /// - Parameter name: nil where it is stored by that name.
  package init(
    model: Int, tensor: String, dtype: DType, name: String? = nil, pieces: [String] = [], change: LowRank? = nil,
    realignment: Realignment? = nil
  ) {
    self.model = model
    self.tensor = tensor
    self.pieces = pieces
    self.name = name ?? tensor
    self.dtype = dtype
    self.change = change
    self.realignment = realignment
  }

  /// The input before it is realigned.
  package var plain: PlannedInput {
    guard let realignment else { return self }
    return PlannedInput(
      model: model, tensor: tensor, dtype: realignment.dtype, name: name, pieces: pieces, change: change)
  }

  /// The input with another change.
  func changed(by change: LowRank) -> PlannedInput {
    PlannedInput(model: model, tensor: tensor, dtype: change.dtype, name: name, pieces: pieces, change: change)
  }

  /// The places in `Plan.inputs` of what is read beside the model and its adapter.
  package var auxiliaries: [Int] {
    (change?.masks.flatMap(\.models) ?? []) + (realignment?.models ?? [])
  }

  /// The input behind a mask and a subspace.
  package func realigned(by realignment: Realignment) -> PlannedInput {
    PlannedInput(
      model: model, tensor: tensor, dtype: realignment.wideDType, name: name, pieces: pieces, change: change,
      realignment: realignment)
  }
}

/// How one tensor of the fused model is made.
package struct PlannedTensor: Sendable, Equatable {
  package let name: String
  /// The output dtype.
  package let dtype: DType
  package let shape: Shape
  package let method: MethodCall
  /// What is read, in the order of arithmetic; all have the output's shape, but for the number of rows of `rows`.
  package let inputs: [PlannedInput]
  /// The type that values are rounded to after each operation; nil in exact arithmetic.
  package let workingDType: DType?
  /// Where the rows of the inputs come from; nil where each is the input's own.
  package let rows: RowMap?

  package init(
    name: String, dtype: DType, shape: Shape, method: MethodCall, inputs: [PlannedInput], workingDType: DType? = nil,
    rows: RowMap? = nil
  ) {
    self.workingDType = workingDType
    self.rows = rows
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.method = method
    self.inputs = inputs
  }

  /// Elements to produce; bytes where the dtype is smaller than a byte.
  package var unitCount: Int {
    let count = shape.elementCount ?? 0
    return dtype.bits < 8 ? count * dtype.bits / 8 : count
  }

  /// The number of inputs that are not the base.
  var modelCount: Int { inputs.count - (method.base == nil ? 0 : 1) }

  /// The length of vectors along the last axis; 1 for a scalar.
  var rowLength: Int { shape.dimensions.last ?? 1 }

  /// Bytes of one unit of output, at least 1.
  package var unitBytes: Int { max(1, dtype.bits / 8) }

  /// Bytes of the inputs of this tensor, each as often as it is read.
  package var bytesToRead: Int { passes * inputs.indices.reduce(0) { $0 + inputs[$1].bytesToRead(of: inputShape($1)) } }

  /// Bytes of the tensor produced.
  package var bytesToWrite: Int { unitCount * unitBytes }

  /// True where elements are computed in f64.
  var isWide: Bool { inputs.contains { $0.dtype == .f64 } }

  /// Bytes of buffers while this tensor is made, of one worker; of all of them in mergekit's arithmetic.
  package var memory: Int {
    let factors = inputs.indices.reduce(0) { $0 + inputs[$1].factorMemory(of: inputShape($1)) }
    if workingDType != nil, !isCopied { return factors + unitCount * 4 * (2 * inputs.count + 4) }
    return factors + blockMemory(elements: min(PlannedTensor.blockElements, unitCount))
  }

  /// Elements that writers ask for at once.
  static var blockElements: Int { 262_144 }

  func blockMemory(elements: Int) -> Int {
    let wide = isWide ? 8 : 4
    if isCopied { return elements * unitBytes * min(2, inputs.count) }
    // Stored elements of all inputs, rows before they are put in place, and the wide numbers of a portion.
    let stored = inputs.indices.reduce(rows == nil ? 0 : wide) { $0 + max(1, readDType($1).bits / 8) }
    let portion = min(elements, max(8192, rowLength)) * (inputs.count + 1) * wide
    return elements * (unitBytes + stored) + portion
  }
}

/// A merge method with the parameters of one tensor.
package struct MethodCall: Sendable, Hashable {
  package let name: MergeMethod
  /// The position of the base among the tensor's inputs; nil for methods without one.
  package let base: Int?
  /// By parameter, one value for each input that is not the base, in order.
  package let perInput: [String: [Double]]
  /// By parameter, the value for the whole tensor; flags are 0 or 1.
  package let settings: [String: Double]

  package init(
    _ name: MergeMethod, base: Int? = nil, perInput: [String: [Double]] = [:], settings: [String: Double] = [:]
  ) {
    self.name = name
    self.base = base
    self.perInput = perInput
    self.settings = settings
  }
}
