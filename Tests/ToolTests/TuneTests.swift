import Foundation
import Glibc
import Testing

@Suite("searches for the numbers of a recipe", .serialized)
struct TuneTests {
  private func stage() throws -> Stage {
    let stage = try Stage()
    try stage.addSearch()
    return stage
  }

  @Test("a search without a store finds the weights that the data know, and writes a recipe without marks")
  func finds() throws {
    let stage = try stage()
    let words = stage.tune("--budget", "100", "--seed", "3", "--out", "found.yml", "--json")
    let report = try stage.start(words).wait()
    #expect(report.status == 0, "\(report.errors)")
    let json = try report.json()
    let values = (json["parameters"] as? [[String: Any]] ?? []).compactMap { $0["value"] as? Double }
    #expect(values.count == 2)
    for (found, wanted) in zip(values, [0.8, 0.2]) { #expect((found - wanted).magnitude < 0.02, "\(values)") }
    let cost = try #require(json["cost"] as? Double)
    let startCost = try #require(json["start_cost"] as? Double)
    #expect(cost < startCost / 100)
    #expect(try stage.text("found.yml") == stage.text("marked.yml.tune/winner.yml"))
    #expect(try stage.text("found.yml").hasPrefix("# Numbers found by stemma tune: CMA-ES, seed 3, 100 candidates.\n"))
    try stage.expect("plan", "found.yml")
    #expect(try stage.text("starts") == "start\n")

    let candidates = try stage.candidates()
    #expect(candidates.count == 100)
    #expect(candidates[0]["values"] as? [Double] == [0.75, 0])
    #expect(candidates.allSatisfy { $0["seed"] as? Int == 3 })
    // Rewritten in place, in a folder that is gone now.
    let metrics = candidates.compactMap { $0["metrics"] as? [String: Any] }
    #expect(Set(metrics.map { $0["inode"] as? Int }).count == 1)
    #expect(metrics[0]["files"] as? [String] == ["config.json", "model.safetensors"])
    let folder = try #require(metrics[0]["folder"] as? String)
    #expect(!FileManager.default.fileExists(atPath: folder))
    #expect(!FileManager.default.fileExists(atPath: (folder as NSString).deletingLastPathComponent))
  }

  @Test("weights of data count: the best lies between the targets, nearer to the heavier one")
  func weights() throws {
    let stage = try stage()
    let words = stage.tune("--budget", "60", "--json", data: ["safety.jsonl@1", "domain.jsonl@3"])
    let json = try stage.start(words).wait().json()
    let values = (json["parameters"] as? [[String: Any]] ?? []).compactMap { $0["value"] as? Double }
    // A quarter of (0.8, 0.2) and three of (1, 0).
    for (found, wanted) in zip(values, [0.95, 0.05]) { #expect((found - wanted).magnitude < 0.03, "\(values)") }
    let losses = try #require(json["losses"] as? [String: Double])
    let cost = try #require(json["cost"] as? Double)
    #expect((losses["safety"]! + 3 * losses["domain"]! - cost).magnitude < 1e-9 * cost)
  }

  @Test("blocks of layers get a number each")
  func blocks() throws {
    let stage = try stage()
    let known = """
      merge_method: task_arithmetic
      base_model: ./base
      models: [{model: ./math, parameters: {weight: [{filter: layers.1., value: 0.2}, {value: 0.9}]}}]
      dtype: float32

      """
    try stage.write(known, to: "known.yml")
    try FileManager.default.removeItem(at: stage.url("known"))
    try stage.expect("merge", "known.yml", "--out", "known")
    let mark = "weight: {search: [0, 1.5], start: 0.5, blocks: 2}"
    try stage.write(
      known.replacing("weight: [{filter: layers.1., value: 0.2}, {value: 0.9}]", with: mark), to: "marked.yml")
    let json = try stage.start(stage.tune("--budget", "80", "--json")).wait().json()
    let parameters = json["parameters"] as? [[String: Any]] ?? []
    #expect(
      parameters.map { $0["label"] as? String } == ["weight of ./math, block 1 of 2", "weight of ./math, block 2 of 2"])
    let values = parameters.compactMap { $0["value"] as? Double }
    for (found, wanted) in zip(values, [0.9, 0.2]) { #expect((found - wanted).magnitude < 0.02, "\(values)") }
    #expect(try stage.text("marked.yml.tune/winner.yml").contains("{filter: model.layers.1., value: \(values[1])}"))
  }

  @Test("a search that is killed and run again comes to the same candidates and the same winner", arguments: [3, 17])
  func killed(after count: Int) throws {
    let stage = try stage()
    let words = stage.tune("--budget", "30", "--seed", "5")
    #expect(try stage.start(words + ["--work", "whole"]).wait().status == 0)
    try stage.write("sleep 0.03\n", to: "mood")
    let run = try stage.start(words + ["--work", "cut"])
    while run.isRunning, (try? stage.candidates("cut").count) ?? 0 < count { usleep(2000) }
    kill(run.process, SIGKILL)
    #expect(try run.wait().status == 128 + SIGKILL)
    let done = try stage.candidates("cut").count
    #expect(count..<30 ~= done)
    // As if the end had come in the middle of a line.
    let half = try FileHandle(forWritingTo: stage.url("cut/candidates.jsonl"))
    try half.seekToEnd()
    try half.write(contentsOf: Data("{\"candidate\": \(done), \"va".utf8))
    try half.close()
    try stage.write("", to: "mood")
    let again = try stage.start(words + ["--work", "cut", "--json"]).wait()
    #expect(again.status == 0, "\(again.errors)")
    #expect(try stage.text("cut/winner.yml") == stage.text("whole/winner.yml"))
    func facts(_ work: String) throws -> [NSDictionary] {
      try stage.candidates(work).map { entry in NSDictionary(dictionary: entry.filter { $0.key != "metrics" }) }
    }
    #expect(try facts("cut") == facts("whole"))

    // With a larger budget it goes on, and with the same one it has nothing left to do.
    #expect(try stage.start(stage.tune("--budget", "34", "--seed", "5", "--work", "cut")).wait().status == 0)
    #expect(try stage.candidates("cut").count == 34)
    #expect(try Array(facts("cut").prefix(30)) == facts("whole"))
  }

  @Test("Ctrl-C ends with 130, takes the candidate's folder away and keeps the record")
  func interrupted() throws {
    let stage = try stage()
    try stage.write("sleep 0.05\n", to: "mood")
    let run = try stage.start(stage.tune("--budget", "100"))
    while run.isRunning, (try? stage.candidates().count) ?? 0 < 2 { usleep(2000) }
    kill(run.process, SIGINT)
    let outcome = try run.wait()
    #expect(outcome.status == 130, "\(outcome.errors)")
    let candidates = try stage.candidates()
    #expect(2..<100 ~= candidates.count)
    let folder = try #require((candidates[0]["metrics"] as? [String: Any])?["folder"] as? String)
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  @Test("another seed, recipe or data in the same work folder is a conflict that says which")
  func conflicts() throws {
    let stage = try stage()
    #expect(try stage.start(stage.tune("--budget", "2")).wait().status == 0)
    let seed = try stage.start(stage.tune("--budget", "2", "--seed", "1")).wait()
    #expect(seed.status == 4 && seed.isOneComplaint && seed.errors.contains("'seed'"), "\(seed.errors)")
    let data = try stage.start(stage.tune("--budget", "2", data: ["domain.jsonl"])).wait()
    #expect(data.status == 4 && data.errors.contains("'data'"), "\(data.errors)")
    try stage.write(stage.text("score.py") + "# changed\n", to: "score.py")
    let program = try stage.start(stage.tune("--budget", "2")).wait()
    #expect(program.status == 4 && program.errors.contains("'evaluator'"), "\(program.errors)")
  }

  @Test("NaN and refused candidates are the worst and stay on record; the winner is another")
  func degenerate() throws {
    let stage = try stage()
    try stage.write("nan 0\nrefuse 2\nnan 5\n", to: "mood")
    let json = try stage.start(stage.tune("--budget", "10", "--json")).wait().json()
    #expect(json["start_cost"] is NSNull)
    let candidates = try stage.candidates()
    for number in [0, 2, 5] { #expect(candidates[number]["cost"] is NSNull) }
    #expect(candidates[2]["error"] as? String == "no idea of this one")
    #expect(!([0, 2, 5].contains(try #require(json["winner"] as? Int))))
  }

  @Test("numbers that the method cannot take are a candidate's failure, not the search's")
  func untakable() throws {
    let stage = try stage()
    // Densities below 0 are refused by the method; the start is not.
    let recipe = try stage.text("marked.yml").replacing("task_arithmetic", with: "dare_linear")
      .replacing("{weight: {search: [0, 1.5]}}", with: "{weight: 0.5, density: {search: [-3, 1], start: 0.5}}")
    try stage.write(recipe, to: "marked.yml")
    let outcome = try stage.start(stage.tune("--budget", "30", "--json")).wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    let errors = try stage.candidates().compactMap { $0["error"] as? String }
    #expect(!errors.isEmpty && errors.allSatisfy { $0.contains("density") })
  }

  @Test(
    "an evaluator that does not keep the protocol is one clear line",
    arguments: [
      ("true", "found its end"), ("echo hello; cat", "one JSON object a line"),
      ("echo '{\"ready\": true}'; cat", "\"program\""), ("echo '{\"error\": \"no torch here\"}'; cat", "no torch here"),
      ("echo broken >&2; exit 3", "'broken'"),
    ])
  func protocols(command: String, part: String) throws {
    let stage = try stage()
    let outcome = try stage.start(
      ["tune", "marked.yml", "--data", "safety.jsonl", "--evaluator", command, "--budget", "2"]
    ).wait()
    #expect(outcome.status == 2 && outcome.isOneComplaint, "\(outcome.errors)")
    #expect(outcome.errors.contains(part), "\(outcome.errors)")
  }

  @Test("an evaluator that dies in the middle ends the search with its last words; the record is kept")
  func dies() throws {
    let stage = try stage()
    try stage.write("die 3\n", to: "mood")
    let outcome = try stage.start(stage.tune("--budget", "9")).wait()
    #expect(outcome.status == 2 && outcome.isOneComplaint, "\(outcome.errors)")
    #expect(outcome.errors.contains("'no memory is left'"), "\(outcome.errors)")
    #expect(try stage.candidates().count == 3)
    try stage.write("", to: "mood")
    #expect(try stage.start(stage.tune("--budget", "9")).wait().status == 0)
    #expect(try stage.candidates().count == 9)
  }
}
