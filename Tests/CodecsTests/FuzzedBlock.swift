import Codecs

/// What a fuzzer's bytes say is to be decoded: six bytes of head, then a payload.
///
/// | at | what |
/// |---|---|
/// | 0 | bits 0 to 3: the codec, change most often; bits 4 and 5: what the payload is |
/// | 1 | bits 0 to 6: the format; bit 7: the block need not be a whole number of elements |
/// | 2 | bits 0 to 3: whether there is a base and how long it is; bits 4 to 6: its kind |
/// | 3 | u16: bytes of the block |
/// | 5 | where the base's random numbers start |
struct FuzzedBlock {
  /// What the payload is.
  enum Payload: Int {
    /// The coded bytes.
    case coded = 0
    /// Changes to the base that make a block; it is coded, and a few bytes of that are changed.
    case damages = 2
    /// Changes to the base that make a block, which must come back as it was.
    case block = 3
  }

  static let headBytes = 6
  static let longest = 20_480
  /// Codec numbers above this stand for a plane of `NibbleCoder` alone.
  static let nibbles: UInt8 = 7
  private static let codecs: [UInt8] = [0, 1, 2, 3, 4, 5, 7, 1, 2, 4, 4, 4, 4, 4, 4, 6]
  static let formats = [
    BlockFormat(width: 2, mantissa: 7), BlockFormat(width: 2, mantissa: 10), BlockFormat(width: 4, mantissa: 23),
    BlockFormat(width: 1, mantissa: 3), BlockFormat(width: 1, mantissa: 2), BlockFormat(width: 8, mantissa: 52),
    BlockFormat(width: 1, mantissa: 0), BlockFormat(width: 2, mantissa: 0), BlockFormat(width: 4, mantissa: 0),
    BlockFormat(width: 8, mantissa: 0),
  ]

  let codec: UInt8
  let kind: Payload
  let format: BlockFormat
  let count: Int
  let base: [UInt8]?
  let payload: [UInt8]

  /// Nil where the head is cut short.
  init?(_ bytes: some Collection<UInt8>) {
    let head = Array(bytes.prefix(Self.headBytes))
    guard head.count == Self.headBytes else { return nil }
    codec = Self.codecs[Int(head[0] & 15)]
    kind = Payload(rawValue: Int(head[0] >> 4 & 3)) ?? .coded
    format = Self.formats[Int(head[1] & 127) % Self.formats.count]
    let length = (Int(head[3]) | Int(head[4]) << 8) % (Self.longest + 1)
    count = head[1] > 127 ? length : length / format.width * format.width
    // A block is made from a base of its own length.
    let lengths = [nil, max(0, count - 1), count + 1, 0]
    let choice = Int(head[2] & 15)
    let baseCount = choice < lengths.count && kind == .coded ? lengths[choice] : count
    let (kindOfBase, random) = (Int(head[2] >> 4 & 7), SmallRandom(state: UInt64(head[5])))
    base = baseCount.map { [format] in Self.base(kindOfBase, $0, format, random) }
    payload = Array(bytes.dropFirst(Self.headBytes))
  }

  /// The head that says this.
  static func head(
    _ kind: Payload, codec: UInt8, format: Int, base: Int, isBased: Bool, count: Int, seed: UInt8
  ) -> [UInt8] {
    let choice = UInt8(codecs.firstIndex(of: codec)!) | UInt8(kind.rawValue) << 4
    return [
      choice, UInt8(format) | (count % formats[format].width == 0 ? 0 : 128), UInt8(base) << 4 | (isBased ? 4 : 0),
      UInt8(count & 255), UInt8(count >> 8), seed,
    ]
  }

  // MARK: Bases

  private static func base(_ kind: Int, _ count: Int, _ format: BlockFormat, _ random: SmallRandom) -> [UInt8] {
    var random = random
    let (bits, mantissa) = (8 * format.width, format.mantissa)
    let mask = UInt64.max >> UInt64(64 - bits)
    let (sign, one) = (UInt64(1) << UInt64(bits - 1), UInt64(1) << UInt64(mantissa))
    let specials = [0, 1, sign - one - 1, sign - one, sign - one + 1, sign - 1]
    let constant = random.next() & mask
    let elements = (count + format.width - 1) / format.width
    var bytes = [UInt8](repeating: 0, count: elements * format.width)
    for index in 0..<elements {
      let value: UInt64 =
        switch kind {
        case 0: 0
        case 1: constant
        case 2: random.next() & mask
        case 4: specials[index % 6] | (index / 6 % 2 == 1 ? sign : 0)
        case 5: weight(format, &random) & ~0xFFFF
        case 6: weight(format, &random) & ~0x1FFF
        case 7: constant &+ UInt64(index / 128) << UInt64(mantissa) & mask
        default: weight(format, &random)
        }
      let place = index * format.width
      for byte in 0..<format.width { bytes[place + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  /// An exponent a few below the middle, or a small integer.
  private static func weight(_ format: BlockFormat, _ random: inout SmallRandom) -> UInt64 {
    let bits = random.next()
    let (width, mantissa) = (UInt64(8 * format.width), UInt64(format.mantissa))
    guard format.isFloat else { return bits & 63 &- 32 }
    let middle = (UInt64(1) << (width - mantissa - 2)) - 1
    let exponent = middle - min(middle, UInt64((bits >> 56 | 256).trailingZeroBitCount))
    return (bits & 1) << (width - 1) | exponent << mantissa | (bits >> 1 & (1 << mantissa - 1))
  }

  // MARK: Blocks

  /// The block that the payload makes of the base: its first byte says how, the second by how much, the others are for
  /// one element after another, again and again.
  var block: [UInt8] {
    let base = base ?? [UInt8](repeating: 0, count: count)
    let how = Int(payload.first ?? 0) % 8
    let shift = UInt64(payload.dropFirst().first ?? 0) % UInt64(8 * format.width)
    let changes = payload.count > 2 ? Array(payload[2...]) : [1]
    if how == 0 { return (0..<count).map { changes[$0 % changes.count] } }
    var random = SmallRandom(state: shift)
    var block = base
    for index in 0..<count / format.width {
      let place = index * format.width
      var value = (0..<format.width).reduce(0 as UInt64) { $0 | UInt64(base[place + $1]) << UInt64(8 * $1) }
      let change = changes[index % changes.count]
      let step = UInt64(bitPattern: Int64(Int8(bitPattern: change)))
      switch how {
      case 1: value &+= step
      case 2: value &+= step << shift
      case 3: value ^= UInt64(change) << UInt64(8 * format.width - 8)
      case 4: value = change < 32 ? random.next() : value
      case 5: value &+= step << (UInt64(index / 128) &+ shift) % UInt64(8 * format.width)
      case 6 where change > 239: value = 0
      case 6 where change > 223: value &= 1 << UInt64(8 * format.width - 1)
      case 6: value &+= change < 16 ? 1 : 0
      default: value = (value &+ step << 16) & ~0xFFFF
      }
      for byte in 0..<format.width { block[place + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    return block
  }

  /// Damages a coded block as the end of the payload says: how many bytes, three bytes for each, a cut.
  func damage(_ coded: inout [UInt8]) {
    guard let last = payload.last, coded.count > 0 else { return }
    for number in 0..<Int(last & 7) where payload.count >= 3 * number + 5 {
      let at = payload.count - 2 - 3 * number
      let place = Int(payload[at - 1]) | Int(payload[at - 2]) << 8
      coded[(place < 0x8000 ? place : place % 64) % coded.count] ^= payload[at]
    }
    if last & 0xC0 == 0xC0 { coded.removeLast(min(coded.count, Int(last >> 3 & 7))) }
  }
}

/// SplitMix64: what a seed gives does not change with the standard library.
struct SmallRandom {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
