import Foundation
import Testing

@Suite("masks and subspaces on the command line")
struct MaskTests {
  @Test("masks are made, combined, compared and shown, and show and list say what they are")
  func masks() throws {
    let stage = try Stage.furnished()
    try stage.expect("mask", "make", "--random", "--density", "0.25", "--seed", "3", "--like", "base", "--name", "r")
    let made = try stage.expect(
      "mask", "make", "--magnitude", "0.1", "--of", "math", "--against", "base", "--name", "top", "--json"
    ).json()
    #expect(abs((made["density"] as? Double ?? 0) - 0.1) < 0.01)
    #expect((made["rule"] as? [String: Any])?["kind"] as? String == "magnitude")
    let text = try stage.expect("mask", "combine", "--minus", "r", "top", "--name", "rest").output
    #expect(text.contains("combination: minus") && text.contains("input: r, input: top"))
    let shown = try stage.expect("mask", "show", "r").output
    #expect(shown.contains("random of density 0.25, seed 3") && shown.contains("entropy"))
    let overlap = try stage.expect("mask", "show", "rest", "--against", "top", "--json").json()
    #expect((overlap["all"] as? [String: Any])?["both"] as? Int == 0)
    #expect(try stage.expect("mask", "show", "r", "--against", "top").output.contains("by chance"))
    #expect(try stage.expect("list").output.contains("mask"))
    #expect(try stage.expect("show", "top").output.contains("mask (largest 0.1 of changes, density 0.1)"))
    try stage.expect("export", "r", "out")
    #expect(try stage.names(in: "out") == ["mask.safetensors", "mask_config.json"])
    try stage.expect("mask", "import", "out", "--name", "again")
    try stage.expect("mask", "import", "base", status: 2)
    try stage.expect("diff", "base", "r", status: 2)
    try stage.expect("verify")
  }

  @Test("a subspace is derived, shown and compared")
  func subspaces() throws {
    let stage = try Stage.furnished()
    let report = try stage.expect(
      "subspace", "derive", "--aligned", "math", "--unaligned", "base", "--energy", "0.8", "--name", "s", "--json"
    ).json()
    let tensors = try #require(report["tensors"] as? [[String: Any]])
    #expect(!tensors.isEmpty && tensors.allSatisfy { ($0["energy"] as? Double ?? 0) >= 0.8 })
    try stage.expect("subspace", "derive", "--aligned", "code", "--unaligned", "base", "--rank", "2", "--name", "t")
    let overlap = try stage.expect("subspace", "show", "s", "--against", "t", "--json").json()
    #expect(overlap["mean_mso"] as? Double != nil && overlap["mean_chance"] as? Double != nil)
    #expect(try stage.expect("subspace", "show", "s", "--against", "t").output.contains("by chance"))
    try stage.expect("export", "s", "out")
    #expect(try stage.expect("subspace", "import", "out", "--name", "u").output.contains("rank"))
    #expect(try stage.expect("show", "s").output.contains("subspace (energy 0.8"))
  }

  @Test("a program learns a mask, its bits are stored, and what it is not given is wrong usage")
  func learning() throws {
    let stage = try Stage.furnished()
    try stage.write("{\"prompt\": \"a\", \"response\": \"b\"}\n", to: "safety.jsonl")
    try stage.write("{\"split\": \"test\"}\n", to: "held.jsonl")
    // Takes the weights themselves for logits.
    try stage.write(
      """
      import json, shutil, struct, sys
      job = json.load(sys.stdin)
      print(json.dumps({"step": 1, "steps": 1, "loss": 0.5}))
      data = open(job["aligned"] + "/model.safetensors", "rb").read()
      size = struct.unpack("<Q", data[:8])[0]
      header, body, bits = json.loads(data[8:8 + size]), data[8 + size:], b""
      header.pop("__metadata__", None)
      for entry in header.values():
          begin, end = entry["data_offsets"]
          values = [struct.unpack("<f", b"\\0\\0" + body[i:i + 2])[0] for i in range(begin, end, 2)]
          entry["dtype"], entry["data_offsets"] = "BOOL", [len(bits), len(bits) + len(values)]
          bits += bytes(v > 0 for v in values)
      text = json.dumps(header).encode()
      shutil.copy(job["aligned"] + "/model.safetensors", job["out"] + "/logits.safetensors")
      open(job["out"] + "/bits.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + bits)
      json.dump({"program": "signs", "loss": [0.5]}, open(job["out"] + "/record.json", "w"))
      """, to: "learner.py")
    let learn = [
      "mask", "learn", "--aligned", "base", "--tuned", "math", "--tuned", "code", "--program",
      "python3 '\(stage.url("learner.py").path)'", "--hyper", "kl=0.5", "--steps", "1",
    ]
    let run = try stage.start(
      learn + ["--data", stage.url("safety.jsonl").path, "--name", "m", "--work", stage.url("work").path]
    ).wait()
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.contains("threshold at 0.0") && run.output.contains("safety.jsonl"))
    #expect(run.output.contains("aligned: base, tuned: math, tuned: code"))
    #expect(stage.exists("work/out/record.json"))
    let refused = try stage.start(learn + ["--data", stage.url("held.jsonl").path]).wait()
    #expect(refused.status == 2 && refused.isOneComplaint, "\(refused.errors)")
    for missing in [["--tuned", "math"], ["--aligned", "base", "--data", "x"], []] {
      let outcome = try stage.start(["mask", "learn"] + missing).wait()
      #expect(outcome.status == 2 && outcome.isOneComplaint, "\(outcome.errors)")
    }
  }

  @Test(
    "wrong usage is one line, status 2",
    arguments: [
      ["mask"], ["mask", "make"], ["mask", "make", "--random"], ["mask", "combine", "a", "b"],
      ["mask", "make", "--random", "--magnitude", "0.1", "--like", "a"], ["mask", "show"],
      ["mask", "import", "x", "--threshold", "0", "--bernoulli"], ["mask", "import", "x", "--seed", "1"],
      ["mask", "make", "--magnitude", "0.1", "--of", "a"], ["subspace", "derive", "--aligned", "a"],
      ["subspace", "derive", "--aligned", "a", "--unaligned", "b", "--energy", "0.5", "--rank", "2"],
    ])
  func usage(arguments: [String]) throws {
    let outcome = try Stage().start(arguments).wait()
    if arguments == ["mask"] {
      #expect(outcome.status == 0 && outcome.output.contains("combine"))
    } else {
      #expect(outcome.status == 2 && outcome.isOneComplaint, "\(outcome.errors)")
    }
  }

  @Test("help has an example and fits 80 columns", arguments: ["import", "show", "combine", "make", "learn"])
  func help(command: String) throws {
    let output = try Stage().expect("mask", command, "--help").output
    #expect(output.contains("Example") && output.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }
}
