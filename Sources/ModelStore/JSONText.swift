/// Edits JSON as text: a value that is read and written again may come back as another spelling of it.
enum JSONText {
  /// The text with other scalars in it. The text must be valid JSON.
  ///
  /// - Parameter replacement: is handed the keys that lead to a scalar (`[]` for a list's elements) and its text; nil
  ///   keeps it.
  static func replacingScalars(
    in text: [UInt8], replacement: (_ path: [String], _ scalar: ArraySlice<UInt8>) -> String?
  ) -> [UInt8] {
    var out: [UInt8] = []
    var path: [String] = []
    var isKey = false
    var at = 0
    while at < text.count {
      switch text[at] {
      case UInt8(ascii: "{"):
        path.append("")
        isKey = true
      case UInt8(ascii: "["):
        path.append("[]")
        isKey = false
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        path.removeLast()
        isKey = false
      case UInt8(ascii: ","): isKey = path.last != "[]"
      case UInt8(ascii: ":"), 0x20, 0x09, 0x0A, 0x0D: break
      default:
        let end = scalarEnd(text, from: at)
        let scalar = text[at..<end]
        if isKey {
          path[path.count - 1] = String(decoding: scalar.dropFirst().dropLast(), as: UTF8.self)
          isKey = false
          out += scalar
        } else {
          out += replacement(path, scalar).map { Array($0.utf8) } ?? Array(scalar)
        }
        at = end
        continue
      }
      out.append(text[at])
      at += 1
    }
    return out
  }

  /// The end of the scalar that begins here.
  static func scalarEnd(_ text: [UInt8], from start: Int) -> Int {
    var at = start + 1
    if text[start] == UInt8(ascii: "\"") {
      while at < text.count, text[at] != UInt8(ascii: "\"") { at += text[at] == UInt8(ascii: "\\") ? 2 : 1 }
      return min(at + 1, text.count)
    }
    while at < text.count, !",]} \t\r\n".utf8.contains(text[at]) { at += 1 }
    return at
  }
}
