import Foundation
import Glibc
import Testing

@Suite("processes that die or meet", .serialized)
struct CrashTests {
  /// 4 MB: big enough for a signal to arrive in the middle.
  private static let large = TinyCheckpoint(seed: 11, shapes: (0..<16).map { ("layers.\($0).weight", 256, 512) })

  @Test("an import that is killed leaves a clean store, and can be run again", arguments: [5, 40, 100, 200])
  func killed(milliseconds: UInt32) throws {
    let stage = try Stage.furnished()
    try stage.add(Self.large, as: "large")
    let run = try stage.start(["import", "large", "--name", "large"])
    usleep(milliseconds * 1000)
    kill(run.process, SIGKILL)
    let status = try run.wait().status
    #expect(status == 0 || status == 128 + SIGKILL)
    try stage.expect("verify", "--full")
    try stage.expect("import", "large", "--name", "large")
    try stage.expect("gc")
    try stage.expect("export", "large", "out")
    #expect(try stage.files(under: "out") == stage.files(under: "large"))
  }

  @Test("Ctrl-C ends with 130 and leaves no partial output")
  func interrupted() throws {
    let stage = try Stage.furnished()
    try stage.add(Self.large, as: "large")
    for milliseconds in [20, 60, 150] as [UInt32] {
      let run = try stage.start(["import", "large"])
      usleep(milliseconds * 1000)
      kill(run.process, SIGINT)
      let status = try run.wait().status
      #expect(status == 0 || status == 130)
    }
    try stage.expect("import", "large", "--name", "large")
    let run = try stage.start(["export", "large", "place/out"])
    usleep(40_000)
    kill(run.process, SIGINT)
    let status = try run.wait().status
    #expect(status == 0 || status == 130)
    #expect(stage.exists("place/out") == (status == 0))
    try stage.expect("verify", "--full")
  }

  @Test("two imports at once both succeed, as does a list beside them")
  func together() throws {
    let stage = try Stage.furnished()
    try stage.add(Self.large, as: "large")
    try stage.add(Self.large.tuned(seed: 12), as: "other")
    let runs = try [
      stage.start(["import", "large", "--name", "large"]), stage.start(["import", "other", "--name", "other"]),
      stage.start(["list"]), stage.start(["import", "large", "--name", "again"]),
    ]
    for run in runs {
      let outcome = try run.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    try stage.expect("verify", "--full")
    for name in ["large", "other"] {
      try stage.expect("export", name, "out/\(name)")
      #expect(try stage.files(under: "out/\(name)") == stage.files(under: name))
    }
  }
}
