import JSON
import Testing

@Suite("writing JSON")
struct WritingTests {
  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test("the canonical form of RFC 8785's own example")
  func writesTheExampleOfTheRFC() throws {
    let source = #"""
      {"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
       "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}
      """#
    let expected =
      #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#
      + #""string":"€$\u000f\nA'B\"\\\\\"/"}"#
    #expect(text(try JSONValue.parse(Array(source.utf8)).canonical) == expected)
  }

  @Test("keys are sorted by UTF-16 code units, as in RFC 8785")
  func sortsKeysByUTF16() throws {
    let keys = ["\u{20AC}", "\r", "\u{FB33}", "1", "\u{1F600}", "\u{80}", "\u{F6}"]
    let sorted = try JSONValue.parse(JSONValue.object(keys.map { .init($0, .null) }).canonical)
    #expect(sorted.members?.map(\.key) == ["\r", "1", "\u{80}", "\u{F6}", "\u{20AC}", "\u{1F600}", "\u{FB33}"])
  }

  @Test(
    "numbers are written as ECMAScript does",
    arguments: [
      (0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "-1.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
      (1.5e21, "1.5e+21"),
      (123_456_789_012_345_683_968, "123456789012345680000"), (0.000001, "0.000001"), (0.0000012, "0.0000012"),
      (1e-7, "1e-7"), (-1.25e-7, "-1.25e-7"), (.leastNonzeroMagnitude, "5e-324"),
      (1.7976931348623157e308, "1.7976931348623157e+308"),
      (9007199254740992, "9007199254740992"), (9007199254740994, "9007199254740994"),
      (333333333.33333329, "333333333.3333333"),
      (0.1, "0.1"), (100.25, "100.25"), (1e16, "10000000000000000"), (1e-5, "0.00001"),
      (0x1p68, "295147905179352830000"),
      (1424953923781206.2, "1424953923781206.2"), (9.999999999999997e22, "9.999999999999997e+22"),
    ] as [(Double, String)])
  func writesNumbers(value: Double, expected: String) {
    #expect(text(JSONValue.number(value).canonical) == expected)
  }

  @Test("numbers that are not finite are written as null")
  func writesNoInfinity() {
    #expect(text(JSONValue.array([.number(.nan), .number(-.infinity)]).compact) == "[null,null]")
  }

  @Test("the compact form keeps the order and escapes as little as it may")
  func writesCompact() {
    let value: JSONValue = ["b": [1, "é/\u{7F}\u{1}\t"], "a": true]
    #expect(text(value.compact) == #"{"b":[1,"é/"# + "\u{7F}" + #"\u0001\t"],"a":true}"#)
  }

  @Test("the pretty form is indented by two spaces and reads back")
  func writesPretty() throws {
    let value: JSONValue = ["b": [1, ["c": []]], "a": [:]]
    let expected = """
      {
        "b": [
          1,
          {
            "c": []
          }
        ],
        "a": {}
      }
      """
    #expect(value.pretty() == expected)
    #expect(try JSONValue.parse(Array(expected.utf8)) == value)
  }
}
