import Foundation
import Testing

@Suite("adapters on the command line")
struct AdapterTests {
  @Test("extract makes an adapter that merges, shows its rank, and goes back in as a folder")
  func tour() throws {
    let stage = try Stage.furnished()
    let report = try stage.expect(
      "extract", "math", "--base", "base", "--rank", "4", "--name", "lora", "--out", "lora", "--json"
    ).json()
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    // The norm is a matrix of one row.
    #expect(tensors.compactMap { $0["rank"] as? Int } == [4, 4, 1])
    let residual = try #require(report["residual"] as? Double)
    #expect(residual > 0 && residual < 1)
    #expect(try stage.names(in: "lora") == ["README.md", "adapter_config.json", "adapter_model.safetensors"])
    #expect(try stage.expect("show", "lora").output.contains("extract (LoRA, rank 1 to 4)"))
    #expect(try stage.expect("log", "lora").output.contains("fine-tune: math"))

    try stage.write("merge_method: passthrough\nmodels: [{model: base+lora}]\n", to: "apply.yml")
    #expect(try stage.expect("plan", "apply.yml").output.contains("base+lora"))
    try stage.expect("merge", "apply.yml", "--name", "applied")
    try stage.expect("export", "applied", "out")
    try stage.write("merge_method: passthrough\nmodels: [{model: ./base+./lora}]\n", to: "paths.yml")
    try stage.expect("merge", "paths.yml", "--out", "plain")
    let weights = "model.safetensors"
    #expect(try stage.files(under: "out")[weights] == stage.files(under: "plain")[weights])

    try stage.expect("import", "lora", "--name", "again", "--base", "base")
    try stage.expect("verify")
  }

  @Test("what is wrong with an adapter is one line, with the exit status that fits")
  func refusals() throws {
    let stage = try Stage.furnished()
    try stage.expect("extract", "math", "--base", "base", "--rank", "2", "--out", "lora")
    try stage.expect("extract", "math", "--base", "base", "--rank", "0", "--out", "x", status: 2)
    try stage.expect("extract", "math", "--base", "base", "--rank", "2", status: 2)
    try stage.expect("extract", "math", "--base", "base", "--rank", "2", "--out", "lora", status: 4)
    try stage.expect("extract", "base", "--base", "base", "--rank", "2", "--out", "x", status: 2)
    try stage.expect("extract", "none", "--base", "base", "--rank", "2", "--out", "x", status: 3)
    try stage.expect("import", "lora", "--base", "none", status: 3)

    let path = "lora/adapter_config.json"
    let config = try String(contentsOf: stage.url(path), encoding: .utf8)
    try stage.write(config.replacingOccurrences(of: "\"base\"", with: "\"elsewhere\""), to: path)
    let unknown = try stage.expect("import", "lora", status: 3)
    #expect(unknown.errors.contains("--base"))
    try stage.write(config.replacingOccurrences(of: "\"LORA\"", with: "\"IA3\""), to: path)
    try stage.expect("import", "lora", "--base", "base", status: 6)
    try stage.write(config.replacingOccurrences(of: "\"r\": 2", with: "\"r\": 3"), to: path)
    try stage.expect("import", "lora", "--base", "base", status: 2)
    try stage.write(config, to: path)
    let weights = stage.url("lora/adapter_model.safetensors")
    try FileManager.default.moveItem(at: weights, to: stage.url("lora/adapter_model.bin"))
    let pickle = try stage.expect("import", "lora", "--base", "base", status: 2)
    #expect(pickle.errors.contains("save_file"))
    #expect(!stage.exists("x"))
  }
}
