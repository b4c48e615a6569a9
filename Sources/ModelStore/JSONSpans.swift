import JSON

/// Where the values of a JSON text lie, so that parts of a large one are read, or replaced, without the rest.
struct JSONSpans {
  let text: [UInt8]
  /// What the text is, for errors.
  let label: String

  /// One entry of an object or list.
  struct Entry {
    /// The key's text; empty in lists.
    let key: String
    /// From the key on; the value alone in lists.
    let whole: Range<Int>
    let value: Range<Int>
  }

  private static let brackets: [UInt8: UInt8] = [
    UInt8(ascii: "{"): UInt8(ascii: "}"), UInt8(ascii: "["): UInt8(ascii: "]"),
  ]

  /// The whole value, without the white space around it.
  func root() throws -> Range<Int> {
    let start = skipSpace(0)
    let end = try self.end(of: start)
    guard skipSpace(end) == text.count else { throw broken(end) }
    return start..<end
  }

  /// The entries of an object or list, in order. `invalidInput` where there is none at the place.
  func entries(of range: Range<Int>) throws -> [Entry] {
    guard let first = range.first, first < text.count, let close = Self.brackets[text[first]] else {
      throw broken(range.lowerBound)
    }
    let isObject = text[first] == UInt8(ascii: "{")
    var entries: [Entry] = []
    var at = skipSpace(first + 1)
    if at < text.count, text[at] == close { return [] }
    while true {
      let start = at
      var key = ""
      if isObject {
        let end = try self.end(of: at)
        key = try string(at..<end)
        at = skipSpace(end)
        guard at < text.count, text[at] == UInt8(ascii: ":") else { throw broken(at) }
        at = skipSpace(at + 1)
      }
      let value = at..<(try end(of: at))
      entries.append(Entry(key: key, whole: start..<value.upperBound, value: value))
      at = skipSpace(value.upperBound)
      guard at < text.count else { throw broken(at) }
      if text[at] == close { return entries }
      guard text[at] == UInt8(ascii: ",") else { throw broken(at) }
      at = skipSpace(at + 1)
    }
  }

  /// The value under a key of an object; nil where there is none, or it is null.
  func value(_ key: String, in object: Range<Int>) throws -> Range<Int>? {
    guard let entry = try entries(of: object).first(where: { $0.key == key }), text[entry.value] != Self.null else {
      return nil
    }
    return entry.value
  }

  private static let null = Array("null".utf8)[...]

  /// The text with an object's or list's entries taken out, and others put behind the rest.
  func replacing(
    _ range: Range<Int>, keeping: (Entry) throws -> Bool, adding new: () -> [[UInt8]] = { [] }
  ) throws -> [UInt8] {
    let all = try entries(of: range)
    let kept = try all.filter(keeping)
    let separator =
      all.count > 1 ? text[all[0].whole.upperBound..<all[1].whole.lowerBound] : Array(", ".utf8)[...]
    let head = text[..<(all.first?.whole.lowerBound ?? range.lowerBound + 1)]
    let tail = text[(all.last?.whole.upperBound ?? range.upperBound - 1)...]
    return head + Array((kept.map { Array(text[$0.whole]) } + new()).joined(separator: separator)) + tail
  }

  /// The text with other scalars in it: a value that is read and written again may come back as another spelling of it.
  ///
  /// - Parameter replacement: is handed the keys that lead to a scalar (`[]` for a list's elements) and its text; nil
  ///   keeps it.
  func replacingScalars(_ replacement: (_ path: [String], _ scalar: ArraySlice<UInt8>) -> String?) throws -> [UInt8] {
    var out: [UInt8] = []
    var done = 0
    func visit(_ value: Range<Int>, _ path: [String]) throws {
      guard Self.brackets[text[value.lowerBound]] == nil else {
        let isObject = text[value.lowerBound] == UInt8(ascii: "{")
        for entry in try entries(of: value) { try visit(entry.value, path + [isObject ? entry.key : "[]"]) }
        return
      }
      guard let new = replacement(path, text[value]) else { return }
      out += text[done..<value.lowerBound]
      out += new.utf8
      done = value.upperBound
    }
    try visit(try root(), [])
    return out + text[done...]
  }

  func string(_ range: Range<Int>) throws -> String {
    guard let value = try? JSONValue.parse(Array(text[range])).text else { throw broken(range.lowerBound) }
    return value
  }

  func int(_ range: Range<Int>) throws -> Int {
    guard let value = try? JSONValue.parse(Array(text[range])).int else { throw broken(range.lowerBound) }
    return value
  }

  func json(_ range: Range<Int>) throws -> JSONValue {
    do {
      return try JSONValue.parse(Array(text[range]))
    } catch {
      throw broken(range.lowerBound + error.offset)
    }
  }

  private func broken(_ offset: Int) -> RepositoryError {
    RepositoryError(.invalidInput, "\(label): expected other JSON at byte \(offset)")
  }

  private func skipSpace(_ start: Int) -> Int {
    var at = start
    while at < text.count, Self.isSpace(text[at]) { at += 1 }
    return at
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

  /// True for what ends a number or a word.
  private static func ends(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "]"), UInt8(ascii: "}"): true
    default: isSpace(byte)
    }
  }

  /// One past the value that begins at a place.
  private func end(of start: Int) throws -> Int {
    var at = start
    var depth = 0
    while at < text.count {
      switch text[at] {
      case UInt8(ascii: "\""):
        at += 1
        while at < text.count, text[at] != UInt8(ascii: "\"") { at += text[at] == UInt8(ascii: "\\") ? 2 : 1 }
        at += 1
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        at += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        at += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0A, 0x0D:
        if depth == 0 { throw broken(at) }
        at += 1
        continue
      default:
        while at < text.count, !Self.ends(text[at]) { at += 1 }
      }
      if depth < 0 { throw broken(start) }
      if depth == 0, at <= text.count { return at }
    }
    throw broken(text.count)
  }
}
