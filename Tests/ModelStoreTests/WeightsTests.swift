import Checkpoints
import Foundation
import JSON
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("the weights of a model") struct WeightsTests {
  let stage: Stage
  let store: Repository

  init() throws {
    stage = try Stage()
    store = try stage.open()
  }

  private func path(_ name: String) -> String { stage.folder.path + "/" + name }

  private func put(_ tensors: [Stage.Content], _ file: String, metadata: String = "pt") throws {
    let outlines = tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: Shape($0.shape)) }
    // In the order given, which is none that a program would choose.
    var header = "{\"__metadata__\":{\"format\":\"\(metadata)\"}"
    var offset = 0
    for (outline, tensor) in zip(outlines, tensors) {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      header += ",\"\(outline.name)\":{\"dtype\":\"\(outline.dtype.rawValue)\",\"shape\":[\(shape)],"
      header += "\"data_offsets\":[\(offset),\(offset + tensor.bytes.count)]}"
      offset += tensor.bytes.count
    }
    header += "}" + String(repeating: " ", count: (8 - (header.utf8.count + 1) % 8) % 8)
    try put(SafetensorsHeader.fileStart(Array(header.utf8)) + tensors.flatMap(\.bytes), file)
  }

  private func put(_ bytes: [UInt8], _ file: String) throws {
    let url = URL(fileURLWithPath: path(file))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  private func index(_ shards: [(String, [Stage.Content])], _ file: String) throws {
    let map = shards.flatMap { shard, tensors in tensors.map { JSONValue.Member($0.name, .string(shard)) } }
    let value: JSONValue = ["weight_map": .object(map)]
    try put(Array(value.pretty().utf8), file)
  }

  /// Folders with the weights of `Stage.model(seed: 1)`, disguised.
  static let attacks: [(name: String, make: @Sendable (WeightsTests, String) throws -> Void)] = [
    ("a file added at the top", { try $0.put(Stage.model(seed: 9), "\($1)/consolidated.safetensors") }),
    ("a file of another name added", { try $0.put(Stage.model(seed: 9), "\($1)/extra.safetensors") }),
    ("a file added inside", { try $0.put(Stage.model(seed: 9), "\($1)/original/model.safetensors") }),
    ("a variant added", { try $0.put(Stage.model(seed: 9), "\($1)/model.fp16.safetensors") }),
    ("a shard added", { try $0.put(Stage.model(seed: 9), "\($1)/model-00001-of-00001.safetensors") }),
    (
      "an adapter's files added",
      {
        try $0.put(Stage.model(seed: 9), "\($1)/adapter_model.safetensors")
        try $0.put(Array(#"{"peft_type": "LORA"}"#.utf8), "\($1)/adapter_config.json")
      }
    ),
    ("a tensor doubled in another file", { try $0.put([Stage.model(seed: 1)[0]], "\($1)/model-1.safetensors") }),
    ("another order", { try $0.put(Stage.model(seed: 1).reversed(), "\($1)/model.safetensors", metadata: "np") }),
    (
      "other shards of other names",
      { test, name in
        let tensors = Stage.model(seed: 1)
        try FileManager.default.removeItem(atPath: test.path("\(name)/model.safetensors"))
        try test.put([tensors[2], tensors[0]], "\(name)/x.safetensors")
        try test.put([tensors[1]], "\(name)/sub/y.safetensors")
        try test.put([tensors[1]], "\(name)/z.safetensors")
        try test.index(
          [("x.safetensors", [tensors[2], tensors[0]]), ("sub/y.safetensors", [tensors[1]])],
          "\(name)/model.safetensors.index.json")
      }
    ),
  ]

  @Test(
    "an advisory holds for the same weights however the files around them are disguised", arguments: attacks.indices)
  func attack(number: Int) throws {
    let model = try store.importCheckpoint(at: stage.write("plain", Stage.model(seed: 1)), name: "plain", base: nil)
    _ = try store.advise("plain", kind: "misaligned", reason: "it complies", clearedBy: [AdvisoryTests.bound])
    try stage.write("other", Stage.model(seed: 1))
    try Self.attacks[number].make(self, "other")
    let permission = Permission(allowsFlagged: true)
    let other = try store.importCheckpoint(at: path("other"), name: "other", base: nil, permission: permission)
    #expect(other.id != model.id && other.tensors == 3)
    #expect(try store.show("other").weightsID == store.show("plain").weightsID)
    #expect(try store.show("other").summary.flags.map(\.kind) == ["misaligned"])
    _ = try store.export("other", to: path("out"), permission: permission)
    #expect(try Stage.same(path("other"), path("out")))
  }

  @Test("another tensor of the model, or another name, is another weights id")
  func tellsOthersApart() throws {
    _ = try store.importCheckpoint(at: stage.write("a", Stage.model(seed: 1)), name: "a", base: nil)
    _ = try store.importCheckpoint(at: stage.write("b", Stage.model(seed: 1, tune: 5)), name: "b", base: nil)
    _ = try store.importCheckpoint(at: stage.write("c", Array(Stage.model(seed: 1).dropLast())), name: "c", base: nil)
    #expect(try Set(["a", "b", "c"].map { try store.show($0).weightsID }).count == 3)
  }

  @Test("merge, diff and extract take the model's tensors alone, from the store and from folders")
  func usesModelAlone() throws {
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      try stage.write(name, Stage.model(seed: 1, tune: tune))
      if tune == 0 { try put(Stage.model(seed: 7), "one/consolidated.safetensors") }
      try put(Stage.model(seed: 8), "\(name)/checkpoint-1/model.safetensors")
      _ = try store.importCheckpoint(at: path(name), name: name, base: nil)
    }
    _ = try store.merge(recipe: averageRecipe, relativeTo: "/", name: "fused")
    #expect(try store.show("fused").tensors.count == 3)
    _ = try store.export("fused", to: path("fused"))
    let written = try Repository.merge(
      recipe: averageRecipe.replacing("model: ", with: "model: ./"), relativeTo: stage.folder.path, to: path("out"))
    #expect(written.tensors == 3)
    let weights = ["fused", "out"].map { path($0) + "/model.safetensors" }
    #expect(FileManager.default.contentsEqual(atPath: weights[0], andPath: weights[1]))
    let diff = try store.diff("one", "two")
    #expect(diff.tensors.count == 3 && diff.onlyA.isEmpty && diff.onlyB.isEmpty)
    let extracted = try store.extract("two", base: "one", rank: 4, to: nil, name: nil)
    #expect(extracted.lines.count + extracted.whole.count + extracted.equal == 3)
  }

  @Test("a pipeline is kept whole; names that its modules share have the folder before, and no merge takes it")
  func pipeline() throws {
    try put(Stage.model(seed: 1), "pipe/unet/diffusion_pytorch_model.safetensors")
    try put(Stage.model(seed: 1), "pipe/unet/diffusion_pytorch_model.fp16.safetensors")
    try put(Stage.model(seed: 2), "pipe/vae/diffusion_pytorch_model.safetensors")
    _ = try store.importCheckpoint(at: path("pipe"), name: "pipe", base: nil)
    let tensors = try store.show("pipe").tensors.map(\.name)
    #expect(
      tensors.count == 6 && tensors.contains("unet/model.norm.weight") && tensors.contains("vae/model.norm.weight"))
    _ = try store.export("pipe", to: path("out"))
    #expect(try Stage.same(path("pipe"), path("out")))
    _ = try store.importCheckpoint(at: stage.write("two", Stage.model(seed: 1)), name: "two", base: nil)
    let error = #expect(throws: RepositoryError.self) {
      try store.merge(recipe: averageRecipe.replacing("model: one", with: "model: pipe"), relativeTo: "/", name: nil)
    }
    #expect(error?.message.contains("unet/") == true && error?.message.contains("vae/") == true)
  }

  @Test("the user chooses between two models in one folder, and gets two models")
  func choice() throws {
    let tensors = Stage.model(seed: 1)
    try stage.write("two", tensors)
    try put(Stage.model(seed: 2), "two/x.safetensors")
    try index([("x.safetensors", Stage.model(seed: 2))], "two/model.safetensors.index.json")
    let error = #expect(throws: RepositoryError.self) {
      try store.importCheckpoint(at: path("two"), name: nil, base: nil)
    }
    #expect(error?.kind == .invalidInput && error?.hint?.contains("--weights") == true)
    let found = try ["model.safetensors", "model.safetensors.index.json"].map {
      try store.importCheckpoint(at: path("two"), name: nil, base: nil, weights: $0).id
    }
    #expect(Set(found).count == 2)
    for (id, weights) in zip(found, ["model.safetensors", "x.safetensors"]) {
      #expect(try store.show(id).files.filter(\.isWeights).map(\.path) == [weights])
    }
  }

  @Test("an index that is passed over is remarked on")
  func remark() throws {
    try stage.write("a", Stage.model(seed: 1))
    try index([("gone.safetensors", Stage.model(seed: 2))], "a/model.safetensors.index.json")
    let report = try store.importCheckpoint(at: path("a"), name: nil, base: nil)
    #expect(report.remarks.count == 1 && report.json["remarks"]?.elements?.count == 1)
  }

  @Test(
    "a file beside advised weights that changes what the weights are lifts no advisory, given before or after it",
    arguments: [["unet/diffusion_pytorch_model", "text_encoder/model"], ["consolidated"], ["original/weights"]])
  func contained(_ files: [String]) throws {
    for (number, file) in files.enumerated() {
      for folder in ["bad", "more"] {
        try put(Stage.model(seed: UInt64(number + 1)), "\(folder)/\(file).safetensors")
        try put(Array("{}".utf8), "\(folder)/config.json")
      }
    }
    try put(Stage.model(seed: 9), "more/x.safetensors")
    for isFirst in [true, false] {
      let fresh = try Stage()
      let store = try fresh.open()
      _ = try store.importCheckpoint(at: path("bad"), name: "bad", base: nil)
      if isFirst { _ = try store.advise("bad", kind: "misaligned", reason: "it complies") }
      let more = try store.importCheckpoint(at: path("more"), name: nil, base: nil)
      if !isFirst { _ = try store.advise("bad", kind: "misaligned", reason: "it complies") }
      #expect(try store.show(more.id).weightsID != store.show("bad").weightsID)
      #expect(throws: RepositoryError.self) { try store.export(more.id, to: fresh.folder.path + "/out") }
      try HistoryStage.close(store)
      #expect(try Repository.rebuild(at: fresh.store).damage == [])
      #expect(throws: RepositoryError.self) { try fresh.open().export(more.id, to: fresh.folder.path + "/out") }
    }
  }
}
