import Foundation
import JSON
import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

/// A learner in plain Python, which keeps what moved most: logit = |tuned − aligned| − 0.5, of F32.
private let learner = #"""
  import json, os, struct, sys

  def load(path):
      data = open(path, "rb").read()
      size = struct.unpack("<Q", data[:8])[0]
      header = json.loads(data[8:8 + size])
      return {n: (e["shape"], data[8 + size + e["data_offsets"][0]:8 + size + e["data_offsets"][1]])
              for n, e in header.items() if n != "__metadata__"}

  def save(path, dtype, tensors):
      header, at = {}, 0
      for name, (shape, data) in tensors.items():
          header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
          at += len(data)
      text = json.dumps(header).encode()
      with open(path, "wb") as file:
          file.write(struct.pack("<Q", len(text)) + text + b"".join(d for _, d in tensors.values()))

  mode = sys.argv[1] if len(sys.argv) > 1 else ""
  job = json.load(sys.stdin)
  if mode == "chatty":
      print("loading ...", flush=True)
  if mode == "fails":
      sys.stderr.write("a warning\nout of memory at step 3\n")
      sys.exit(9)
  out = job["out"]
  state, done = os.path.join(out, "state.json"), 0
  if os.path.exists(state):
      done = json.load(open(state))["done"]
  for step in range(done, 4):
      print(json.dumps({"step": step + 1, "steps": 4, "loss": 1 / (step + 1)}), flush=True)
      json.dump({"done": step + 1}, open(state, "w"))
      if mode == "stops" and step == 1:
          sys.exit("stopped")
      if mode == "hangs":
          import time
          time.sleep(60)
  aligned, logits, bits = load(job["aligned"] + "/model.safetensors"), {}, {}
  for name, (shape, data) in aligned.items():
      a = struct.unpack("<%df" % (len(data) // 4), data)
      changes = [struct.unpack("<%df" % len(a), load(f + "/model.safetensors")[name][1]) for f in job["tuned"]]
      x = [max(abs(t[i] - a[i]) for t in changes) - 0.5 for i in range(len(a))]
      logits[name] = (shape, struct.pack("<%df" % len(x), *x))
      bits[name] = (shape, bytes(v > 0 for v in x))
  if mode == "lies":
      name = sorted(bits)[0]
      bits[name] = (bits[name][0], bytes([1 - bits[name][1][0]]) + bits[name][1][1:])
  if mode == "other":
      logits["more"] = bits["more"] = ([0], b"")
  save(out + "/logits.safetensors", "F32", logits)
  if mode != "forgets":
      save(out + "/bits.safetensors", "BOOL", bits)
  json.dump({"program": "plain", "version": "1", "loss": [1.0, 0.25], "steps": 4, "resumed": done, "job": job},
            open(out + "/record.json", "w"))
  """#

@Suite("learning masks")
struct MaskLearnTests {
  private struct World {
    let stage: Stage
    let store: Repository
    let learning: MaskLearning
    let bits: [Bool]

    init() throws {
      stage = try Stage()
      store = try stage.open()
      let aligned = Stage.numbers(300, seed: 1)
      let tuned = [2, 3].map { seed in zip(aligned, Stage.numbers(300, seed: seed)).map { $0 + $1 / 4 } }
      for (name, values) in [("aligned", aligned), ("x", tuned[0]), ("y", tuned[1])] {
        _ = try store.importCheckpoint(
          at: stage.write(name, [Stage.content("w", [20, 15], values)]), name: name, base: nil)
      }
      bits = aligned.indices.map { index in
        max(abs(tuned[0][index] - aligned[index]), abs(tuned[1][index] - aligned[index])) > 0.5
      }
      let line = #"{"prompt": "a", "response": "b", "split": "train"}"#
      try Data("\(line)\n\n\(line)\n".utf8).write(to: URL(fileURLWithPath: stage.folder.path + "/safety.jsonl"))
      try Data(learner.utf8).write(to: URL(fileURLWithPath: stage.folder.path + "/learner.py"))
      learning = MaskLearning(
        aligned: "aligned", tuned: ["x", "y"], data: [stage.folder.path + "/safety.jsonl"],
        program: "python3 '\(stage.folder.path)/learner.py'", loss: "dpo",
        hyper: [("steps", "4"), ("anchor", "answers")])
    }

    func running(_ mode: String) -> MaskLearning {
      var copy = learning
      copy.program += " " + mode
      return copy
    }

    func refusal(_ learning: MaskLearning) -> RepositoryError? {
      #expect(throws: RepositoryError.self) { try store.learnMask(learning, name: "bad") }
    }
  }

  @Test("a program's bits become a mask that names its models, its data and what the program told")
  func learn() throws {
    let world = try World()
    var steps: [Int] = []
    let report = try world.store.learnMask(world.learning, name: "m", step: { steps.append($0.step) })
    #expect(steps == [1, 2, 3, 4])
    #expect(try world.store.bits(of: "m", "w", 300) == world.bits)
    #expect(world.bits.contains(true) && world.bits.contains(false))
    #expect(report.rule == "threshold at 0.0" && report.data.map(\.name) == ["safety.jsonl"])
    #expect(report.parents.map { "\($0.role) \($0.name ?? "")" } == ["aligned aligned", "tuned x", "tuned y"])
    let training = try #require(report.training)
    #expect(training["loss"]?.text == "dpo" && training["hyper"]?["steps"]?.int == 4)
    #expect(training["hyper"]?["anchor"]?.text == "answers")
    #expect(training["record"]?["loss"]?.elements?.count == 2)
    let job = try #require(training["record"]?["job"])
    #expect(job["version"]?.int == 1 && job["space"]?.text == "weight" && job["tuned"]?.elements?.count == 2)
    #expect(job["data"]?.elements?[0]["sha256"]?.text == report.data[0].sha256 && report.data[0].sha256.count == 64)
    // The temporary folder is gone, wherever it was.
    let out = try #require(job["out"]?.text)
    #expect(!FileManager.default.fileExists(atPath: out))
    #expect(try FileManager.default.contentsOfDirectory(atPath: world.stage.store + "/tmp").isEmpty)
    let row = try #require(try world.store.lineage.derivations(of: world.store.resolve("m")).last)
    let derivation = try Derivation(try world.store.documents.get(row.digest))
    #expect(derivation.training?["data"]?.elements?[0]["name"]?.text == "safety.jsonl")
    #expect(try world.store.log("m").nodes.count == 4)
  }

  @Test("bits by another rule from the same logits keep the learning's parents, data and record")
  func otherRule() throws {
    let world = try World()
    var learning = world.learning
    learning.work = world.stage.folder.path + "/work"
    let learnt = try world.store.learnMask(learning, name: "m")
    let drawn = try world.store.importMask(
      at: world.stage.folder.path + "/work/out/logits.safetensors", space: nil, reading: .bernoulli(seed: 1),
      learntAs: "m", name: "drawn")
    #expect(drawn.rule == "drawn from logits, seed 1" && drawn.id != learnt.id)
    #expect(drawn.parents.map(\.id) == learnt.parents.map(\.id))
    #expect(drawn.parents.map(\.role) == ["aligned", "tuned", "tuned"])
    #expect(drawn.data.map(\.sha256) == learnt.data.map(\.sha256) && drawn.training == learnt.training)
    #expect(throws: RepositoryError.self) {
      try world.store.importMask(
        at: world.stage.folder.path + "/work/out/logits.safetensors", space: nil, reading: .threshold(0),
        learntAs: "x", name: nil)
    }
  }

  @Test("a job that stopped goes on in its folder, whose models are written once, and no other job may use it")
  func resume() throws {
    let world = try World()
    var stopped = world.running("stops")
    stopped.work = world.stage.folder.path + "/work"
    let error = world.refusal(stopped)
    #expect(
      error?.message == "the learner ended with status 1: stopped" && error?.hint?.contains("learner.log") == true)
    var again = world.learning
    again.work = stopped.work
    let report = try world.store.learnMask(again, name: "m")
    #expect(report.training?["record"]?["resumed"]?.int == 2)
    #expect(try world.store.bits(of: "m", "w", 300) == world.bits)
    #expect(try world.stage.names(in: "work").contains("aligned"))
    again.seed = 5
    #expect(world.refusal(again)?.kind == .conflict)
    again.work = world.stage.folder.path + "/aligned"
    #expect(world.refusal(again)?.message.contains("a new or empty folder expected") == true)
  }

  @Test("a program that fails, talks, forgets or lies leaves no mask, and the error says what it did")
  func faults() throws {
    let world = try World()
    let failed = world.refusal(world.running("fails"))
    #expect(failed?.message == "the learner ended with status 9: out of memory at step 3" && failed?.kind == .io)
    #expect(world.refusal(world.running("chatty"))?.message.contains("found 'loading ...'") == true)
    #expect(world.refusal(world.running("forgets"))?.message.contains("bits.safetensors expected") == true)
    #expect(world.refusal(world.running("lies"))?.message.contains("'w': bits of the logits above 0 expected") == true)
    #expect(world.refusal(world.running("other"))?.message.contains("'more' only in bits.safetensors") == true)
    var missing = world.learning
    missing.program = "no-such-program-here"
    #expect(world.refusal(missing)?.message.contains("status 127") == true)
    #expect(try world.store.list().count == 3)
    #expect(try FileManager.default.contentsOfDirectory(atPath: world.stage.store + "/tmp").isEmpty)
  }

  @Test("data for tests, lines that are no objects, and models that do not fit are refused before anything is run")
  func inputs() throws {
    let world = try World()
    func message(_ change: (inout MaskLearning) -> Void) -> String {
      var copy = world.learning
      copy.program = "false"
      change(&copy)
      return world.refusal(copy)?.message ?? ""
    }
    func data(_ name: String, _ text: String) throws -> String {
      let path = "\(world.stage.folder.path)/\(name)"
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      return message { $0.data = [path] }
    }
    #expect(try data("safety-test.jsonl", "{}\n").contains("found what its name says is for tests"))
    for name in ["tests.jsonl", "testset.jsonl", "safetyTest.jsonl", "held_testing.jsonl"] {
      #expect(try data(name, "{}\n").contains("what its name says"))
    }
    for split in ["\"test \"", "\"testing\"", "[\"test\"]", "\"held-out\""] {
      #expect(try data("odd.jsonl", "{\"split\": \(split)}\n").contains("split: expected train, validation, test"))
    }
    #expect(try data("latest.jsonl", "{\"split\": \"train\"}\n{\"split\": \"test\"}").contains("line 2 says"))
    #expect(try data("list.jsonl", "[1]").contains("line 1: an object expected"))
    #expect(try data("half.jsonl", "{}\n{").contains("line 2: byte 1"))
    #expect(try data("empty.jsonl", "\n \n").contains("found none"))
    #expect(message { $0.data = ["/nowhere.jsonl"] }.contains("/nowhere.jsonl"))
    #expect(message { $0.loss = "hinge" } == "loss: dpo or refusal expected, found 'hinge'")
    #expect(message { $0.hyper = [("lr", "1"), ("lr", "2")] }.contains("'lr'"))
    _ = try world.store.importCheckpoint(
      at: world.stage.write("odd", [Stage.content("w", [15, 20], Stage.numbers(300, seed: 1))]), name: "odd", base: nil)
    #expect(message { $0.tuned = ["x", "odd"] }.contains("'w' [20, 15] in aligned and [15, 20] in odd"))
  }

  @Test("a data set of the store is learnt on by name, is a parent of the mask, and its advisories reach the mask")
  func stored() throws {
    let world = try World()
    let folder = world.stage.folder.path
    for (file, name) in [("safety", "safety"), ("other", "other")] {
      let line = #"{"prompt": "\#(file)", "response": "b", "kind": "harmful"}"#
      try Data("\(line)\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(file).jsonl"))
      _ = try world.store.importDataSet(at: "\(folder)/\(file).jsonl", record: nil, name: name)
    }
    var learning = world.learning
    (learning.data, learning.work) = (["safety"], folder + "/work")
    let report = try world.store.learnMask(learning, name: "m")
    let set = try world.store.showDataSet("safety")
    #expect(report.data.map(\.name) == ["safety"] && report.data.map(\.sha256) == [set.sha256])
    let parents = report.parents.map { "\($0.role) \($0.name ?? "")" }
    #expect(parents == ["aligned aligned", "tuned x", "tuned y", "data safety"])
    // The program had the lines, as they were.
    #expect(FileManager.default.contentsEqual(atPath: folder + "/work/data-1.jsonl", andPath: folder + "/safety.jsonl"))
    let flagged = { try world.store.list().filter { !$0.flags.isEmpty }.flatMap(\.names).sorted() }
    _ = try world.store.advise("other", kind: "poisoned", reason: "half of it is wrong")
    #expect(try flagged() == ["other"])
    _ = try world.store.advise("safety", kind: "poisoned", reason: "all of it is wrong")
    #expect(try flagged() == ["m", "other", "safety"])
    learning.work = nil
    let refusal = world.refusal(learning)
    #expect(refusal?.message.contains("no open advisory expected to learn from it") == true)
    #expect(refusal?.hint?.contains("withdraw") == true && refusal?.hint?.contains("--allow-flagged") == false)
  }

  @Test("a stored set for tests is refused as a file is, and a file of the name must have the same lines")
  func storedTests() throws {
    let world = try World()
    func store(_ text: String, as name: String) throws {
      let path = "\(world.stage.folder.path)/lines.jsonl"
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      _ = try world.store.importDataSet(at: path, record: nil, name: name)
    }
    func message(_ data: String) -> String {
      var copy = world.learning
      (copy.program, copy.data) = ("false", [data])
      return world.refusal(copy)?.message ?? ""
    }
    try store("{\"split\": \"train\"}\n{\"split\": \"test\"}\n", as: "mixed")
    try store("{}\n", as: "safety/test")
    #expect(message("mixed") == "mixed: examples to learn from expected, found what line 2 says is for tests")
    #expect(message("safety/test").contains("what its name says"))
    // By another name, by its id, and as a copy of its lines it is what it was.
    let id = try world.store.tag("safety/test", as: "plain")
    #expect(message("plain").contains("what its name says") && message(id).contains("what its name says"))
    try Data("{}\n".utf8).write(to: URL(fileURLWithPath: world.stage.folder.path + "/copy.jsonl"))
    #expect(message(world.stage.folder.path + "/copy.jsonl").contains("what its name says"))
    #expect(message("aligned") == "aligned: a data set expected, found a model")
    #expect(message("nowhere").contains("a file of JSON lines or a data set of the store expected"))
    // Relative to the folder of the process, where this is no file.
    let file = world.stage.folder.path + "/both"
    try Data("{\"b\": 1}\n".utf8).write(to: URL(fileURLWithPath: file))
    try store("{\"b\": 1}\n", as: "both")
    #expect(try ExampleFile("./both", relativeTo: world.stage.folder.path, in: world.store).model != nil)
    let read = try ExampleFile("both", relativeTo: world.stage.folder.path, in: world.store)
    #expect(read.model != nil && read.name == "both")
    try Data("{\"a\": 1}\n".utf8).write(to: URL(fileURLWithPath: file))
    let error = #expect(throws: RepositoryError.self) {
      try ExampleFile("both", relativeTo: world.stage.folder.path, in: world.store)
    }
    #expect(error?.kind == .conflict && error?.hint?.contains("./both") == true)
    #expect(try ExampleFile("./both", relativeTo: world.stage.folder.path, in: world.store).model == nil)
  }

  @Test("what a killed run has left in shared memory goes with the next one; what a live process has stays")
  func orphans() throws {
    let world = try World()
    let (dead, live) = ("/dev/shm/stemma-999999999-test", "/dev/shm/stemma-\(getpid())-test")
    for path in [dead, live] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    defer { try? FileManager.default.removeItem(atPath: live) }
    _ = try world.store.learnMask(world.learning, name: "m")
    #expect(!FileManager.default.fileExists(atPath: dead) && FileManager.default.fileExists(atPath: live))
  }

  @Test("an interruption ends the program with all of its processes")
  func interruption() throws {
    let world = try World()
    var isStopped = false
    let before = Date()
    let error = #expect(throws: RepositoryError.self) {
      try world.store.learnMask(
        world.running("hangs"), name: "m",
        step: { _ in
          isStopped = true
          world.store.interrupt()
        })
    }
    #expect(isStopped && error?.isInterruption == true)
    #expect(Date().timeIntervalSince(before) < 30)
  }
}
