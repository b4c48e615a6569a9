internal import Tensors

extension MergeMethod {
  /// True where no element that is not finite can hide: whatever input it is in, the result is not finite there, so
  /// that looking at the result is enough.
  fileprivate var showsNonfinite: Bool { self == .linear || self == .taskArithmetic }
}

extension PlannedTensor {
  /// True where the result is the bytes of the first input: nothing is computed, so nothing in them matters.
  var isCopied: Bool {
    if method.name == .copy { return true }
    return method.name == .passthrough && method.perInput["scale"] == nil && inputs[0].change == nil && rows == nil
      && inputs[0].realignment == nil
      && inputs[0].dtype == dtype
      && (workingDType ?? dtype) == dtype
  }

  /// True where NaN and infinity go through (`stemma: {allow_nonfinite: true}`).
  var allowsNonfinite: Bool { isCopied || method.settings["allow_nonfinite"] == 1 }
}

extension BlockReader {
  /// Refuses NaN and infinity in what was read of the input at `position`, unless the result will tell.
  ///
  /// - Parameter start: the first element read; nil for that of the block.
  func checkInput(
    _ position: Int, _ stored: UnsafeRawBufferPointer, _ dtype: DType, from start: Int? = nil
  ) throws {
    // A mask or a subspace can hide what is not finite.
    guard refusesNonfinite, !tensor.method.name.showsNonfinite || start != nil else { return }
    if let found = dtype.firstNonfinite(in: stored) { throw refusal(of: found, position, from: start) }
  }

  /// Refuses NaN and infinity in the block made: one of an input, or what finite inputs have grown to.
  func checkResult(_ stored: UnsafeRawBufferPointer) throws {
    guard refusesNonfinite, let found = tensor.dtype.firstNonfinite(in: stored) else { return }
    for position in tensor.inputs.indices {
      if let culprit = tensor.readDType(position).firstNonfinite(in: try read(position)) {
        throw refusal(of: culprit, position)
      }
    }
    throw MergeError.outOfRange(
      tensor: tensor.name, element: elements.lowerBound + found.index, value: found.value.inErrors, dtype: tensor.dtype)
  }

  private func refusal(
    of found: (index: Int, value: Double), _ position: Int, from start: Int? = nil
  ) -> MergeError {
    .notFinite(
      tensor: tensor.inputs[position].tensor, model: plan.label(of: tensor.inputs[position]),
      element: (start ?? elements.lowerBound) + found.index, value: found.value.inErrors, measuredBy: nil)
  }
}

extension TensorPasses {
  /// The same numbers, or a refusal where one is not finite.
  func finite(_ measurements: Measurements) throws -> Measurements {
    guard measurements.allSatisfy(\.isFinite) else { throw try notFinite() }
    return measurements
  }

  /// Says why a measurement is not finite: an element that the recipe allows, or finite ones that are too large.
  func notFinite() throws -> MergeError {
    let planned = executor.plan.tensors[index]
    let others = planned.inputs.indices.filter { $0 != planned.method.base }
    let blocks = try map { block -> (position: Int, element: Int, value: Wide)? in
      let inputs =
        zip(others, block.others) + (planned.method.base.flatMap { base in block.base.map { [(base, $0)] } } ?? [])
      for (position, values) in inputs {
        if let at = values.firstIndex(where: { !$0.isFinite }) {
          return (position, block.elements.lowerBound + at, values[at])
        }
      }
      return nil
    }
    guard let found = blocks.compactMap(\.self).first else { return .tooLarge(tensor: name) }
    return .notFinite(
      tensor: planned.inputs[found.position].tensor,
      model: executor.plan.label(of: planned.inputs[found.position]), element: found.element,
      value: Double(found.value).inErrors, measuredBy: planned.method.name.rawValue)
  }
}

extension Double {
  /// `NaN`, `inf` or `-inf`, whatever bits a NaN has.
  fileprivate var inErrors: String { isNaN ? "NaN" : "\(self)" }
}
