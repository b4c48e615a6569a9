extension JSONText {
  /// The text with other lists in it: of those that are members of objects within objects. The text must be valid JSON
  /// and begin with its object.
  ///
  /// - Parameter replacement: is handed the keys that lead to a list and the texts of its elements; nil keeps it.
  static func replacingLists(
    in text: [UInt8],
    replacement: (_ path: [String], _ elements: [ArraySlice<UInt8>]) throws -> [ArraySlice<UInt8>]?
  ) rethrows -> [UInt8] {
    var out: [UInt8] = []
    var path: [String] = []
    var at = 0
    while at < text.count {
      switch text[at] {
      case UInt8(ascii: "["):
        // Only a member's value can be met here: lists are passed over as a whole.
        let end = valueEnd(text, from: at)
        let list = List(Array(text[at..<end]))
        out += try replacement(path, list.elements).map(list.text(with:)) ?? Array(text[at..<end])
        at = end
        continue
      case UInt8(ascii: "{"): path.append("")
      case UInt8(ascii: "}"): path.removeLast()
      case UInt8(ascii: "\""):
        let end = valueEnd(text, from: at)
        let next = text[end...].first { !" \t\r\n".utf8.contains($0) }
        if next == UInt8(ascii: ":") {
          path[path.count - 1] = String(decoding: text[at + 1..<end - 1], as: UTF8.self)
        }
        out += text[at..<end]
        at = end
        continue
      default: break
      }
      out.append(text[at])
      at += 1
    }
    return out
  }

  /// The text with one more member, ahead of all others of its object.
  static func inserting(_ key: String, _ value: String, in text: [UInt8]) -> [UInt8] {
    guard let start = text.firstIndex(of: UInt8(ascii: "{")),
      let next = text[(start + 1)...].firstIndex(where: { !" \t\r\n".utf8.contains($0) })
    else { return text }
    let lead = Array(text[(start + 1)..<next])
    let isEmpty = text[next] == UInt8(ascii: "}")
    let member = Array("\"\(key)\": \(value)".utf8)
    return text[...start] + lead + member + (isEmpty ? [] : [UInt8(ascii: ",")] + (lead.isEmpty ? [0x20] : lead))
      + text[next...]
  }

  /// A list in parts, so that another can be written in the same manner.
  private struct List {
    private(set) var elements: [ArraySlice<UInt8>] = []
    private var lead: ArraySlice<UInt8> = []
    private var between: ArraySlice<UInt8>?
    private var trail: ArraySlice<UInt8> = []

    init(_ text: [UInt8]) {
      let blanks = " \t\r\n,".utf8
      var gap = 1
      while gap < text.count - 1 {
        let start = text[gap...].firstIndex { !blanks.contains($0) } ?? text.count
        if start >= text.count - 1 { break }
        if elements.isEmpty {
          lead = text[gap..<start]
        } else if between == nil {
          between = text[gap..<start]
        }
        let end = JSONText.valueEnd(text, from: start)
        elements.append(text[start..<end])
        gap = end
      }
      trail = text[gap..<text.count - 1]
    }

    func text(with elements: [ArraySlice<UInt8>]) -> [UInt8] {
      let between = between ?? [UInt8(ascii: ",")] + (lead.isEmpty ? [UInt8(ascii: " ")] : lead)
      return [UInt8(ascii: "[")] + lead + elements.joined(separator: between) + trail + [UInt8(ascii: "]")]
    }
  }

  /// The end of the value that begins here.
  private static func valueEnd(_ text: [UInt8], from start: Int) -> Int {
    var (at, depth) = (start, 0)
    repeat {
      switch text[at] {
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        at += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        at += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0A, 0x0D: at += 1
      default: at = scalarEnd(text, from: at)
      }
    } while depth > 0 && at < text.count
    return at
  }
}
