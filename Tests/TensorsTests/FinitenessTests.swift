import TestSupport
import Tensors
import Testing

@Suite struct FinitenessTests {
  @Test("the first number that is not finite is found, wherever it lies, at any address")
  func first() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(state: seed)
    let wrong: [(DType, [UInt8])] = [
      (.bf16, [0x80, 0x7F]), (.bf16, [0x81, 0xFF]), (.f16, [0x00, 0xFC]), (.f16, [0x01, 0x7C]),
      (.f32, [0, 0, 0x80, 0x7F]), (.f32, [1, 0, 0xC0, 0xFF]), (.f64, [0, 0, 0, 0, 0, 0, 0xF0, 0xFF]),
      (.f64, [1, 0, 0, 0, 0, 0, 0xF0, 0x7F]),
    ]
    for (dtype, pattern) in wrong {
      let width = pattern.count
      for count in [1, 2, 31, 64, 1000, 1037] {
        // The largest finite magnitude throughout, behind one byte, so that nothing is aligned.
        var largest = pattern.map { _ in UInt8(0xFF) }
        largest[width - 1] = 0x7F
        largest[width - 2] = dtype == .f16 ? 0xFF : dtype == .f64 ? 0xEF : 0x7F
        if dtype == .f16 { largest[width - 1] = 0x7B }
        var bytes: [UInt8] = [0] + (0..<count).flatMap { _ in largest }
        func found() -> Int? {
          bytes.withUnsafeBytes { dtype.firstNonfinite(in: UnsafeRawBufferPointer(rebasing: $0[1...]))?.index }
        }
        #expect(found() == nil, "\(dtype) \(count)")
        let place = Int.random(in: 0..<count, using: &random)
        for later in Set([place, count - 1]) {
          bytes.replaceSubrange(1 + later * width..<1 + (later + 1) * width, with: pattern)
        }
        #expect(found() == place, "\(dtype) \(count) seed \(seed)")
      }
    }
    #expect([UInt8](repeating: 0xFF, count: 16).withUnsafeBytes { DType.i64.firstNonfinite(in: $0)?.index } == nil)
  }
}
