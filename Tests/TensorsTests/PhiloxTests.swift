import Tensors
import Testing

@Suite struct PhiloxTests {
  @Test("the words are those published with the generator")
  func published() {
    let all = UInt32.max
    #expect(
      Philox(0, 0).words(SIMD4(0, 0, 0, 0)) == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
    #expect(
      Philox(all, all).words(SIMD4(all, all, all, all)) == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
    #expect(
      Philox(0xA409_3822, 0x299F_31D0).words(SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344))
        == SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
  }

  @Test("element i has half i % 8 of counter i / 8, and a further half where the third word is 1")
  func halves() {
    let philox = Philox(7, 9)
    for first in [0, 1, 7, 8, 1 << 35, (1 << 35) - 3] {
      for count in Array(0..<18) + [255, 256, 257] {
        let found = philox.withHalves(count, from: first) { Array(UnsafeBufferPointer(start: $0, count: count)) }
        func half(_ element: Int, _ third: UInt32) -> UInt16 {
          let counter = element / 8
          let four = philox.words(SIMD4(UInt32(counter & 0xFFFF_FFFF), UInt32(counter >> 32), third, 0))
          let word = four[element % 8 / 2]
          return UInt16(element % 2 == 0 ? word & 0xFFFF : word >> 16)
        }
        let elements = first..<first + count
        #expect(found == elements.map { half($0, 0) }, "\(count) from \(first)")
        #expect(elements.map { philox.furtherHalf(of: $0) } == elements.map { half($0, 1) }, "\(count) from \(first)")
      }
    }
  }

  @Test("element i has lane i % 4 of counter i / 4, wherever a range begins and ends, beyond 32 bits too")
  func ranges() {
    let philox = Philox(7, 9)
    for first in [0, 1, 2, 3, 4, 1 << 34, (1 << 34) - 3] {
      for count in Array(0..<11) + [63, 64, 65, 130] {
        var found = [UInt32](repeating: 0, count: count)
        found.withUnsafeMutableBufferPointer { philox.fill($0, from: first) }
        let expected = (first..<first + count).map { element in
          let counter = element / 4
          return philox.words(SIMD4(UInt32(counter & 0xFFFF_FFFF), UInt32(counter >> 32), 0, 0))[element % 4]
        }
        #expect(found == expected, "\(count) from \(first)")
      }
    }
  }
}
