internal import Tensors

/// A fine-tune whose changes are projected onto the alignment subspace where they point away from it.
///
/// Hsu et al., "Safe LoRA", arXiv 2405.16833. The base is the aligned model; for a matrix of changes `D` and its
/// projection `C D`, `cos(C D, D)` at most `threshold` (or among the `count` lowest of all matrices) takes `C D`, else
/// `D` stays. `C` is the truncated projector `U Uᵀ` of a stored subspace, not the paper's cheap `V Vᵀ / ‖V‖`, which is
/// none; tensors without a basis stay as they are.
struct SafeLora: BlockMethod {
  /// The projected twin is the second of the models.
  init(_ call: MethodCall) { chooser = ProjectionChoice(call) }

  private let chooser: ProjectionChoice

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    try chooser.measure(tensor, twin: 1)
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    _ = out.update(from: block.others[ProjectionChoice.isChosen(measurements) ? 1 : 0])
  }
}

/// Whether a tensor's changes point away from a subspace: the cosine between them and their projection.
struct ProjectionChoice {
  private let threshold: Double
  private let isCounted: Bool

  init(_ call: MethodCall) {
    threshold = call.settings["threshold"] ?? 0.5
    isCounted = call.settings["count"] != nil
  }

  /// The cosine, and 1 where the tensor is chosen by the threshold. Without changes the cosine is 1, and 0 where
  /// nothing of them is left.
  /// - Parameter twin: the place of the projected model among the models.
  @inline(__always)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>, twin: Int) throws -> Measurements {
    let sums = try tensor.finite(
      tensor.sums(3) { block, sums in
        block.withRoom(of: Wide.self, capacity: 2 * WideBlock<Wide>.chunk) { memory in
          block.forEachChunk { local in
            let own = UnsafeMutableBufferPointer(rebasing: memory[..<local.count])
            let kept = UnsafeMutableBufferPointer(rebasing: memory[WideBlock<Wide>.chunk...].prefix(local.count))
            block.changes(0, local, into: own)
            block.changes(twin, local, into: kept)
            sums[0] += Wide.products(own.baseAddress!, kept.baseAddress!, local.count)
            sums[1] += Wide.products(own.baseAddress!, own.baseAddress!, local.count)
            sums[2] += Wide.products(kept.baseAddress!, kept.baseAddress!, local.count)
          }
        }
      })
    let cosine = sums[1] == 0 ? 1 : sums[2] == 0 ? 0 : sums[0] / (sums[1].squareRoot() * sums[2].squareRoot())
    return [cosine, !isCounted && cosine <= threshold ? 1 : 0]
  }

  static func isChosen(_ measurements: Measurements) -> Bool { measurements[1] == 1 }
}

extension Plan {
  /// Measurements that depend on those of other tensors: `safe_lora` with `count` chooses the tensors of the lowest
  /// cosines, of equal ones the first by name.
  package func settled(_ measurements: [Measurements]) -> [Measurements] {
    var settled = measurements
    let counted = tensors.indices.filter { tensors[$0].method.isCounted }
    guard let first = counted.first, let count = tensors[first].method.settings["count"] else { return settled }
    let rising = counted.sorted { (measurements[$0][0], $0) < (measurements[$1][0], $1) }
    for index in rising.prefix(Int(count)) { settled[index][1] = 1 }
    return settled
  }

  /// True where tensors are chosen among all, so that none may be left out.
  package var choosesAmongTensors: Bool { tensors.contains { $0.method.isCounted } }
}

extension MethodCall {
  fileprivate var isCounted: Bool { name == .safeLora && settings["count"] != nil }
}
