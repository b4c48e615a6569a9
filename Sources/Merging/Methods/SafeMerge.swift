internal import Tensors

/// A fine-tune merged with a safe model in the tensors whose changes point away from the alignment subspace.
///
/// Djuhera et al., "SafeMERGE", arXiv 2503.17239. The base is the aligned model, the models are the fine-tune and then
/// the safety-tuned one: where `cos(C D, D)`, as in `safe_lora`, is at most `threshold`, the result is
/// `(1 - weight) tuned + weight safe`, else the fine-tune.
struct SafeMerge: BlockMethod {
  private let weight: Double
  private let chooser: ProjectionChoice

  init(_ call: MethodCall) {
    weight = call.settings["weight"] ?? 0.2
    chooser = ProjectionChoice(call)
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    try chooser.measure(tensor, twin: 2)
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    let tuned = block.others[0]
    guard ProjectionChoice.isChosen(measurements) else {
      _ = out.update(from: tuned)
      return
    }
    let (safe, share, rest) = (block.others[1], Wide(weight), 1 - Wide(weight))
    for index in 0..<out.count { out[index] = rest * tuned[index] + share * safe[index] }
  }
}
