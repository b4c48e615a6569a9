import Foundation
import Glibc
import Testing

@Suite("with little of a machine") struct NarrowTests {
  /// What prlimit leaves, and the verbs that are refused with 7.
  struct Limit: CustomTestStringConvertible {
    let words: String
    var refused: Set<String> = []
    var testDescription: String { words }
  }

  @Test(
    "a user with few processes, few files or little memory gets what was asked for, or status 7",
    arguments: [
      Limit(words: "--nproc=4"), Limit(words: "--nofile=32"), Limit(words: "--as=300000000"),
      Limit(words: "--as=128000000", refused: ["import", "export", "merge", "verify"]),
    ])
  func limits(_ limit: Limit) throws {
    let stage = try Stage()
    try stage.addCheckpoints()
    let files = FileManager.default
    // Not by this process: others that it starts meanwhile would hold the file open, and it could not be run.
    let copying = try Process.run(
      URL(fileURLWithPath: "/bin/cp"), arguments: [Stage.binary(), stage.url("stemma").path])
    copying.waitUntilExit()
    // Limits of processes do not hold for root.
    let isRoot = getuid() == 0
    if isRoot {
      for path in [""] + (files.enumerator(atPath: stage.folder.path)?.compactMap { $0 as? String } ?? []) {
        chown(stage.url(path).path, 54_321, 54_321)
      }
    }
    let user = isRoot ? ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"] : []
    func run(_ words: [String]) throws -> (status: Int32, errors: String) {
      let process = Process()
      let errors = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["timeout", "-k", "2", "60"] + user + ["prlimit", limit.words, "./stemma"] + words
      process.currentDirectoryURL = stage.folder
      process.standardOutput = FileHandle.nullDevice
      process.standardError = errors
      try process.run()
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      return (process.terminationStatus, text)
    }
    for words in [
      ["--version"], ["init"], ["import", "base", "--name", "base"], ["import", "math", "--name", "math"],
      ["import", "code", "--name", "code"], ["list"], ["verify"], ["merge", "recipe.yml", "--name", "fused"],
      ["export", "math", "out"], ["gc"], ["rebuild"],
    ] {
      let (status, errors) = try run(words)
      if status == 0 { continue }
      #expect(limit.refused.contains(words[0]) && status == 7, "\(words): \(status) \(errors)")
      // What is refused here is not there for those that come after.
      if words[0] == "import" { return }
    }
    #expect(limit.words.hasPrefix("--as=128") || stage.exists("out/model.safetensors"))
  }
}
