import Foundation
import Testing

@Suite("what the program says", .serialized)
struct SpeechTests {
  static let commands = [
    "init", "import", "list", "show", "log", "tag", "untag", "remove", "plan", "merge", "export", "verify", "stats",
    "gc", "purge", "backup", "rebuild", "diff", "evict", "materialise", "tune", "evaluation", "advise", "withdraw",
    "advisories", "blast", "repack",
  ]

  @Test("help is a result: on standard output, in 80 columns, with an example", arguments: commands)
  func help(command: String) throws {
    let stage = try Stage()
    let asked = try stage.expect("help", command)
    #expect(asked.output.contains("Example"))
    #expect(asked.errors.isEmpty)
    #expect(asked.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(try stage.expect(command, "--help").output == asked.output)
  }

  @Test("help and the version are asked of the root too")
  func root() throws {
    let stage = try Stage()
    let help = try stage.expect("help").output
    #expect(Self.commands.allSatisfy { help.contains("  \($0) ") })
    #expect(try stage.expect("--version").output == "0.1.0\n")
    #expect(try stage.expect().output == help)
  }

  @Test(
    "wrong usage is one line, status 2",
    arguments: [
      ["--bogus"], ["frob"], ["list", "--bogus"], ["import"], ["show"], ["export", "a"], ["log"], ["diff", "a"],
      ["gc", "--threads", "0"], ["advise", "a"], ["advise", "a", "--kind", "b"], ["withdraw"], ["blast"],
      ["evaluation", "add", "a"], ["evaluation", "frob"], ["merge", "r.yml", "--out", "o", "--allow-flagged"],
      ["gc", "--threads", "many"], ["log", "a", "--name", "b"], ["merge", "r.yml", "--out", "o", "--name", "n"],
    ])
  func usage(arguments: [String]) throws {
    let outcome = try Stage().start(arguments).wait()
    #expect(outcome.status == 2)
    #expect(outcome.isOneComplaint, "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
  }

  @Test("an empty list says how to begin")
  func empty() throws {
    let stage = try Stage()
    try stage.expect("init")
    #expect(try stage.expect("list").output == "no models yet; add one with: stemma import FOLDER --name NAME\n")
    #expect((try stage.expect("list", "--json").json()["models"] as? [Any])?.isEmpty == true)
  }

  @Test("with --json every command prints one object")
  func json() throws {
    let stage = try Stage()
    try stage.addCheckpoints()
    let tour = [
      ["init"], ["import", "base", "--name", "base"], ["import", "math", "--name", "math", "--base", "base"],
      ["import", "code", "--name", "code"], ["list"], ["show", "math"], ["log", "math"], ["log", "--name", "math"],
      ["tag", "math", "math:v1"], ["untag", "math:v1"], ["plan", "recipe.yml"],
      ["merge", "recipe.yml", "--name", "fused"], ["export", "fused", "out"],
      ["export", "fused", "norm", "--tensor", "model.norm.weight"],
      ["export", "fused", "some", "--tensor", "model.norm.weight", "--range", "0:8"], ["diff", "base", "fused"],
      ["materialise", "fused"], ["evict", "fused"], ["verify"], ["stats"], ["stats", "--bytes", "--repack"],
      ["repack", "--dry-run"], ["repack"], ["blast", "base"],
      ["evaluation", "list"], ["advise", "fused", "--kind", "bad", "--reason", "so"], ["advisories"],
      ["remove", "fused"], ["gc", "--dry-run"], ["gc"], ["backup", "copy"], ["rebuild"],
    ]
    for words in tour {
      let outcome = try stage.start(words + ["--json"]).wait()
      #expect(outcome.status == 0, "\(words): \(outcome.errors)")
      #expect(throws: Never.self, "\(words)") { try outcome.json() }
      #expect(outcome.errors.isEmpty, "\(words): \(outcome.errors)")
    }
  }

  @Test("with --json errors are one object on standard error")
  func jsonErrors() throws {
    let stage = try Stage()
    for (words, status, kind) in [(["list"], 3, "notFound"), (["list", "--bogus"], 2, "invalidInput")] {
      let outcome = try stage.start(words + ["--json"]).wait()
      #expect(outcome.status == status)
      #expect(outcome.output.isEmpty)
      let value = try JSONSerialization.jsonObject(with: Data(outcome.errors.utf8)) as? [String: [String: Any]]
      #expect(value?["error"]?["kind"] as? String == kind)
    }
  }
}
