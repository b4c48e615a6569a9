import Testing

private let emptyWords: Set<String> = [
  "Manager", "Helper", "Util", "Utility", "Common", "Core", "Engine", "Handler", "Info",
  "Managers", "Helpers", "Utils", "Utilities", "Engines", "Handlers",
]
private let typeKeywords: Set<Substring> = ["struct", "class", "enum", "actor", "protocol", "typealias", "macro"]

@Suite("words")
struct WordTests {
  @Test("no file or type is named by an empty word")
  func names() {
    #expect(Package.files.map(\.stem).filter { !emptyWords.isDisjoint(with: humps($0)) } == [])
    let empty = places { file, number in
      declaredType(file.code[number]).map { !emptyWords.isDisjoint(with: humps($0)) } ?? false
    }
    #expect(empty == [])
  }

  @Test("nothing is forced, abandoned or left for later")
  func phrases() {
    let later = ["TO" + "DO", "FIX" + "ME"]
    #expect(places { file, number in file.code[number].contains("try!") } == [])
    #expect(places { file, number in file.code[number].contains("fatalError(") } == [])
    #expect(places { file, number in later.contains { file.lines[number].contains($0) } } == [])
  }

  @Test("only programs print")
  func prints() {
    let calls = ["print(", "debugPrint(", "dump("]
    let loud = places(in: Package.sources.filter { !["Tool", "codec-bench"].contains($0.target) }) { file, number in
      let words = file.code[number].split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "(" || $0 == ".") }
      return words.contains { word in calls.contains { word.hasPrefix($0) } }
    }
    #expect(loud == [])
  }

  @Test("types and functions that other targets see say what they are")
  func documented() {
    let required = Set(Package.sources.flatMap(requirements)).union(["==", "<", "encode", "hash", "run", "validate"])
    let silent = places(in: Package.sources) { file, number in
      let line = file.code[number]
      guard declaresForOthers(line), !isDocumented(number, in: file) else { return false }
      return functionName(line).map { !required.contains($0) } ?? true
    }
    #expect(silent == [])
  }
}

/// The functions that a protocol of this file asks for; their meaning stands there and not at every conformance.
private func requirements(_ file: SourceFile) -> [String] {
  file.code.indices.compactMap { number in
    functionName(file.code[number]).flatMap { closingLine(of: number, in: file.code) == nil ? $0 : nil }
  }
}

private func functionName(_ line: String) -> String? {
  let words = line.split { $0 == " " || $0 == "(" }
  guard let keyword = words.firstIndex(of: "func"), keyword + 1 < words.count else { return nil }
  let name = words[keyword + 1]
  return name.first?.isLetter == true ? String(name.prefix { $0 != "<" }) : String(name)
}

/// `package` and `public` types and functions.
private func declaresForOthers(_ line: String) -> Bool {
  let words = line.split(separator: " ")
  guard let access = words.firstIndex(where: { $0 == "package" || $0 == "public" }) else { return false }
  guard words[..<access].allSatisfy({ $0.hasPrefix("@") }) else { return false }
  return words[access...].contains { $0 == "func" || typeKeywords.contains($0) } && !words.contains("import")
}

private func isDocumented(_ number: Int, in file: SourceFile) -> Bool {
  var above = number - 1
  while above >= 0 {
    let text = file.lines[above].drop { $0 == " " }
    guard text.hasPrefix("@") else { return text.hasPrefix("///") }
    above -= 1
  }
  return false
}

private func declaredType(_ line: String) -> String? {
  let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
  guard let keyword = words.firstIndex(where: { typeKeywords.contains($0) }), keyword + 1 < words.count else {
    return nil
  }
  let name = words[keyword + 1]
  return name.first?.isUppercase == true ? String(name) : nil
}

/// The words of a camel-cased name: `RepositoryImport` → `Repository`, `Import`.
private func humps(_ name: String) -> [String] {
  var words: [String] = []
  for character in name {
    if character.isUppercase || words.isEmpty || !character.isLetter {
      words.append("")
    }
    words[words.count - 1].append(character)
  }
  return words
}
