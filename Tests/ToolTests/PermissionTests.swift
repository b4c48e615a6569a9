import Foundation
import Glibc
import Testing

@Suite("who may read and write")
struct PermissionTests {
  /// Runs commands of the tool in a child with a umask of its own, one after another.
  private func run(_ commands: [String], umask: String, _ stage: Stage) throws {
    let tool = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    let beside = [URL(fileURLWithPath: CommandLine.arguments[0]), tool].map {
      $0.deletingLastPathComponent().appendingPathComponent("stemma").path
    }
    let binary = try #require(beside.first { access($0, X_OK) == 0 })
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    let lines = commands.map { "\"$tool\" \($0) >/dev/null" }
    shell.arguments = ["-c", (["umask \(umask)"] + lines).joined(separator: " && ")]
    shell.environment = ["tool": binary, "PATH": "/usr/bin:/bin"]
    shell.currentDirectoryURL = stage.folder
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 0)
  }

  private func mode(_ path: String) throws -> mode_t {
    var status = stat()
    try #require(lstat(path, &status) == 0, "\(path)")
    return status.st_mode
  }

  @Test("what is made has the rights that the umask leaves", arguments: [("002", 0o664, 0o775), ("077", 0o600, 0o700)])
  func umask(umask: String, file: Int, folder: Int) throws {
    let stage = try Stage()
    try stage.addCheckpoints()
    try run(
      [
        "init new/project", "import base --name base --store new/project",
        "import math --name math --base base --store new/project",
        "import code --name code --store new/project", "merge recipe.yml --name fused --store new/project",
        "tag math best --store new/project", "export fused out/fused --store new/project",
        "remove math --store new/project", "gc --store new/project", "rebuild --store new/project",
        "import code --name again --store new/project", "backup copies/backup --store new/project",
      ], umask: umask, stage)
    for made in ["new", "copies", "out"] {
      let root = stage.url(made).path
      for path in [""] + (try FileManager.default.subpathsOfDirectory(atPath: root)) {
        let found = try mode("\(root)/\(path)")
        let expected = found & S_IFMT == S_IFDIR ? folder : file
        #expect(Int(found & 0o777) == expected, "\(made)/\(path): \(String(found & 0o777, radix: 8))")
      }
    }
  }

  @Test("everything that only reads works on a store that cannot be written", .enabled(if: geteuid() != 0))
  func readOnly() throws {
    let stage = try Stage.furnished()
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    let store = stage.url(".stemma").path
    let paths = [store] + (try FileManager.default.subpathsOfDirectory(atPath: store)).map { "\(store)/\($0)" }
    let modes = try paths.map { ($0, try mode($0)) }
    for (path, mode) in modes { chmod(path, mode & ~0o222) }
    defer { for (path, mode) in modes { chmod(path, mode) } }
    try stage.expect("list", "--all")
    try stage.expect("show", "math")
    try stage.expect("log", "fused")
    try stage.expect("verify", "--full")
    try stage.expect("stats")
    try stage.expect("plan", "recipe.yml")
    try stage.expect("export", "fused", "out/fused")
    try stage.expect("backup", "out/backup")
    try stage.expect("rebuild", status: 7)
  }
}
