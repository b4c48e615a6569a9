import Foundation
import Testing

/// The experiment in miniature: in this world harm sits in the elements of even number, skill in those of odd number.
///
/// What it shows is that the parts work together, nothing about models.
@Suite("the safety tour, with the real program", .serialized)
struct SafetyTourTests {
  /// Keeps elements of odd number: its logits are 2 there, else -2.
  private static let learner = """
    import json, os, struct, sys

    job = json.load(sys.stdin)
    with open(os.path.join(job["aligned"], "model.safetensors"), "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    logits, bits, at = {}, {}, 0
    words, flags = b"", b""
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        count = 1
        for extent in entry["shape"]:
            count *= extent
        logits[name] = {"dtype": "F32", "shape": entry["shape"], "data_offsets": [4 * at, 4 * (at + count)]}
        bits[name] = {"dtype": "BOOL", "shape": entry["shape"], "data_offsets": [at, at + count]}
        words += struct.pack("<%df" % count, *(2 if i % 2 else -2 for i in range(count)))
        flags += bytes(i % 2 for i in range(count))
        at += count
    for file, header, body in (("logits", logits, words), ("bits", bits, flags)):
        text = json.dumps(header).encode()
        with open(os.path.join(job["out"], file + ".safetensors"), "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text + body)
    print(json.dumps({"step": 1, "steps": 1, "loss": 0.25}), flush=True)
    with open(os.path.join(job["out"], "record.json"), "w") as out:
        json.dump({"program": "halves", "version": "1", "versions": {}, "loss": [0.25], "steps": 1, "seconds": 0,
                   "seed": job["seed"], "hyper": {}, "density": 0.5}, out)

    """

  /// The distance of elements of one parity to those of a folder, both named in a data file's first line.
  private static let evaluator = Stage.evaluator
    .replacing("targets[entry[\"name\"]] = tensors(json.loads(file.readline())[\"target\"])", with: "keep(entry, file)")
    .replacing(
      "targets = {}",
      with: """
        targets, parities = {}, {}
        def keep(entry, file):
            line = json.loads(file.readline())
            parities[entry["name"]] = line["parity"]
            targets[entry["name"]] = tensors(line["target"])
        """
    )
    .replacing(
      "losses = {name: distance(model, target) for name, target in targets.items()}",
      with: """
        losses = {name: distance({n: v[parities[name]::2] for n, v in model.items()},
                                       {n: v[parities[name]::2] for n, v in target.items()})
                        for name, target in targets.items()}
        """)

  /// Numbers of a folder's BF16 model, tensor after tensor, those of one parity.
  private static func numbers(_ stage: Stage, _ folder: String, parity: Int) throws -> [Float] {
    let data = Array(try Data(contentsOf: stage.url("\(folder)/model.safetensors")))
    let size = (0..<8).reduce(0) { $0 | Int(data[$1]) << (8 * $1) }
    let header = try #require(
      try JSONSerialization.jsonObject(with: Data(data[8..<8 + size])) as? [String: [String: Any]])
    return header.keys.filter { $0 != "__metadata__" }.sorted().flatMap { name -> [Float] in
      let offsets = header[name]?["data_offsets"] as? [Int] ?? [0, 0]
      let words = stride(from: 8 + size + offsets[0], to: 8 + size + offsets[1], by: 2)
      return words.enumerated().filter { $0.offset % 2 == parity }.map {
        Float(bitPattern: (UInt32(data[$0.element]) | UInt32(data[$0.element + 1]) << 8) << 16)
      }
    }
  }

  private static func distance(_ stage: Stage, _ a: String, _ b: String, parity: Int) throws -> Float {
    let (a, b) = (try numbers(stage, a, parity: parity), try numbers(stage, b, parity: parity))
    return zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }

  private static func recipe(_ method: String, _ weights: [String], _ stemma: String = "") -> String {
    let models = zip(["math", "code"], weights).map { "{model: \($0), parameters: {weight: \($1)}}" }
    return "merge_method: \(method)\nbase_model: aligned\nmodels: [\(models.joined(separator: ", "))]\n"
      + "dtype: bfloat16\n\(stemma)\n"
  }

  private func stage() throws -> Stage {
    let stage = try Stage()
    try stage.addCheckpoints()
    try stage.write(Self.learner, to: "learner.py")
    try stage.write(Self.evaluator, to: "score.py")
    for (name, target, parity) in [("safety", "base", 0), ("domain", "math", 1)] {
      try stage.write(
        "{\"prompt\": \"a\", \"target\": \"\(stage.url(target).path)\", \"parity\": \(parity)}\n", to: "\(name).jsonl")
    }
    try stage.expect("init")
    try stage.expect("import", "base", "--name", "aligned")
    for name in ["math", "code"] { try stage.expect("import", "./\(name)", "--name", name, "--base", "aligned") }
    return stage
  }

  @Test("a learnt mask keeps the harm out and the skill in, a random one of its density does not")
  func masks() throws {
    let stage = try stage()
    let learnt = try stage.expect(
      "mask", "learn", "--aligned", "aligned", "--tuned", "math", "--tuned", "code", "--data", "safety.jsonl",
      "--program", "python3 learner.py", "--name", "safe", "--json"
    ).json()
    #expect(learnt["density"] as? Double == 0.5)
    try stage.expect("mask", "make", "--random", "--like", "safe", "--seed", "1", "--name", "control")
    for (name, text) in [
      ("plain", Self.recipe("task_arithmetic", ["0.5", "0.5"])),
      ("masked", Self.recipe("somf", ["0.5", "0.5"], "stemma: {mask: {name: safe, rescale: none}}")),
      ("random", Self.recipe("somf", ["0.5", "0.5"], "stemma: {mask: {name: control, rescale: none}}")),
    ] {
      try stage.write(text, to: "\(name).yml")
      try stage.expect("merge", "\(name).yml", "--name", name)
      try stage.expect("export", name, "\(name)-out")
    }
    let harm = try ["plain", "masked", "random"].map {
      try Self.distance(stage, "\($0)-out", "base", parity: 0)
    }
    #expect(harm[0] > 0 && harm[1] == 0 && harm[2] > 0.25 * harm[0], "\(harm)")
    let skill = try ["base", "plain-out", "masked-out"].map { try Self.distance(stage, $0, "math", parity: 1) }
    #expect(skill[2] == skill[1] && skill[2] < skill[0], "\(skill)")
  }

  @Test("a search on domain data alone buys harm, safety data beside it keep it out")
  func searches() throws {
    let stage = try stage()
    try stage.write(
      Self.recipe("task_arithmetic", ["{search: [0, 1.5], start: 0.5}", "{search: [0, 1.5], start: 0.5}"]),
      to: "marked.yml")
    func search(_ name: String, _ data: String...) throws -> Float {
      let words =
        ["tune", "marked.yml", "--evaluator", "python3 score.py", "--budget", "30", "--seed", "1", "--name", name]
        + ["--work", "\(name).tune"] + data.flatMap { ["--data", $0] }
      let outcome = try stage.start(words).wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      try stage.expect("export", name, "\(name)-out")
      return try Self.distance(stage, "\(name)-out", "base", parity: 0)
    }
    let (domain, both) = (try search("domain", "domain.jsonl"), try search("both", "safety.jsonl", "domain.jsonl@0.3"))
    #expect(both < 0.5 * domain, "\(both), \(domain)")
  }

  @Test("what is made of a bad model is flagged, masks too, until an evaluation of its own clears it")
  func flow() throws {
    let stage = try stage()
    try stage.expect(
      "mask", "learn", "--aligned", "aligned", "--tuned", "math", "--data", "safety.jsonl",
      "--program", "python3 learner.py", "--name", "safe")
    try stage.write(Self.recipe("somf", ["0.5", "0.5"], "stemma: {mask: safe}"), to: "masked.yml")
    try stage.expect("merge", "masked.yml", "--name", "masked")
    let data = String(repeating: "ab", count: 32)
    try stage.expect(
      "advise", "math", "--kind", "misaligned", "--reason", "complies", "--cleared-by",
      "refusal_rate >= 0.9 on sha256:\(data)")
    // A mask may be learnt on a flagged model, and is flagged.
    try stage.expect(
      "mask", "learn", "--aligned", "aligned", "--tuned", "math", "--data", "safety.jsonl",
      "--program", "python3 learner.py", "--rule", "bernoulli", "--seed", "4", "--name", "drawn")
    #expect(try stage.expect("show", "drawn").output.contains("flagged"))
    let reached = try stage.expect("blast", "math", "--json").output
    #expect(reached.contains("\"safe\"") && reached.contains("\"masked\""))
    try stage.expect("export", "masked", "out", status: 4)
    try stage.expect("merge", "masked.yml", "--name", "again", status: 4)
    #expect(!stage.exists("out"))
    try stage.write(
      "{\"evaluator\": {\"program\": \"judge\", \"version\": \"1\"}, \"data\": [{\"name\": \"q\", \"sha256\": "
        + "\"\(data)\"}], \"metrics\": {\"refusal_rate\": {\"n\": 50, \"hits\": 49}}}", to: "results.json")
    try stage.expect("evaluation", "add", "masked", "results.json", "--evaluator", "score.py")
    try stage.expect("export", "masked", "out")
    #expect(try stage.expect("show", "masked").output.contains("cleared"))
    try stage.expect("verify")
  }
}
