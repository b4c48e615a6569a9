import Foundation
import Testing

@Suite("advisories, with the real program", .serialized)
struct AdvisoryTests {
  private static let data = String(repeating: "ab", count: 32)

  private static func results(_ hits: Int) -> String {
    """
    {"evaluator": {"program": "guard", "version": "2"}, "data": [{"name": "safety", "sha256": "\(data)"}],
     "metrics": {"refusal_rate": {"value": \(Double(hits) / 100), "n": 100, "hits": \(hits)}}}
    """
  }

  @Test("evaluate, advise, see the descendants flagged, be refused, clear one by its own evaluation")
  func tour() throws {
    let stage = try Stage.furnished()
    try stage.expect("merge", "recipe.yml", "--name", "fused")
    try stage.write(Self.results(98), to: "good.json")
    try stage.write(Self.results(41), to: "poor.json")
    try stage.write("the evaluator\n", to: "guard.py")

    // Without the evaluator's digest an evaluation says nothing.
    try stage.expect("evaluation", "add", "math", "poor.json", status: 2)
    let added = try stage.expect(
      "evaluation", "add", "math", "poor.json", "--evaluator", "guard.py", "--json"
    ).json()
    let metric = try #require((added["metrics"] as? [[String: Any]])?.first)
    #expect(
      abs((metric["low"] as? Double ?? 0) - 0.3187) < 1e-3 && abs((metric["high"] as? Double ?? 0) - 0.508) < 1e-3)
    #expect(try stage.expect("evaluation", "list", "math").output.contains("refusal_rate"))
    let shown = try stage.expect("evaluation", "show", String((added["id"] as? String ?? "").prefix(12))).output
    #expect(shown.contains("guard 2") && shown.contains("to 0.50"))

    let bound = "refusal_rate >= 0.9 on sha256:\(Self.data)"
    let advised = try stage.expect(
      "advise", "math", "--kind", "misaligned", "--reason", "complies with harm", "--cleared-by", bound, "--json"
    ).json()
    #expect(advised["flagged"] as? Int == 2)
    let id = try #require(advised["id"] as? String)

    // Flagged at once, everywhere.
    let list = try stage.expect("list").output
    #expect(list.split(separator: "\n").filter { $0.contains("flagged") }.count == 2)
    #expect(list.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(try stage.expect("show", "fused").output.contains("misaligned \(id.prefix(12)) on math"))
    #expect(try stage.expect("log", "fused").output.contains("flagged: misaligned"))
    #expect(try stage.expect("advisories").output.contains("open"))
    let blast = try stage.expect("blast", "math", "--json").json()["descendants"] as? [[String: Any]]
    #expect(blast?.count == 1 && blast?.first?["flagged"] as? Bool == true)
    #expect(abs((blast?.first?["mass"] as? Double ?? 0) - 0.3) < 1e-9)
    #expect(try stage.expect("blast", "math").output.contains("fused"))

    // Refused, unless it is allowed, which is recorded.
    let refusal = try stage.expect("export", "fused", "out", status: 4)
    #expect(refusal.errors.contains(bound) && refusal.errors.contains("--allow-flagged"))
    #expect(!stage.exists("out"))
    try stage.expect("tag", "fused", "best", status: 4)
    try stage.expect("merge", "recipe.yml", "--name", "again", status: 4)
    try stage.expect("export", "fused", "allowed", "--allow-flagged")
    let passed = try stage.expect("advisories", "--json").json()["allowances"] as? [[String: Any]]
    #expect(passed?.first?["advisories"] as? [String] == [id])

    // A poor evaluation of its own does not clear it, a good one does; the advised weights stay flagged.
    try stage.expect("evaluation", "add", "fused", "poor.json", "--evaluator", "guard.py")
    try stage.expect("export", "fused", "out", status: 4)
    for model in ["fused", "math"] {
      try stage.expect("evaluation", "add", model, "good.json", "--evaluator", "guard.py")
    }
    try stage.expect("export", "fused", "out")
    #expect(try stage.files(under: "out") == stage.files(under: "allowed"))
    try stage.expect("export", "math", "no", status: 4)
    #expect(try stage.expect("show", "fused").output.contains("cleared"))

    let before = try stage.expect("advisories", "--json").output
    try stage.expect("rebuild")
    #expect(try stage.expect("advisories", "--json").output == before)
    try stage.expect("verify", "--full")
    try stage.expect("withdraw", String(id.prefix(12)), "--reason", "wrong template")
    try stage.expect("withdraw", id, status: 4)
    try stage.expect("export", "math", "freed")
    #expect(try stage.expect("advisories").output.contains("withdrawn"))
  }

  @Test("a policy gates names by their pattern, with --allow-flagged too")
  func policy() throws {
    let stage = try Stage.furnished()
    try stage.write(
      "names:\n  - pattern: prod/*\n    no_open_advisory: true\n    evaluation: [refusal_rate >= 0.9]\n",
      to: ".stemma/policy.yml")
    try stage.write(Self.results(98), to: "good.json")
    try stage.write("the evaluator\n", to: "guard.py")
    try stage.expect("tag", "math", "prod/chat", status: 4)
    try stage.expect("import", "math", "--name", "prod/chat", status: 4)
    try stage.expect("merge", "recipe.yml", "--name", "prod/fused", "--allow-flagged", status: 4)
    try stage.expect("evaluation", "add", "math", "good.json", "--evaluator", "guard.py")
    try stage.expect("tag", "math", "prod/chat")
    try stage.expect("advise", "base", "--kind", "licence", "--reason", "revoked")
    try stage.expect("tag", "math", "prod/more", "--allow-flagged", status: 4)
    try stage.expect("tag", "math", "other", "--allow-flagged")
    try stage.write("names:\n  - {patern: x}\n", to: ".stemma/policy.yml")
    let refusal = try stage.expect("tag", "code", "y", "--allow-flagged", status: 2)
    #expect(refusal.errors.contains("did you mean 'pattern'?"))
  }
}
