import Foundation
import Testing

@Suite("parts, residence and diff, with the real program", .serialized)
struct PartTests {
  private static func furnished() throws -> Stage {
    let stage = try Stage.furnished()
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    try stage.expect("export", "fused", "whole")
    return stage
  }

  @Test("a range on standard output is the bytes and nothing else")
  func range() throws {
    let stage = try Self.furnished()
    let card = try stage.expect("export", "math", "-", "--file", "README.md", "--range", "2:6")
    #expect(card.output == "math" && card.errors.isEmpty)
    #expect(try stage.expect("export", "math", "-", "--file", "README.md", "--range", "2:").output == "math\n")
    try stage.expect("export", "fused", "part.bin", "--file", "model.safetensors", "--range", "100:5000")
    let whole = try Data(contentsOf: stage.url("whole/model.safetensors"))
    #expect(try Data(contentsOf: stage.url("part.bin")) == whole[100..<5000])
    try stage.expect("export", "fused", "part.bin", "--tensor", "model.norm.weight", "--range", "0:1", status: 4)
    try stage.expect("export", "fused", "p", "--tensor", "model.norm.weight", "--range", "0:65", status: 2)
    try stage.expect("export", "fused", "p", "--tensor", "model.norm", status: 3)
    #expect(!stage.exists("p"))
  }

  @Test("tensors and files that were asked for, and no others")
  func parts() throws {
    let stage = try Self.furnished()
    let said = try stage.expect("export", "fused", "norm.safetensors", "--tensor", "model.norm.weight").output
    #expect(said.contains("digests agree"))
    #expect(try Data(contentsOf: stage.url("norm.safetensors")).count > 64)
    try stage.expect("export", "fused", "some", "--files", "*.json", "--files", "mergekit*")
    #expect(try stage.names(in: "some") == ["config.json", "mergekit_config.yml"])
    try stage.expect("export", "fused", "none", "--files", "*.bin", status: 3)
  }

  @Test(
    "options that do not go together are wrong usage",
    arguments: [
      ["out", "--files", "*", "--tensor", "t"], ["out", "--range", "0:1"], ["out", "--file", "f"],
      ["out", "--tensor", "t", "--file", "f", "--range", "0:1"],
      ["out", "--tensor", "t", "--tensor", "u", "--range", "0:1"], ["out", "--tensor", "t", "--range", "1"],
      ["out", "--tensor", "t", "--range", "a:b"], ["out", "--tensor", "t", "--range", "-1:2"], ["-"],
      ["-", "--tensor", "t"], ["-", "--tensor", "t", "--range", "0:1", "--json"],
    ])
  func usage(words: [String]) throws {
    let outcome = try Stage().start(["export", "m"] + words).wait()
    #expect(outcome.status == 2, "\(words)")
    #expect(outcome.output.isEmpty)
  }

  @Test("evict, gc and materialise keep what comes out")
  func residence() throws {
    let stage = try Self.furnished()
    let kept = try stage.expect("materialise", "fused").output
    #expect(kept.hasPrefix("fused is stored; kept 4 tensors"))
    #expect(try stage.expect("materialise", "fused").output == "fused is stored already\n")
    let dropped = try stage.expect("evict", "fused")
    #expect(dropped.output.hasPrefix("fused is virtual; dropped 4 tensors"))
    #expect(dropped.errors.contains("stemma gc"))
    try stage.expect("gc", "--older-than", "0")
    try stage.expect("export", "fused", "again")
    #expect(try stage.files(under: "again") == stage.files(under: "whole"))
    try stage.expect("evict", "math", status: 4)
    try stage.expect("evict", "nobody", status: 3)
  }

  @Test("diff shows a map by layer in 80 columns")
  func map() throws {
    let stage = try Self.furnished()
    let text = try stage.expect("diff", "base", "math").output
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.allSatisfy { $0.count <= 80 }, "\(text)")
    #expect(text.contains("4 of 4 differ") && lines.contains("LAYER  mlp"))
    let rows = lines.filter { $0.hasPrefix("0 ") || $0.hasPrefix("1 ") }
    #expect(rows.count == 2 && rows.allSatisfy { Set($0.suffix(3)).isSubset(of: Set(".:-=+*#%@")) })
    #expect(text.contains("outside of layers: embed_tokens "))
    let same = try stage.expect("diff", "base", "base").output
    #expect(same.contains("0 of 4 differ") && same.contains("0 % of"))
    let json = try stage.expect("diff", "base", "fused", "--json").json()
    #expect((json["tensors"] as? [[String: Any]])?.count == 4 && json["recipes"] is NSNull)
    try stage.expect("diff", "base", "nobody", status: 3)
  }
}
