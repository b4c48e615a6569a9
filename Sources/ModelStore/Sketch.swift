import Objects
import Tensors

/// A few sampled elements of a model: enough to tell near relatives from strangers without reading weights.
///
/// Of the float tensors of 16 bits or more with at least 256 elements, those 32 whose names have the smallest SHA-256
/// are taken (so that two relatives choose the same ones); of each, 16 elements spread evenly over the tensor; of each
/// element, whatever its type, the order-preserving integer of its BF16.
struct Sketch: Sendable, Equatable {
  static let tensorsMax = 32
  static let samples = 16
  static let elementsMin = 256

  /// The samples of one tensor.
  struct Entry: Sendable, Equatable {
    /// First 8 bytes of the SHA-256 of the tensor's name.
    let key: UInt64
    let values: [UInt16]
  }

  /// Sorted by key.
  let entries: [Entry]

  /// How far two sketches are apart.
  struct Distance: Sendable {
    /// Sampled elements that both have.
    let compared: Int
    /// Share of them that are equal.
    let equal: Double
    /// Mean of log2(1 + |difference|), in units in the last place of BF16: near 13 for strangers.
    let bits: Double
    /// Share of the smaller sketch's tensors that both have.
    let overlap: Double

    /// Near enough to be tried as a base.
    var isNear: Bool { overlap >= 0.5 && compared >= Sketch.samples && bits <= 10 }
    /// Near enough to be a parent without a look at its bytes.
    var isClose: Bool { isNear && bits <= 8 }
  }

  init(entries: [Entry]) {
    self.entries = entries.sorted { $0.key < $1.key }
  }

  /// The key of a tensor.
  static func key(name: String) -> UInt64 {
    let digest = Digest(of: Array(name.utf8))
    return digest.bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The tensors to sample: indices into the list given, in the order of their keys.
  static func choose(_ tensors: [(name: String, dtype: DType, shape: Shape)]) -> [(index: Int, key: UInt64)] {
    let eligible = tensors.enumerated().compactMap { index, tensor -> (index: Int, key: UInt64)? in
      guard tensor.dtype.isMergeable, (tensor.shape.elementCount ?? 0) >= elementsMin else { return nil }
      return (index, key(name: tensor.name))
    }
    return Array(eligible.sorted { $0.key < $1.key }.prefix(tensorsMax))
  }

  /// The element numbers sampled in a tensor of `count` elements.
  static func positions(in count: Int) -> [Int] {
    (0..<samples).map { (2 * $0 + 1) * count / (2 * samples) }
  }

  /// The order-preserving integer of an element's BF16.
  static func value(of bytes: UnsafeRawBufferPointer, _ dtype: DType) -> UInt16 {
    var top: UInt16 = 0
    withUnsafeMutableBytes(of: &top) { out in
      if let cast = FloatCast(from: dtype, to: .bf16) {
        cast.fill(out, from: bytes)
      } else {
        out.copyMemory(from: bytes)
      }
    }
    top = UInt16(littleEndian: top)
    return top & 0x8000 == 0 ? top ^ 0x8000 : ~top
  }

  /// The distance over the tensors both have.
  func distance(to other: Sketch) -> Distance {
    let theirs = Dictionary(other.entries.map { ($0.key, $0.values) }, uniquingKeysWith: { a, _ in a })
    var (compared, equal, bits, shared) = (0, 0, 0.0, 0)
    for entry in entries {
      guard let values = theirs[entry.key] else { continue }
      shared += 1
      for (a, b) in zip(entry.values, values) {
        let difference = abs(Int(a) - Int(b))
        compared += 1
        equal += difference == 0 ? 1 : 0
        bits += Self.log2(Double(1 + difference))
      }
    }
    let smaller = max(1, min(entries.count, other.entries.count))
    return Distance(
      compared: compared, equal: compared == 0 ? 0 : Double(equal) / Double(compared),
      bits: compared == 0 ? 16 : bits / Double(compared), overlap: Double(shared) / Double(smaller))
  }

  /// Exponent plus a linear fraction: within 0.09 of the logarithm, and the same on every machine.
  private static func log2(_ value: Double) -> Double {
    Double(value.exponent) + (value.significand - 1)
  }

  /// Lower-case hex: per tensor 8 bytes of key, then 16 values of 2 bytes.
  var text: String {
    var out = ""
    for entry in entries {
      out += Self.hex(entry.key, digits: 16)
      for value in entry.values { out += Self.hex(UInt64(value), digits: 4) }
    }
    return out
  }

  init?(text: String) {
    let digits = Array(text.utf8)
    let length = 16 + Self.samples * 4
    guard digits.count % length == 0 else { return nil }
    func number(_ range: Range<Int>) -> UInt64? {
      var value: UInt64 = 0
      for digit in digits[range] {
        switch digit {
        case 48...57: value = value << 4 | UInt64(digit - 48)
        case 97...102: value = value << 4 | UInt64(digit - 87)
        default: return nil
        }
      }
      return value
    }
    var entries: [Entry] = []
    for start in stride(from: 0, to: digits.count, by: length) {
      guard let key = number(start..<start + 16) else { return nil }
      var values: [UInt16] = []
      for sample in 0..<Self.samples {
        let at = start + 16 + sample * 4
        guard let value = number(at..<at + 4) else { return nil }
        values.append(UInt16(value))
      }
      entries.append(Entry(key: key, values: values))
    }
    self.init(entries: entries)
  }

  private static func hex(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: digits - text.count) + text
  }
}
