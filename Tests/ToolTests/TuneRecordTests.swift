import Foundation
import Glibc
import Testing

@Suite("what searches record and refuse", .serialized)
struct TuneRecordTests {
  private func stage() throws -> Stage {
    let stage = try Stage()
    try stage.addSearch()
    return stage
  }

  @Test("a named winner is a virtual model whose derivation has the search, and survives rebuild and gc")
  func recorded() throws {
    let stage = try stage()
    try stage.expect("init")
    for name in ["base", "math"] { try stage.expect("import", name, "--name", name) }
    let recipe = try stage.text("marked.yml").replacing("./base", with: "base").replacing("./math", with: "math")
    // Names of the store, and a folder beside them; folders of these names are the same models.
    try stage.write(recipe, to: "marked.yml")
    let words = stage.tune("--budget", "12", "--seed", "2", "--name", "tuned", "--json")
    let report = try stage.start(words).wait()
    #expect(report.status == 0, "\(report.errors)")
    let model = try #require(try report.json()["model"] as? [String: Any])
    #expect(model["state"] as? String == "virtual" && model["name"] as? String == "tuned")
    try stage.expect("gc", "--older-than", "0")
    try stage.expect("rebuild")
    try stage.expect("verify", "--full")
    try stage.expect("export", "tuned", "out")
    #expect(try stage.text("out/mergekit_config.yml") == stage.text("marked.yml.tune/winner.yml"))

    let documents = try stage.files(under: ".stemma/documents").values.compactMap {
      try JSONSerialization.jsonObject(with: $0) as? [String: Any]
    }
    let search = try #require(documents.compactMap { $0["search"] as? [String: Any] }.first)
    #expect(search["seed"] as? Int == 2 && search["budget"] as? Int == 12)
    #expect((search["candidates"] as? [Any])?.count == 12)
    #expect((search["data"] as? [[String: Any]])?.first?["name"] as? String == "safety")
    let evaluator = try #require(search["evaluator"] as? [String: Any])
    #expect(evaluator["program"] as? String == "tiny" && evaluator["version"] as? String == "1.0")
    #expect((evaluator["files"] as? [[String: Any]])?.first?["name"] as? String == "score.py")
    #expect(search["recipe"] as? String == recipe)
    #expect(try stage.expect("log", "tuned").output.contains("math"))

    // The winner's bytes are those of its recipe, merged by hand.
    let byHand = try stage.text("marked.yml.tune/winner.yml").replacing("model: math", with: "model: ./math")
      .replacing("base_model: base", with: "base_model: ./base")
    try stage.write(byHand, to: "again.yml")
    try stage.expect("merge", "again.yml", "--out", "again")
    #expect(try stage.files(under: "out")["model.safetensors"] == stage.files(under: "again")["model.safetensors"])
  }

  @Test("a name that is taken is refused before anything is scored")
  func taken() throws {
    let stage = try stage()
    try stage.expect("init")
    try stage.expect("import", "base", "--name", "tuned")
    let outcome = try stage.start(stage.tune("--budget", "3", "--name", "tuned")).wait()
    #expect(outcome.status == 4 && outcome.isOneComplaint, "\(outcome.errors)")
    #expect(!stage.exists("starts"))
  }

  @Test("cocktail weighs models by softmax(-loss / T) of each one's own loss, and needs no marks")
  func cocktail() throws {
    let stage = try stage()
    let recipe =
      "merge_method: ties\nbase_model: ./base\nmodels:\n  - model: ./math\n  - model: ./code\ndtype: float32\n"
    try stage.write(recipe, to: "marked.yml")
    let words = stage.tune("--method", "cocktail", "--temperature", "0.5", "--out", "mix.yml", "--json")
    let report = try stage.start(words).wait()
    #expect(report.status == 0, "\(report.errors)")
    let losses = try stage.candidates().compactMap { ($0["losses"] as? [String: Double])?["safety"] }
    let shares = losses.map { exp((losses[0] - $0) / 0.5) }
    let values = (try report.json()["parameters"] as? [[String: Any]] ?? []).compactMap { $0["value"] as? Double }
    #expect(values.count == 2 && values[0] > values[1])
    for (value, share) in zip(values, shares) {
      #expect((value - share / shares.reduce(0, +)).magnitude < 1e-12, "\(values), \(losses)")
    }
    let text = try stage.text("mix.yml")
    #expect(text.contains("merge_method: linear") && !text.contains("base_model"))
    try stage.expect("merge", "mix.yml", "--out", "mixed")
    // The same folder for the same models, which are scored once.
    #expect(try stage.start(words).wait().status == 0)
    #expect(try stage.candidates().count == 2)
  }

  @Test(
    "data marked test is refused, by any line and by its name",
    arguments: [
      ("held.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"split\": \"test\"}\n", "line 2"),
      ("safety-test.jsonl", "{\"prompt\": \"a\"}\n", "its name"), ("Test.jsonl", "{}\n", "its name"),
    ])
  func testData(name: String, text: String, part: String) throws {
    let stage = try stage()
    try stage.write(text, to: name)
    let outcome = try stage.start(stage.tune(data: ["safety.jsonl", name])).wait()
    #expect(outcome.status == 2 && outcome.isOneComplaint, "\(outcome.errors)")
    #expect(outcome.errors.contains("test data") && outcome.errors.contains(part), "\(outcome.errors)")
    #expect(!stage.exists("starts") && !stage.exists("marked.yml.tune"))
  }

  @Test(
    "data that cannot be used are refused",
    arguments: [
      ("gone.jsonl", nil, 3), ("latest.jsonl", "no json\n", 2), ("empty.jsonl", "\n", 2), ("safety.jsonl@-1", nil, 2),
      ("safety.jsonl@0", nil, 2),
    ] as [(String, String?, Int32)])
  func unusable(name: String, text: String?, status: Int32) throws {
    let stage = try stage()
    if let text { try stage.write(text, to: name) }
    let outcome = try stage.start(stage.tune(data: [name])).wait()
    #expect(outcome.status == status && outcome.isOneComplaint, "\(outcome.errors)")
  }

  @Test("every other command refuses a mark with a line that names stemma tune")
  func elsewhere() throws {
    let stage = try stage()
    try stage.expect("init")
    for words in [["plan", "marked.yml"], ["merge", "marked.yml", "--out", "o"], ["merge", "marked.yml"]] {
      let outcome = try stage.start(words).wait()
      #expect(outcome.status == 2 && outcome.isOneComplaint, "\(outcome.errors)")
      #expect(outcome.errors.contains("line 5") && outcome.errors.contains("'stemma tune'"), "\(outcome.errors)")
    }
    try stage.write(try stage.text("known.yml"), to: "marked.yml")
    let outcome = try stage.start(stage.tune()).wait()
    #expect(outcome.status == 2 && outcome.errors.contains("marked to be searched"), "\(outcome.errors)")
  }
}
