import Foundation
import Glibc
import Testing

@Suite("recipes of several steps", .serialized)
struct StepTests {
  private static let first =
    "merge_method: linear\nmodels:\n  - {model: ./base, parameters: {weight: 0.3}}\n"
    + "  - {model: ./math, parameters: {weight: 0.7}}\ndtype: bfloat16\n"
  private static let second =
    "merge_method: ties\nbase_model: ./base\nmodels:\n"
    + "  - {model: STEP, parameters: {weight: 1, density: 0.5}}\n"
    + "  - {model: ./code, parameters: {weight: 1, density: 0.5}}\ndtype: bfloat16\n"
  private static let steps = "name: halfway\n\(first)---\n" + second.replacing("STEP", with: "halfway")

  @Test("merge --out needs no store and no folder between, and gives the bytes of step by step and of the store")
  func merge() throws {
    let stage = try Stage()
    try stage.addCheckpoints()
    try stage.write(Self.steps, to: "steps.yml")
    try stage.write(Self.first, to: "first.yml")
    try stage.write(Self.second.replacing("STEP", with: "./halfway"), to: "second.yml")
    for (number, words) in [[], ["--arithmetic", "mergekit-0.1.5"]].enumerated() {
      let before = try stage.names(in: ".")
      try stage.start(["merge", "steps.yml", "--out", "inlined\(number)"] + words).wait().expectSuccess()
      #expect(try Set(stage.names(in: ".")).subtracting(before) == ["inlined\(number)"])
      try stage.start(["merge", "first.yml", "--out", "halfway"] + words).wait().expectSuccess()
      try stage.start(["merge", "second.yml", "--out", "apart\(number)"] + words).wait().expectSuccess()
      try FileManager.default.removeItem(at: stage.url("halfway"))
      let inlined = try stage.files(under: "inlined\(number)")
      let apart = try stage.files(under: "apart\(number)")
      for name in ["model.safetensors", "config.json"] { #expect(inlined[name] == apart[name], "\(name) \(words)") }
      #expect(inlined.keys.sorted() == apart.keys.sorted())
    }
    let plan = try stage.expect("plan", "steps.yml").output
    #expect(plan.hasPrefix("step halfway\n") && plan.contains("\nstep the result\n"))
    try stage.expect("init")
    try stage.expect("merge", "steps.yml", "--name", "fused")
    try stage.expect("export", "fused", "exported")
    #expect(
      try stage.files(under: "exported")["model.safetensors"] == stage.files(under: "inlined0")["model.safetensors"])
  }

  @Test("three levels over a tensor of 256 MB take memory for blocks, and nothing but the result is written")
  func memory() throws {
    let stage = try Stage()
    try stage.addMostlyZeros(as: "large", bytes: 256 << 20)
    func average(_ models: String...) -> String {
      let list = models.map { "{model: \($0), parameters: {weight: 0.5}}" }.joined(separator: ", ")
      return "merge_method: linear\nmodels: [\(list)]\ndtype: bfloat16\n"
    }
    let recipes = ["name: a\n" + average("./large"), "name: b\n" + average("a", "./large"), average("b", "./large")]
    try stage.write(recipes.joined(separator: "---\n"), to: "steps.yml")
    let run = try stage.start(["merge", "steps.yml", "--out", "out"])
    var peak = 0
    while run.isRunning {
      peak = max(peak, run.peakMemory ?? 0)
      usleep(2000)
    }
    let outcome = try run.wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(peak > 1 << 20 && peak < 400_000_000, "\(peak) bytes")
    // Averages of a model with itself.
    try stage.write(average("./large"), to: "one.yml")
    try stage.expect("merge", "one.yml", "--out", "expected")
    #expect(
      FileManager.default.contentsEqual(
        atPath: stage.url("expected/model.safetensors").path, andPath: stage.url("out/model.safetensors").path))
  }
}

extension Outcome {
  fileprivate func expectSuccess() { #expect(status == 0, "\(errors)") }
}
