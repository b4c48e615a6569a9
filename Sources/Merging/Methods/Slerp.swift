internal import Glibc
internal import Tensors

/// The way along the great circle from the base to the other model, as whole tensors.
///
/// Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, as in mergekit: coefficients are those of unit
/// vectors, applied to the tensors as they are; `1 - t` and `t` where the cosine is beyond 0.9995.
struct Slerp: BlockMethod {
  private let t: Double

  init(_ call: MethodCall) { t = call.settings["t"] ?? 0 }

  /// The coefficient of the base, that of the other model.
  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func measure<Wide: WideElement>(_ tensor: TensorPasses<Wide>) throws -> Measurements {
    let sums = try tensor.finite(
      tensor.sums(3) { block, sums in
        guard let base = block.base else { return }
        block.forEachChunk { local in
          let a = base.baseAddress! + local.lowerBound
          let b = block.others[0].baseAddress! + local.lowerBound
          sums[0] += Wide.products(a, a, local.count)
          sums[1] += Wide.products(b, b, local.count)
          sums[2] += Wide.products(a, b, local.count)
        }
      })
    func norm(_ square: Double) -> Double { square.squareRoot() > 1e-8 ? square.squareRoot() : 1 }
    let cosine = min(max(sums[2] / norm(sums[0]) / norm(sums[1]), -1), 1)
    return try tensor.finite(Self.coefficients(t, cosine: cosine, linear: abs(cosine) > 0.9995))
  }

  /// The coefficients of two vectors with this cosine between them, a share `t` of the way from the first.
  static func coefficients(_ t: Double, cosine: Double, linear: Bool) -> [Double] {
    if linear { return [1 - t, t] }
    let angle = acos(cosine)
    return [sin((1 - t) * angle) / sin(angle), sin(t * angle) / sin(angle)]
  }

  @specialized(where Wide == Float)
  @specialized(where Wide == Double)
  func combine<Wide: WideElement>(
    _ block: WideBlock<Wide>, _ measurements: Measurements, into out: UnsafeMutableBufferPointer<Wide>
  ) {
    guard let base = block.base else { return }
    let (c, d, x) = (Wide(measurements[0]), Wide(measurements[1]), block.others[0])
    for index in 0..<out.count { out[index] = c * base[index] + d * x[index] }
  }
}
