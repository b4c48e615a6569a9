internal import Tensors

/// The other model where it is near the base, the base where it is far.
///
/// alchemonaut's "NearSwap" of QuartetAnemoi-70B, as in mergekit: `w = t / max(|b - x|, 1e-6)`, clamped to 0...1; the
/// result is `w x + (1 - w) b`.
struct NearSwap: BlockMethod {
  private let t: Double

  init(_ call: MethodCall) { t = call.settings["t"] ?? 0 }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (x, t, least) = (block.others[0], Wide(t), 1e-6 as Wide)
    for index in 0..<out.count {
      let distance = (base[index] - x[index]).magnitude
      let share = t / (distance > least ? distance : least)
      let low: Wide = share > 0 ? share : 0
      let weight: Wide = low < 1 ? low : 1
      out[index] = weight * x[index] + (1 - weight) * base[index]
    }
  }
}
