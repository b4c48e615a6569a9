/// Why a text is not the strict JSON that this reader takes. Offsets count bytes from the start of the text.
package enum JSONError: Error, Sendable, Equatable {
  case unexpected(offset: Int, expected: String, found: String)
  case trailingBytes(offset: Int, found: String)
  case duplicateKey(offset: Int, key: String)
  case tooDeep(offset: Int, limit: Int)
  case notUTF8(offset: Int)
  case loneSurrogate(offset: Int, found: String)
  case numberOutOfRange(offset: Int, found: String)

  /// Where the text stops being acceptable.
  package var offset: Int {
    switch self {
    case .unexpected(let offset, _, _), .trailingBytes(let offset, _), .duplicateKey(let offset, _),
      .tooDeep(let offset, _), .notUTF8(let offset), .loneSurrogate(let offset, _), .numberOutOfRange(let offset, _):
      offset
    }
  }
}

extension JSONError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unexpected(let offset, let expected, let found):
      "byte \(offset): expected \(expected), found \(found)"
    case .trailingBytes(let offset, let found):
      "byte \(offset): expected the end of the text, found \(found)"
    case .duplicateKey(let offset, let key):
      "byte \(offset): the key \(key.quoted) occurs twice in one object"
    case .tooDeep(let offset, let limit):
      "byte \(offset): nested deeper than \(limit) levels"
    case .notUTF8(let offset):
      "byte \(offset): expected UTF-8, found a string with other bytes"
    case .loneSurrogate(let offset, let found):
      "byte \(offset): expected a pair of surrogates, found \(found) alone"
    case .numberOutOfRange(let offset, let found):
      "byte \(offset): expected a finite number, found \(found.quoted)"
    }
  }
}

extension String {
  /// The text between single quotes, fit for one line of an error message: control and formatting characters shown as
  /// `\u{1b}`, and cut after 200 characters.
  package var quoted: String {
    var shown = "'"
    for (count, scalar) in unicodeScalars.enumerated() {
      if count == 200 {
        shown += "…"
        break
      }
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
        shown += "\\u{\(String(scalar.value, radix: 16))}"
      default:
        shown.unicodeScalars.append(scalar)
      }
    }
    return shown + "'"
  }
}
