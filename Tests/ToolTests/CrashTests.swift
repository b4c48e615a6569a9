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
    try stage.expect("gc", "--older-than", "0")
    try stage.expect("export", "large", "out")
    #expect(try stage.files(under: "out") == stage.files(under: "large"))
  }

  @Test("Ctrl-C, and kill, ends with 130 or 143 and leaves no partial output", arguments: [SIGINT, SIGTERM])
  func interrupted(signal: Int32) throws {
    let stage = try Stage.furnished()
    try stage.add(Self.large, as: "large")
    for milliseconds in [20, 60, 150] as [UInt32] {
      let run = try stage.start(["import", "large"])
      usleep(milliseconds * 1000)
      kill(run.process, signal)
      let status = try run.wait().status
      #expect(status == 0 || status == 130 || status == 128 + signal)
    }
    try stage.expect("import", "large", "--name", "large")
    let run = try stage.start(["export", "large", "place/out"])
    usleep(40_000)
    kill(run.process, signal)
    let status = try run.wait().status
    #expect(status == 0 || status == 130 || status == 128 + signal)
    #expect(stage.exists("place/out") == (status == 0))
    try stage.expect("verify", "--full")
  }

  @Test("Ctrl-C in a merge without a store ends with 130, at any point, and leaves nothing beside its place")
  func interruptedMerge() throws {
    let stage = try Stage()
    for name in ["one", "two"] { try stage.addMostlyZeros(as: name, bytes: 256 << 20) }
    // A file that is copied before the merge begins: time for a Ctrl-C there too.
    try Data(count: 64 << 20).write(to: stage.url("one/tokenizer.json"))
    let models = ["one", "two"].map { "  - model: ./\($0)\n    parameters: {weight: 0.5}\n" }
    try stage.write("merge_method: linear\ndtype: bfloat16\nmodels:\n" + models.joined(), to: "recipe.yml")
    for milliseconds in [0, 30, 150] as [UInt32] {
      let run = try stage.start(["merge", "recipe.yml", "--out", "place/out"])
      while run.isRunning, try !stage.exists("place") || stage.names(in: "place").isEmpty { usleep(500) }
      usleep(milliseconds * 1000)
      kill(run.process, SIGINT)
      let outcome = try run.wait()
      #expect(outcome.status == 130, "after \(milliseconds) ms: \(outcome)")
      #expect(try stage.names(in: "place") == [], "after \(milliseconds) ms")
    }
  }

  @Test("two imports at once both succeed, as does a list beside them")
  func together() throws {
    let stage = try Stage.furnished()
    try stage.add(Self.large, as: "large")
    try stage.add(Self.large.tuned(seed: 12), as: "other")
    let runs = try [
      stage.start(["import", "large", "--name", "large"]), stage.start(["import", "other", "--name", "other"]),
      stage.start(["import", "large", "--name", "again"]),
    ]
    var lists = 0
    while runs.contains(where: \.isRunning) {
      try stage.expect("list")
      lists += 1
    }
    #expect(lists > 1)
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
