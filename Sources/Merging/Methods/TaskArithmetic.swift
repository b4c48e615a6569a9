internal import Tensors

/// The base plus a weighted sum of task vectors.
///
/// Ilharco et al., "Editing Models with Task Arithmetic", arXiv 2212.04089. `sum = Σ (xᵢ - b) wᵢ` in the order of
/// inputs; if normalized, divided by `Σ wᵢ` (by 1 where that is below 1e-8); times lambda; the result is `b + sum`.
/// Weights, their sum and lambda are of the elements' type (f32, or f64); each operation is rounded on its own.
struct TaskArithmetic {
  /// The position of the base among the tensor's inputs.
  let base: Int
  /// One for each other input, in order.
  let weights: [Double]
  let normalize: Bool
  let lambda: Double

  init(_ call: MethodCall) {
    base = call.base ?? 0
    weights = call.perInput["weight"] ?? []
    normalize = call.settings["normalize"] == 1
    lambda = call.settings["lambda"] ?? 1
  }

  /// Adds the weighted task vectors and the base to `sum`, which holds zeros.
  func combine<Wide: WideElement & BitwiseCopyable>(
    _ block: BlockReader, into sum: UnsafeMutableBufferPointer<Wide>,
    scratch: MergeScratch
  ) throws {
    let dtypes = block.tensor.inputs.indices.map(block.tensor.readDType)
    let storedBase = try block.read(base, scratch.base)
    let others = block.tensor.inputs.indices.filter { $0 != base }
    if let sum = sum as? UnsafeMutableBufferPointer<Float>, dtypes.allSatisfy({ $0 == .bf16 }) {
      for (position, weight) in zip(others, weights) {
        let stored = try block.read(position, scratch.input)
        Float.accumulateChangeBF16(stored, from: storedBase, times: Float(weight), into: sum)
      }
      finish(sum)
      return Float.addBF16(storedBase, to: sum)
    }
    let wideBase = scratch.wideBase.elements(sum.count, of: Wide.self)
    Wide.widen(storedBase, dtypes[base], into: wideBase)
    let origin = UnsafeBufferPointer(wideBase)
    for (position, weight) in zip(others, weights) {
      let stored = try block.read(position, scratch.input)
      Wide.accumulateChange(stored, dtypes[position], from: origin, times: Wide(weight), into: sum)
    }
    finish(sum)
    Wide.add(origin, to: sum)
  }

  private func finish<Wide: WideElement>(_ sum: UnsafeMutableBufferPointer<Wide>) {
    if normalize {
      let total = Linear.sum(weights, as: Wide.self)
      Wide.divide(sum, by: total.magnitude < 1e-8 ? 1 : total)
    }
    if lambda != 1 { Wide.scale(sum, by: Wide(lambda)) }
  }
}
