import Foundation

/// One Swift file of the package, as written and with comments and string contents blanked.
struct SourceFile: Sendable {
  /// Path below the package's top level, such as `Sources/Objects/Digest.swift`.
  let path: String
  let lines: [String]
  /// The same lines with comments and the contents of string literals taken out.
  let code: [String]

  /// The folder below `Sources`, `Tests` or `tools`; `migrations` for that one.
  var target: String {
    let parts = path.split(separator: "/")
    return String(parts.count > 2 ? parts[1] : parts[0])
  }

  var stem: String { path.split(separator: "/").last?.split(separator: ".").first.map(String.init) ?? path }

  init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    code = blanked(text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
}

/// The package as it lies on disk, found from this file.
enum Package {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static let files: [SourceFile] = ["Sources", "Tests", "migrations", "tools/codec-bench", "tools/fuzz-codecs"]
    .flatMap(swiftFiles(under:))
  static let sources = files.filter { !$0.path.hasPrefix("Tests/") }

  private static func swiftFiles(under folder: String) -> [SourceFile] {
    let base = root.appending(path: folder)
    let names = FileManager.default.enumerator(atPath: base.path)?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(".swift") }.sorted().compactMap { name in
      guard let data = try? Data(contentsOf: base.appending(path: name)) else { return nil }
      return SourceFile(path: "\(folder)/\(name)", text: String(decoding: data, as: UTF8.self))
    }
  }
}

/// The lines that a rule objects to, as `path:number: text`.
func places(in files: [SourceFile] = Package.files, where objects: (SourceFile, Int) -> Bool) -> [String] {
  files.flatMap { file in
    file.lines.indices.filter { objects(file, $0) }.map { "\(file.path):\($0 + 1): \(file.lines[$0])" }
  }
}

/// Text with comments and the contents of string literals taken out; lines and interpolated code stay.
private func blanked(_ text: String) -> String {
  let bytes = Array(text.utf8)
  var kept: [UInt8] = []
  var index = 0
  var open: [Open] = []

  func at(_ offset: Int, _ token: StaticString) -> Bool {
    let count = token.utf8CodeUnitCount
    guard offset + count <= bytes.count else { return false }
    return (0..<count).allSatisfy { bytes[offset + $0] == token.utf8Start[$0] }
  }

  while index < bytes.count {
    let byte = bytes[index]
    switch open.last {
    case .string(let long):
      if at(index, "\\(") {
        open.append(.interpolation(depth: 0))
        index += 1
      } else if byte == UInt8(ascii: "\\"), !at(index, "\\\n") {
        index += 1
      } else if long ? at(index, "\"\"\"") : byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\n") {
        open.removeLast()
        index += long ? 2 : 0
      }
      if byte == UInt8(ascii: "\n") { kept.append(byte) }
    case .comment:
      if at(index, "*/") {
        open.removeLast()
        index += 1
      } else if byte == UInt8(ascii: "\n") {
        kept.append(byte)
      }
    case .interpolation, nil:
      if at(index, "//") {
        while index + 1 < bytes.count, bytes[index + 1] != UInt8(ascii: "\n") { index += 1 }
      } else if at(index, "/*") {
        open.append(.comment)
        index += 1
      } else if byte == UInt8(ascii: "\"") {
        let long = at(index, "\"\"\"")
        open.append(.string(long: long))
        index += long ? 2 : 0
      } else if case .interpolation(let depth)? = open.last, let step = step(byte) {
        open.removeLast()
        if depth + step >= 0 { open.append(.interpolation(depth: depth + step)) }
      } else {
        kept.append(byte)
      }
    }
    index += 1
  }
  return String(decoding: kept, as: UTF8.self)
}

/// What `blanked` is inside of.
private enum Open {
  case string(long: Bool)
  case interpolation(depth: Int)
  case comment
}

private func step(_ byte: UInt8) -> Int? {
  switch byte {
  case UInt8(ascii: "("): 1
  case UInt8(ascii: ")"): -1
  default: nil
  }
}
