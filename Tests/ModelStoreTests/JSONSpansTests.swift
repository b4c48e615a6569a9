import JSON
import Merging
import TestSupport
import Testing

@testable import ModelStore

@Suite("JSON edited as text")
struct JSONSpansTests {
  private let text = #"{ "a" : [1, 2.50,{"b":"x\"]}"}] ,"\u00e9":null, "c": {}, "d": [ ] }"#

  private func spans(_ text: String) -> JSONSpans { JSONSpans(text: Array(text.utf8), label: "it") }
  private func shown(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test("entries are found where they lie, keys are read, null counts as absent")
  func entries() throws {
    let spans = spans(text)
    let entries = try spans.entries(of: try spans.root())
    #expect(entries.map(\.key) == ["a", "é", "c", "d"])
    let list = try #require(try spans.value("a", in: try spans.root()))
    #expect(try spans.entries(of: list).map { shown(Array(spans.text[$0.value])) } == ["1", "2.50", #"{"b":"x\"]}"}"#])
    #expect(try spans.value("é", in: try spans.root()) == nil && spans.value("z", in: try spans.root()) == nil)
    #expect(try spans.json(list) == [1, .number(2.5), ["b": "x\"]}"]])
  }

  @Test("entries are taken out and put in, with the separators of the list, and nothing else moves")
  func replacing() throws {
    let spans = spans(text)
    let list = try #require(try spans.value("a", in: try spans.root()))
    let odd = try spans.replacing(list) {
      spans.text[$0.value.lowerBound] != UInt8(ascii: "2")
    } adding: {
      [Array("3".utf8)]
    }
    #expect(shown(odd) == text.replacing(#"2.50,{"b":"x\"]}"}"#, with: #"{"b":"x\"]}"}, 3"#))
    let empty = try #require(try spans.value("c", in: try spans.root()))
    let two = [#""x": 1"#, #""y": 2"#].map { Array($0.utf8) }
    #expect(
      shown(try spans.replacing(empty, keeping: { _ in true }, adding: { two }))
        == text.replacing(#""c": {}"#, with: #""c": {"x": 1, "y": 2}"#))
    #expect(shown(try spans.replacing(list) { _ in false }) == text.replacing(#"1, 2.50,{"b":"x\"]}"}"#, with: ""))
  }

  @Test("scalars are replaced by the keys that lead to them")
  func scalars() throws {
    var paths: [[String]] = []
    let edited = try spans(text).replacingScalars { path, scalar in
      paths.append(path)
      return scalar.first == UInt8(ascii: "2") ? "7" : nil
    }
    #expect(shown(edited) == text.replacing("2.50", with: "7"))
    #expect(paths == [["a", "[]"], ["a", "[]"], ["a", "[]", "b"], ["é"]])
  }

  @Test("what is no JSON is refused with its place, and any part of a text is safe to look at")
  func hostile() throws {
    for broken in ["", "{", #"{"a"}"#, #"{"a":}"#, "[1 2]", #"["x]"#, "{]", #"{"a": 1},"#, "[1,]", "]"] {
      let spans = spans(broken)
      let error = #expect(throws: RepositoryError.self, "\(broken)") { try spans.entries(of: try spans.root()) }
      #expect(error?.kind == .invalidInput && error?.message.hasPrefix("it: expected other JSON at byte") == true)
    }
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    for _ in 0..<2000 {
      var bytes = Array(text.utf8)
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &dice))
      for _ in 0..<3 {
        bytes[Int.random(in: 0..<bytes.count, using: &dice)] = Array(#"{}[]",:\1 "#.utf8).randomElement(using: &dice)!
      }
      let spans = JSONSpans(text: bytes, label: "seed \(seed)")
      _ = try? spans.replacingScalars { _, _ in "0" }
    }
  }
}

@Suite("row maps on record")
struct RowRecordTests {
  private let map = RowMap(
    rows: 5, inputRows: [3, 2],
    inputs: [
      [
        .init(start: 0, count: 2, source: .row(input: 0, first: 1)), .init(start: 2, count: 1, source: .mean),
        .init(start: 3, count: 1, source: .zero), .init(start: 4, count: 1, source: .padding),
      ],
      [
        .init(start: 0, count: 1, source: .row(input: 0, first: 0)),
        .init(start: 1, count: 2, source: .row(input: 1, first: 0)),
        .init(start: 3, count: 1, source: .zero), .init(start: 4, count: 1, source: .padding),
      ],
    ])

  @Test("a map comes back as it was, and is recorded once")
  func roundTrip() throws {
    let map = try #require(map)
    #expect(RowRecord.map(try JSONValue.parse(RowRecord.json(map).canonical)) == map)
    var maps: [RowMap] = []
    #expect([map, map].map { RowRecord.number(of: $0, in: &maps) } == [0, 0] && maps == [map])
  }

  @Test("a record that covers other rows, or points outside, is none")
  func malformed() throws {
    let good = String(decoding: RowRecord.json(try #require(map)).canonical, as: UTF8.self)
    let damages = [
      ("\"rows\":5", "\"rows\":6"), ("[3,2]", "[2,2]"), ("[3,2]", "[3]"), ("1,-1,0", "1,-9,0"), ("1,-1,0", "1,-1"),
      ("2,0,1", "-2,0,1"), ("2,0,1", "2,2,1"), ("2,0,1", "9223372036854775807,0,1"), ("1,-2,0", "1,-3,0"),
      ("1,-1,0", "true,-1,0"),
    ]
    for (part, damage) in damages {
      let text = good.replacing(part, with: damage, maxReplacements: 1)
      #expect(text != good)
      #expect(RowRecord.map(try JSONValue.parse(Array(text.utf8))) == nil, "\(damage)")
    }
  }
}
