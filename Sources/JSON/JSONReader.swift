extension JSONValue {
  /// Reads one JSON text, strictly by RFC 8259: UTF-8 without a byte order mark, no trailing bytes but white space.
  ///
  /// Integer literals that fit `Int` become `.integer`, every other number `.number` (`-0` too, to keep its sign).
  /// Keys that are equal as Swift strings (canonically equivalent) count as duplicates.
  ///
  /// - Parameter maxDepth: how many arrays and objects may be open at once.
  /// - Throws: a `JSONError` that says where and why.
  package static func parse(_ bytes: UnsafeRawBufferPointer, maxDepth: Int = 64) throws(JSONError) -> JSONValue {
    var reader = JSONReader(bytes: bytes, maxDepth: maxDepth)
    return try reader.text()
  }

  /// Reads one JSON text; see the form that takes a buffer.
  package static func parse(_ bytes: [UInt8], maxDepth: Int = 64) throws(JSONError) -> JSONValue {
    try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
      try parse(UnsafeRawBufferPointer(buffer), maxDepth: maxDepth)
    }
  }
}

/// A recursive-descent reader over bytes that outlive it.
struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  let maxDepth: Int
  var position = 0
  private var depth = 0

  init(bytes: UnsafeRawBufferPointer, maxDepth: Int) {
    self.bytes = bytes
    self.maxDepth = maxDepth
  }

  /// The next byte, nil at the end.
  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func text() throws(JSONError) -> JSONValue {
    skipSpace()
    let result = try value()
    skipSpace()
    guard next == nil else { throw .trailingBytes(offset: position, found: shown(next)) }
    return result
  }

  private mutating func value() throws(JSONError) -> JSONValue {
    guard let next else { throw unexpected("a value") }
    switch next {
    case UInt8(ascii: "{"): return .object(try object())
    case UInt8(ascii: "["): return .array(try array())
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw unexpected("a value")
    }
  }

  private mutating func word(_ name: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    let start = position
    for index in 0..<name.utf8CodeUnitCount {
      guard next == name.utf8Start[index] else {
        throw .unexpected(offset: start, expected: "a value", found: shown(bytes[start]))
      }
      position += 1
    }
    return value
  }

  private mutating func array() throws(JSONError) -> [JSONValue] {
    try open()
    var elements: [JSONValue] = []
    if !take(UInt8(ascii: "]")) {
      elements.reserveCapacity(2)
      repeat {
        skipSpace()
        elements.append(try value())
        skipSpace()
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "]")) else { throw unexpected("',' or ']'") }
    }
    depth -= 1
    return elements
  }

  private mutating func object() throws(JSONError) -> [JSONValue.Member] {
    try open()
    var members: [JSONValue.Member] = []
    var offsets: [Int] = []
    if !take(UInt8(ascii: "}")) {
      members.reserveCapacity(4)
      repeat {
        skipSpace()
        guard next == UInt8(ascii: "\"") else { throw unexpected("a key") }
        offsets.append(position)
        let key = try string()
        skipSpace()
        guard take(UInt8(ascii: ":")) else { throw unexpected("':'") }
        skipSpace()
        members.append(JSONValue.Member(key, try value()))
        skipSpace()
      } while take(UInt8(ascii: ","))
      guard take(UInt8(ascii: "}")) else { throw unexpected("',' or '}'") }
    }
    if let twice = Self.repeated(in: members) {
      throw .duplicateKey(offset: offsets[twice], key: members[twice].key)
    }
    depth -= 1
    return members
  }

  /// The first member whose key an earlier one has. Few members are compared with each other, many go through a set.
  private static func repeated(in members: [JSONValue.Member]) -> Int? {
    if members.count <= 8 {
      for index in members.indices {
        for earlier in 0..<index where members[earlier].key == members[index].key { return index }
      }
      return nil
    }
    var keys = Set<String>(minimumCapacity: members.count)
    return members.indices.first { !keys.insert(members[$0].key).inserted }
  }

  private mutating func open() throws(JSONError) {
    depth += 1
    guard depth <= maxDepth else { throw .tooDeep(offset: position, limit: maxDepth) }
    position += 1
    skipSpace()
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  func unexpected(_ expected: String) -> JSONError {
    .unexpected(offset: position, expected: expected, found: shown(next))
  }

  private func shown(_ byte: UInt8?) -> String {
    guard let byte else { return "the end of the text" }
    if byte > 0x20, byte < 0x7F { return "'\(Unicode.Scalar(byte))'" }
    return "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}

// Numbers.
extension JSONReader {
  private mutating func number() throws(JSONError) -> JSONValue {
    let start = position
    let isNegative = take(UInt8(ascii: "-"))
    let firstDigit = position
    var magnitude: UInt = 0
    var fits = true
    while let digit = digit() {
      let (product, high) = magnitude.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(UInt(digit))
      magnitude = sum
      if high || carry { fits = false }
    }
    guard position > firstDigit else { throw unexpected("a digit") }
    if position - firstDigit > 1, bytes[firstDigit] == UInt8(ascii: "0") {
      throw .unexpected(offset: firstDigit, expected: "a number without leading zeros", found: "'0'")
    }
    let isInteger = try !fraction()
    if isInteger, fits {
      if !isNegative, let value = Int(exactly: magnitude) { return .integer(value) }
      if isNegative, magnitude > 0, magnitude <= Int.min.magnitude {
        return .integer(Int(truncatingIfNeeded: 0 &- magnitude))
      }
    }
    let literal = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
    guard let value = Double(literal), value.isFinite else { throw .numberOutOfRange(offset: start, found: literal) }
    return .number(value)
  }

  /// Takes a fraction and an exponent; false where there is neither.
  private mutating func fraction() throws(JSONError) -> Bool {
    let start = position
    if take(UInt8(ascii: ".")) { try digits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
    return position > start
  }

  private mutating func digits() throws(JSONError) {
    guard digit() != nil else { throw unexpected("a digit") }
    while digit() != nil {}
  }

  private mutating func digit() -> UInt8? {
    guard let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    position += 1
    return byte - UInt8(ascii: "0")
  }
}

// Strings.
extension JSONReader {
  private mutating func string() throws(JSONError) -> String {
    let start = position
    position += 1
    let first = position
    while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if next == UInt8(ascii: "\"") {
      position += 1
      return try validated(UnsafeRawBufferPointer(rebasing: bytes[first..<position - 1]), at: start)
    }
    var unescaped = Array(bytes[first..<position])
    while let byte = next, byte != UInt8(ascii: "\"") {
      if byte == UInt8(ascii: "\\") {
        try appendEscape(to: &unescaped)
      } else {
        guard byte >= 0x20 else { throw unexpected("a string without control characters") }
        unescaped.append(byte)
        position += 1
      }
    }
    guard take(UInt8(ascii: "\"")) else { throw unexpected("'\"'") }
    return try unescaped.withUnsafeBufferPointer { (buffer) throws(JSONError) in
      try validated(UnsafeRawBufferPointer(buffer), at: start)
    }
  }

  private func validated(_ text: UnsafeRawBufferPointer, at offset: Int) throws(JSONError) -> String {
    guard let text = String(validating: text, as: UTF8.self) else { throw .notUTF8(offset: offset) }
    return text
  }

  private mutating func appendEscape(to text: inout [UInt8]) throws(JSONError) {
    position += 1
    switch next {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(bytes[position])
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      text.append(contentsOf: String(try escapedScalar()).utf8)
      return
    default: throw unexpected("an escape")
    }
    position += 1
  }

  /// Takes `u` and four hex digits, and the low surrogate that a high one needs.
  private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
    let start = position - 1
    let unit = try hexUnit()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    let lone = JSONError.loneSurrogate(offset: start, found: "\\u" + String(unit, radix: 16))
    guard unit < 0xDC00, take(UInt8(ascii: "\\")), next == UInt8(ascii: "u") else { throw lone }
    let low = try hexUnit()
    guard low >= 0xDC00, low <= 0xDFFF,
      let scalar = Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00))
    else { throw lone }
    return scalar
  }

  private mutating func hexUnit() throws(JSONError) -> UInt16 {
    position += 1
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw unexpected("a hex digit")
      }
      unit = unit << 4 | UInt16(digit)
      position += 1
    }
    return unit
  }
}
