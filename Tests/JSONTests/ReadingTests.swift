import JSON
import Testing

@Suite("reading JSON")
struct ReadingTests {
  private func parse(_ text: String) throws -> JSONValue {
    try JSONValue.parse(Array(text.utf8))
  }

  @Test("every kind of value is read, with members in their order")
  func readsEveryKind() throws {
    let value = try parse(#" {"b": [null, true, false, -12, 0.5], "a": {"x\u00e9\ud83d\ude00\/\n": "é"}, "": []} "#)
    #expect(
      value
        == .object([
          .init("b", .array([.null, .bool(true), .bool(false), .integer(-12), .number(0.5)])),
          .init("a", .object([.init("xé😀/\n", "é")])),
          .init("", .array([])),
        ]))
  }

  @Test(
    "integers that fit are exact, other numbers become doubles",
    arguments: [
      ("9223372036854775807", JSONValue.integer(.max)), ("-9223372036854775808", .integer(.min)), ("0", .integer(0)),
      ("9223372036854775808", .number(0x1p63)), ("-9223372036854775809", .number(-0x1p63)),
      ("123456789012345678901234567890", .number(123_456_789_012_345_677_877_719_597_056)), ("1.0", .number(1)),
      ("1e2", .number(100)), ("-2.5E-1", .number(-0.25)), ("1E+2", .number(100)),
    ])
  func readsNumbers(literal: String, expected: JSONValue) throws {
    #expect(try parse(literal) == expected)
  }

  @Test("minus zero keeps its sign")
  func readsMinusZero() throws {
    #expect(try parse("-0").double?.sign == .minus)
  }

  @Test(
    "text that is not JSON is refused",
    arguments: [
      "", " ", "{", "[", "[1", "[1,]", "[,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "01", "-", "-01",
      "+1", ".5",
      "1.", "1e", "1e+", "tru", "True", "nul", "NaN", "Infinity", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
      "\"a\nb\"",
      "\u{FEFF}1", "[1 2]", "{\"a\" 1}", "/* */1", "\u{A0}1", "\"\\", "\"\\u", "-x",
    ])
  func refusesBrokenText(text: String) {
    #expect {
      try parse(text)
    } throws: { error in
      if case JSONError.unexpected = error { true } else { false }
    }
  }

  @Test("bytes after the value are refused", arguments: [("1 2", 2), ("{}x", 2), ("[]]", 2), ("null\0", 4)])
  func refusesTrailingBytes(text: String, offset: Int) {
    #expect {
      try parse(text)
    } throws: { error in
      if case JSONError.trailingBytes(offset, _) = error { true } else { false }
    }
  }

  @Test("a key that occurs twice is refused by name, among few and among many")
  func refusesDuplicateKeys() {
    #expect(throws: JSONError.duplicateKey(offset: 8, key: "a")) { try parse(#"{"a": 1,"\u0061": 2}"#) }
    let many = (0..<100).map { "\"k\($0)\":0" }.joined(separator: ",")
    #expect {
      try parse("{\(many),\"k3\":1}")
    } throws: { error in
      if case JSONError.duplicateKey(_, "k3") = error { true } else { false }
    }
    #expect(throws: Never.self) { try parse("{\(many)}") }
  }

  @Test("nesting is bounded")
  func boundsNesting() throws {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(throws: Never.self) { try parse(deep) }
    #expect(throws: JSONError.tooDeep(offset: 64, limit: 64)) { try parse("[\(deep)]") }
    #expect(throws: JSONError.tooDeep(offset: 1, limit: 1)) { try JSONValue.parse(Array("[{}]".utf8), maxDepth: 1) }
  }

  @Test(
    "bytes that are not UTF-8 are refused",
    arguments: [
      [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82],
    ] as [[UInt8]])
  func refusesOtherEncodings(bytes: [UInt8]) {
    #expect(throws: JSONError.notUTF8(offset: 1)) { try JSONValue.parse([0x5B, 0x22] + bytes + [0x22, 0x5D]) }
    #expect(throws: JSONError.notUTF8(offset: 0)) { try JSONValue.parse([0x22, 0x5C, 0x6E] + bytes + [0x22]) }
  }

  @Test(
    "a surrogate without its pair is refused",
    arguments: [
      #""\ud800""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800x""#, #""\ud800\n""#, #""\udc00\ud800""#,
    ])
  func refusesLoneSurrogates(text: String) {
    #expect {
      try parse(text)
    } throws: { error in
      if case JSONError.loneSurrogate(1, _) = error { true } else { false }
    }
  }

  @Test("a number beyond the range of doubles is refused", arguments: ["1e999", "-1e400", "[1e309]"])
  func refusesInfiniteNumbers(text: String) {
    #expect {
      try parse(text)
    } throws: { error in
      if case JSONError.numberOutOfRange = error { true } else { false }
    }
  }

  @Test("a message says where, what was expected and what was found, on one line")
  func describesErrors() {
    #expect(
      "\(JSONError.unexpected(offset: 3, expected: "':'", found: "'x'"))" == "byte 3: expected ':', found 'x'")
    #expect("\(JSONError.duplicateKey(offset: 0, key: "a\u{1B}[0m"))".contains(#"'a\u{1b}[0m'"#))
    #expect(String(repeating: "x", count: 300).quoted.count == 203)
  }
}
