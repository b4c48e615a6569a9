import Testing

@Suite("sizes")
struct SizeTests {
  @Test("no file is longer than 400 lines")
  func files() {
    let long = Package.files.filter { $0.lines.count > 401 }
    #expect(long.map { "\($0.path): \($0.lines.count - 1) lines" } == [])
  }

  @Test("no line is longer than 120 columns")
  func columns() {
    let wide = places { file, number in file.lines[number].utf8.count > 120 && file.lines[number].count > 120 }
    #expect(wide == [])
  }

  @Test("no function is longer than 70 lines")
  func functions() {
    let long = places { file, number in
      guard opensFunction(file.code[number]) else { return false }
      return closingLine(of: number, in: file.code).map { $0 - number >= 70 } ?? false
    }
    #expect(long == [])
  }

  @Test("the ruler measures a function, not its neighbours")
  func ruler() {
    let file = SourceFile(
      path: "Sources/X/Y.swift",
      text: """
        protocol P {
          func none()
        }
        func one(
          a: Int
        ) {
          let s = "}"  // }
        }
        """)
    #expect(closingLine(of: 1, in: file.code) == nil)
    #expect(closingLine(of: 3, in: file.code) == 7)
  }
}

private func opensFunction(_ line: String) -> Bool {
  let words = line.split { $0 == " " || $0 == "(" || $0 == "<" || $0 == "?" }
  guard let keyword = words.firstIndex(where: { $0 == "func" || $0 == "init" || $0 == "subscript" }) else {
    return false
  }
  return words[..<keyword].allSatisfy { word in word.allSatisfy { $0.isLetter || $0 == "@" || $0 == ")" } }
}

/// The line that closes the body of the function declared on `start`; nil where it has no body.
func closingLine(of start: Int, in code: [String]) -> Int? {
  let margin = indentation(code[start])
  var braces = 0
  var parentheses = 0
  for index in start..<code.count {
    let line = code[index]
    let text = line.drop { $0 == " " }
    if index > start, braces == 0, parentheses == 0, indentation(line) <= margin,
      !text.hasPrefix("{"), !text.hasPrefix("where"), !text.hasPrefix("->")
    {
      return nil
    }
    for byte in line.utf8 {
      switch byte {
      case UInt8(ascii: "("): parentheses += 1
      case UInt8(ascii: ")"): parentheses -= 1
      case UInt8(ascii: "{"): braces += 1
      case UInt8(ascii: "}"):
        braces -= 1
        if braces == 0, parentheses == 0 { return index }
        if braces < 0 { return nil }
      default: break
      }
    }
  }
  return nil
}

private func indentation(_ line: String) -> Int {
  line.prefix { $0 == " " }.count
}
