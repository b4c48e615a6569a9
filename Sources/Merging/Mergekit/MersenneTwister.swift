/// torch's CPU generator: MT19937 seeded by one 32-bit number (Matsumoto and Nishimura 1998, `init_genrand`).
struct MersenneTwister: Sendable {
  private var state: [UInt32]
  private var position = 624

  init(seed: UInt32) {
    state = [seed]
    for index in 1..<624 {
      let last = state[index - 1]
      state.append(1_812_433_253 &* (last ^ last >> 30) &+ UInt32(index))
    }
  }

  /// The next 32 bits.
  mutating func next() -> UInt32 {
    if position == 624 { refill() }
    var word = state[position]
    position += 1
    word ^= word >> 11
    word ^= word << 7 & 0x9D2C_5680
    word ^= word << 15 & 0xEFC6_0000
    return word ^ word >> 18
  }

  /// True with this probability, by the low 24 bits of one word: torch's Bernoulli draw.
  mutating func isBelow(_ probability: Float) -> Bool {
    Double(next() & 0xFF_FFFF) / 16_777_216 < Double(probability)
  }

  /// Passes over so many words.
  mutating func skip(_ words: Int) {
    var left = words
    while left > 0 {
      if position == 624 { refill() }
      let step = min(left, 624 - position)
      position += step
      left -= step
    }
  }

  private mutating func refill() {
    state.withUnsafeMutableBufferPointer { state in
      for index in 0..<624 {
        let next = index == 623 ? 0 : index + 1
        let mixed = state[index] & 0x8000_0000 | state[next] & 0x7FFF_FFFF
        let far = index < 227 ? index + 397 : index - 227
        state[index] = state[far] ^ mixed >> 1 ^ (mixed & 1 == 0 ? 0 : 0x9908_B0DF)
      }
    }
    position = 0
  }
}
