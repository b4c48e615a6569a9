import Foundation
import Testing

/// What the program writes today, against what it wrote when format 2 was frozen.
@Suite("format 2 is frozen")
struct Format2FieldTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// For each type and version of documents and entries the paths of all members that any of them has.
  private static func members(of store: URL) throws -> [String: Set<String>] {
    var found: [String: Set<String>] = [:]
    func collect(_ value: Any, _ path: String, into paths: inout Set<String>) {
      if let object = value as? [String: Any] {
        for (key, member) in object {
          paths.insert("\(path).\(key)")
          collect(member, "\(path).\(key)", into: &paths)
        }
      } else if let list = value as? [Any] {
        for item in list { collect(item, "\(path)[]", into: &paths) }
      }
    }
    for folder in ["documents", "entries"] {
      for path in try FileManager.default.subpathsOfDirectory(atPath: store.appending(path: folder).path)
      where path.hasSuffix(".json") {
        let data = try Data(contentsOf: store.appending(path: "\(folder)/\(path)"))
        let value = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let name = "\(value["type"] ?? "") \(value["version"] ?? "") \(value["kind"] ?? "")"
        collect(value, "", into: &found[name, default: []])
      }
    }
    return found
  }

  @Test("the same inputs give the same members of every document and entry, and the same model ids, as in the fixture")
  func members() throws {
    let stage = try Stage()
    let python = Process()
    python.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    python.arguments = [
      "python3", Self.root.appending(path: "tools/make-format2").path, try Stage.binary(), stage.url("new").path,
    ]
    python.standardOutput = FileHandle.nullDevice
    python.standardError = FileHandle.nullDevice
    try python.run()
    python.waitUntilExit()
    try #require(python.terminationStatus == 0)
    let frozen = Self.root.appending(path: "Tests/ModelStoreTests/Format2")
    // A member more or less needs a new version of the document, or of the entry, and a new frozen store beside this.
    let (old, new) = (try Self.members(of: frozen), try Self.members(of: stage.url("new")))
    #expect(Set(old.keys) == Set(new.keys))
    for (type, members) in old {
      #expect(new[type]?.subtracting(members) == [] && members.subtracting(new[type] ?? []) == [], "\(type)")
    }
    #expect(try Self.names(in: frozen) == Self.names(in: stage.url("new")))
    let config = try String(contentsOf: stage.url("new/config.yml"), encoding: .utf8)
    let former = try String(contentsOf: frozen.appending(path: "config.yml"), encoding: .utf8)
    #expect(config.split(separator: "\n").dropLast() == former.split(separator: "\n").dropLast())
  }

  /// Names and model ids, as the entries give them. Data sets, masks and models are told by their bytes alone.
  private static func names(in store: URL) throws -> [String] {
    var found: [String] = []
    for path in try FileManager.default.subpathsOfDirectory(atPath: store.appending(path: "entries").path)
    where path.hasSuffix(".json") {
      let data = try Data(contentsOf: store.appending(path: "entries/\(path)"))
      let value = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      for name in value["names"] as? [[String: Any]] ?? [] {
        found.append("\(value["sequence"] ?? 0) \(name["name"] ?? "") \(name["model"] ?? "")")
      }
    }
    return found.sorted()
  }
}
