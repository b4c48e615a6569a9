extension JSONValue {
  /// The one form of this value by RFC 8785: keys sorted by UTF-16 code units, no white space, ECMAScript numbers.
  ///
  /// Integers keep all their digits, those beyond ±2⁵³ too. A number that is not finite is written as `null`.
  package var canonical: [UInt8] {
    var writer = JSONWriter(sortsKeys: true)
    writer.write(self)
    return writer.bytes
  }

  /// Members in their own order, no white space: the form of safetensors headers.
  package var compact: [UInt8] {
    var writer = JSONWriter(sortsKeys: false)
    writer.write(self)
    return writer.bytes
  }

  /// For people: members in their own order, one a line, two spaces a level, no newline at the end.
  package func pretty() -> String {
    var writer = JSONWriter(sortsKeys: false)
    writer.write(self, level: 0)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

struct JSONWriter {
  private(set) var bytes: [UInt8] = []
  private let sortsKeys: Bool

  init(sortsKeys: Bool) {
    self.sortsKeys = sortsKeys
  }

  mutating func write(_ value: JSONValue) {
    switch value {
    case .array(let elements):
      append("[")
      for (index, element) in elements.enumerated() {
        if index > 0 { append(",") }
        write(element)
      }
      append("]")
    case .object(let members):
      append("{")
      let ordered = sortsKeys ? members.sorted { $0.key.precedesInUTF16($1.key) } : members
      for (index, member) in ordered.enumerated() {
        if index > 0 { append(",") }
        write(member.key)
        append(":")
        write(member.value)
      }
      append("}")
    default: writeScalar(value)
    }
  }

  mutating func write(_ value: JSONValue, level: Int) {
    switch value {
    case .array(let elements) where !elements.isEmpty:
      append("[")
      for (index, element) in elements.enumerated() {
        startLine(level: level + 1, isFirst: index == 0)
        write(element, level: level + 1)
      }
      startLine(level: level, isFirst: true)
      append("]")
    case .object(let members) where !members.isEmpty:
      append("{")
      for (index, member) in members.enumerated() {
        startLine(level: level + 1, isFirst: index == 0)
        write(member.key)
        append(": ")
        write(member.value, level: level + 1)
      }
      startLine(level: level, isFirst: true)
      append("}")
    default: write(value)
    }
  }

  private mutating func startLine(level: Int, isFirst: Bool) {
    append(isFirst ? "\n" : ",\n")
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
  }

  private mutating func writeScalar(_ value: JSONValue) {
    switch value {
    case .bool(let value): append(value ? "true" : "false")
    case .integer(let value): append(String(value))
    case .number(let value): append(value.ecmaScript ?? "null")
    case .string(let text): write(text)
    case .null, .array, .object: append("null")
    }
  }

  private mutating func append(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  private mutating func write(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    if text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
      for byte in text.utf8 { appendEscaped(byte) }
    } else {
      bytes.append(contentsOf: text.utf8)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): append("\\\"")
    case UInt8(ascii: "\\"): append("\\\\")
    case 0x08: append("\\b")
    case 0x09: append("\\t")
    case 0x0A: append("\\n")
    case 0x0C: append("\\f")
    case 0x0D: append("\\r")
    case 0..<0x20: append((byte < 0x10 ? "\\u000" : "\\u00") + String(byte, radix: 16))
    default: bytes.append(byte)
    }
  }
}

extension String {
  /// True where the UTF-16 code units of this text sort before those of the other.
  ///
  /// Bytes of UTF-8 have the same order but for surrogates, which lie below the last BMP characters: 0xF0… is before
  /// 0xEE… and 0xEF….
  fileprivate func precedesInUTF16(_ other: String) -> Bool {
    for (left, right) in zip(utf8, other.utf8) where left != right {
      if left >= 0xEE, right >= 0xEE, (left >= 0xF0) != (right >= 0xF0) { return left >= 0xF0 }
      return left < right
    }
    return utf8.count < other.utf8.count
  }
}

extension Double {
  /// The number as ECMAScript's `Number::toString` writes it; nil unless finite.
  package var ecmaScript: String? {
    guard isFinite else { return nil }
    if self == 0 { return "0" }
    let (digits, point) = magnitude.shortestDecimal
    let count = digits.utf8.count
    let text: String
    switch point {
    case count...21 where point >= count: text = digits + String(repeating: "0", count: point - count)
    case 1...21: text = digits.prefix(point) + "." + digits.dropFirst(point)
    case -5...0: text = "0." + String(repeating: "0", count: -point) + digits
    default:
      let fraction = count > 1 ? "." + digits.dropFirst() : ""
      text = digits.prefix(1) + fraction + (point > 0 ? "e+" : "e-") + String(abs(point - 1))
    }
    return self < 0 ? "-" + text : text
  }

  /// The fewest digits that read back as this positive number, and where its point lies: 0.digits × 10^point.
  private var shortestDecimal: (digits: String, point: Int) {
    let parts = description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".")
    var point = mantissa[0].utf8.count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    var digits = Substring(mantissa.joined())
    while digits.first == "0" {
      digits.removeFirst()
      point -= 1
    }
    while digits.last == "0" { digits.removeLast() }
    return (String(digits), point)
  }
}
