import Foundation
import Testing

@Suite("data sets on the command line", .serialized)
struct DataSetTests {
  @Test("a data set is imported, shown, listed and exported, and what it is not is one line")
  func tour() throws {
    let stage = try Stage.furnished()
    try stage.write("{\"prompt\": \"a\", \"kind\": \"harmful\"}\n{\"prompt\": \"b\"}\n", to: "safety.jsonl")
    try stage.write("{\"generator\": \"base\", \"seed\": 7}\n", to: "record.json")
    let text = try stage.expect("data", "import", "safety.jsonl", "--record", "record.json", "--name", "safety").output
    #expect(text.contains("generator: base") && text.contains("1 harmful") && text.contains("seed: 7"))
    let shown = try stage.expect("data", "show", "safety", "--json").json()
    #expect(shown["examples"] as? Int == 2 && (shown["record"] as? [String: Any])?["seed"] as? Int == 7)
    #expect(try stage.expect("list").output.contains("dataset"))
    #expect(try stage.expect("show", "safety").output.contains("dataset (2 examples; 1 harmful)"))
    #expect(try stage.expect("log", "safety").output.contains("base"))
    try stage.expect("export", "safety", "out")
    #expect(try stage.names(in: "out") == ["dataset_config.json", "safety.jsonl"])
    try stage.expect("data", "import", "out")
    try stage.expect("verify", "--full")
    try stage.expect("data", "import", "base", status: 2)
    try stage.expect("data", "import", "nowhere.jsonl", status: 3)
    try stage.expect("data", "show", "base", status: 2)
    try stage.expect("diff", "base", "safety", status: 2)
    try stage.expect("data", "import", status: 2)
    for command in ["import", "show"] {
      let help = try stage.expect("data", command, "--help").output
      #expect(help.contains("Example") && help.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
  }

  @Test("a search on a data set of the store names it as a parent, and its bytes are computed without it")
  func tuning() throws {
    let stage = try Stage()
    try stage.addSearch()
    try stage.expect("init")
    for name in ["base", "math", "code"] { try stage.expect("import", name, "--name", name) }
    try stage.expect("data", "import", "safety.jsonl", "--name", "safe.v1")
    let search = stage.tune("--budget", "6", "--seed", "2", "--name", "tuned", data: ["safe.v1"])
    let run = try stage.start(search).wait()
    #expect(run.status == 0, "\(run.errors)")
    #expect(try stage.candidates().allSatisfy { ($0["losses"] as? [String: Any])?["safe.v1"] != nil })
    #expect(try stage.expect("show", "tuned").output.contains("data: safe.v1"))
    try stage.expect("advise", "safe.v1", "--kind", "poisoned", "--reason", "half of it is wrong")
    #expect(try stage.expect("show", "tuned").output.contains("poisoned"))
    let blast = try stage.expect("blast", "safe.v1", "--json").json()
    let reached = try #require(blast["descendants"] as? [[String: Any]])
    #expect(reached.count == 1 && reached.first?["mass"] as? Double == 0)
    // Its lines go; the winner is still computed.
    try stage.expect("remove", "safe.v1")
    try stage.expect("gc", "--older-than", "0")
    try stage.expect("rebuild")
    try stage.expect("verify", "--full")
    try stage.expect("export", "tuned", "out", "--allow-flagged")
    try stage.expect("diff", "base", "tuned")
    #expect(try stage.text("out/mergekit_config.yml") == stage.text("marked.yml.tune/winner.yml"))
  }
}
