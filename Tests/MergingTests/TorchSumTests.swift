import Testing

@testable import Merging

/// What torch 2.13 gives on an AMD processor with AVX-512, pinned.
@Suite("torch's own orders of summation") struct TorchSumTests {
  /// Numbers that bf16 holds exactly.
  private func row(_ count: Int, _ factor: Int) -> [Double] {
    (0..<count).map { Double(($0 * factor + 11) % 64 - 32) / 64 }
  }

  @Test(
    "the softmax of bf16 rows of any length is torch's, whole vectors and what is left of them",
    arguments: [
      (7, 1_417_800_010), (16, 3_203_435_288), (18, 306_099_858), (34, 1_744_731_259), (62, 4_025_728_883),
      (254, 951_125_685),
    ] as [(Int, UInt32)])
  func softmax(count: Int, digest: UInt32) {
    let found = Softmax.of(row(count, 37).map { Float($0) }[...], isHalf: true).map { WorkingBF16.round($0) }
    #expect(found.reduce(0 as UInt32) { $0 &* 31 &+ $1.bitPattern >> 16 } == digest)
  }

  @Test(
    "the dot product of f32 vectors of any length is MKL's",
    arguments: [
      (3, 1_025_618_739), (13, 1_003_985_344), (14, 3_139_446_912), (18, 3_196_023_439), (30, 3_185_149_544),
      (31, 3_185_931_712), (44, 1_051_705_508), (254, 1_065_484_926), (1164, 1_083_273_750),
    ] as [(Int, UInt32)])
  func dot(count: Int, bits: UInt32) {
    let (a, b) = (row(count, 37).map { Float($0 * 1.1) }, row(count, 21).map { Float($0 * 0.7) })
    #expect(Cascade.dot(a, b).bitPattern == bits)
  }
}
