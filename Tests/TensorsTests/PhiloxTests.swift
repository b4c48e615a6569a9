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

  @Test("element i's number is bit i % 128 of counter i / 128 with third words 0, 1, 2 ...")
  func bits() {
    let philox = Philox(7, 9)
    func number(_ element: Int) -> UInt32 {
      (0..<32).reduce(0) { number, place in
        let counter = element / 128
        let four = philox.words(SIMD4(UInt32(counter & 0xFFFF_FFFF), UInt32(counter >> 32), UInt32(place), 0))
        return number << 1 | four[element % 128 / 32] >> UInt32(element % 32) & 1
      }
    }
    for first in [0, 1, 127, 128, 1 << 39, (1 << 39) - 3] {
      for count in [0, 1, 2, 7, 8, 127, 128, 129, 1024, 1500] {
        let numbers = (first..<first + count).map(number)
        // Those that one of the numbers equals are decided by the last place.
        let limits =
          [0, 1, 1 << 31, 3 << 30, 0x4CCC_CCCC, .max] + numbers.prefix(2) + numbers.prefix(2).map { $0 &+ 1 }
        for limit in limits {
          var bits = [UInt8](repeating: 0, count: Philox.bitBytes(count))
          let place = bits.withUnsafeMutableBytes { philox.fillBits($0, count, from: first, below: limit) }
          let found = (place..<place + count).map { bits[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
          #expect(found == numbers.map { $0 < limit }, "\(count) from \(first) below \(limit)")
        }
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
