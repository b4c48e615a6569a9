extension JSONSpans {
  /// The text with other lists in it: of those that are members of objects within objects. The text is an object.
  ///
  /// - Parameter replacement: is handed the keys that lead to a list and the texts of its elements; nil keeps it.
  func replacingLists(
    _ replacement: (_ path: [String], _ elements: [ArraySlice<UInt8>]) throws -> [ArraySlice<UInt8>]?
  ) throws -> [UInt8] {
    var out: [UInt8] = []
    var done = 0
    func visit(_ object: Range<Int>, _ path: [String]) throws {
      for entry in try entries(of: object) {
        let path = path + [entry.key]
        if text[entry.value.lowerBound] == UInt8(ascii: "{") {
          try visit(entry.value, path)
        } else if text[entry.value.lowerBound] == UInt8(ascii: "[") {
          let old = try entries(of: entry.value).map(\.value)
          guard let new = try replacement(path, old.map { text[$0] }) else { continue }
          out += text[done..<entry.value.lowerBound]
          out += list(entry.value, old, with: new)
          done = entry.value.upperBound
        }
      }
    }
    try visit(try root(), [])
    return out + text[done...]
  }

  /// A list in the manner of another.
  private func list(_ whole: Range<Int>, _ old: [Range<Int>], with new: [ArraySlice<UInt8>]) -> [UInt8] {
    guard let first = old.first, let last = old.last else {
      return Array("[".utf8) + new.joined(separator: ", ".utf8) + Array("]".utf8)
    }
    let lead = text[whole.lowerBound + 1..<first.lowerBound]
    let between =
      old.count > 1
      ? Array(text[first.upperBound..<old[1].lowerBound])
      : [UInt8(ascii: ",")] + (lead.isEmpty ? [UInt8(ascii: " ")] : Array(lead))
    return [UInt8(ascii: "[")] + lead + Array(new.joined(separator: between)) + text[last.upperBound..<whole.upperBound]
  }

  /// The text with one more member, ahead of all others of its object.
  func inserting(_ key: String, _ value: String) throws -> [UInt8] {
    let object = try root()
    let member = Array("\"\(key)\": \(value)".utf8)
    guard let first = try entries(of: object).first else {
      return text[...object.lowerBound] + member + text[(object.lowerBound + 1)...]
    }
    let lead = text[object.lowerBound + 1..<first.whole.lowerBound]
    return text[..<first.whole.lowerBound] + member + [UInt8(ascii: ",")] + (lead.isEmpty ? [0x20] : Array(lead))
      + text[first.whole.lowerBound...]
  }
}
