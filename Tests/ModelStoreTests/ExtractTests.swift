import Checkpoints
import Foundation
import JSON
import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("extracting adapters")
struct ExtractTests {
  /// A model with every kind of tensor; `tune` changes those whose names it accepts.
  private func model(seed: UInt64, tuned: (String) -> Bool = { _ in false }) -> [Stage.Content] {
    let shapes: [(String, [Int])] = [
      ("model.embed_tokens.weight", [40, 24]), ("model.layers.0.mlp.up_proj.weight", [60, 24]),
      ("model.layers.0.mlp.down_proj.weight", [24, 60]), ("model.layers.0.self_attn.q_proj.weight", [24, 24]),
      ("model.layers.0.self_attn.q_proj.bias", [24]), ("model.layers.0.norm.weight", [24]),
      ("lm_head.weight", [40, 24]),
    ]
    return shapes.enumerated().map { index, shape in
      Stage.Content(
        name: shape.0, dtype: .bf16, shape: shape.1,
        bytes: Stage.weights(
          shape.1.reduce(1, *), seed: seed + UInt64(index), tune: tuned(shape.0) ? 77 + UInt64(index) : 0))
    }
  }

  private func prepared(_ tuned: @escaping (String) -> Bool = { _ in true }) throws -> (Stage, Repository) {
    let stage = try Stage()
    let store = try stage.open()
    _ = try store.importCheckpoint(at: try stage.write("base", model(seed: 5)), name: "base", base: nil)
    _ = try store.importCheckpoint(
      at: try stage.write("ft", model(seed: 5, tuned: tuned)), name: "ft", base: "base")
    return (stage, store)
  }

  @Test("an adapter of full rank gives the fine-tuned model back, bit for bit in bf16")
  func full() throws {
    let (stage, store) = try prepared()
    let report = try store.extract("ft", base: "base", rank: 500, to: stage.folder.path + "/lora", name: "lora")
    #expect(report.lines.count == 3 && report.residual < 1e-5)
    #expect(report.lines.map(\.rank).sorted() == [24, 24, 24])
    #expect(report.whole.count == 4 && report.equal == 0)
    let fused = try store.merge(
      recipe: "merge_method: passthrough\nmodels: [{model: lora}]", relativeTo: "/", name: nil)
    #expect(try store.show(fused.id).weightsID == store.show("ft").weightsID)
    let kept = try #require(try CheckpointFolder.scan(stage.folder.path + "/lora").adapter())
    #expect(kept.summary == "LoRA, rank 24")
  }

  @Test("the residual falls with the rank, each is recorded, and the lineage has both parents")
  func ranks() throws {
    let (stage, store) = try prepared()
    defer { withExtendedLifetime(stage) {} }
    var last = 1.0
    for rank in [1, 4, 12] {
      let report = try store.extract("ft", base: "base", rank: rank, to: nil, name: "lora-\(rank)")
      #expect(report.residual < last && report.lines.allSatisfy { $0.rank == rank })
      #expect(report.lines.allSatisfy { abs($0.energy - (1 - $0.residual * $0.residual)) < 1e-9 })
      last = report.residual
      let node = try #require(try store.log("lora-\(rank)").nodes.first)
      #expect(node.derivations.map(\.kind) == ["extract"])
      #expect(node.derivations[0].method == "LoRA, rank \(rank)")
      #expect(node.derivations[0].parents.map(\.role) == ["base", "fine-tune"])
      #expect(node.derivations[0].parents.map(\.name) == ["base", "ft"])
      let row = try #require(try store.lineage.derivations(of: try store.resolve("lora-\(rank)")).first)
      let record = try #require(try Derivation(try store.documents.get(row.digest)).extraction)
      #expect(record["rank"]?.int == rank && record["seed"]?.int == 0)
      #expect(record["tensors"]?.elements?.count == 3 && record["residual"]?.double == report.residual)
    }
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("what did not change is left out, and what is no matrix is saved whole")
  func parts() throws {
    let (stage, store) = try prepared { $0.contains("q_proj") || $0.contains("norm") }
    let out = stage.folder.path + "/lora"
    let report = try store.extract("ft", base: "base", rank: 4, to: out, name: nil)
    #expect(report.lines.map(\.tensor) == ["model.layers.0.self_attn.q_proj.weight"])
    #expect(report.whole == ["model.layers.0.norm.weight", "model.layers.0.self_attn.q_proj.bias"])
    #expect(report.equal == 4 && report.model == nil)
    #expect(try store.list(all: true).count == 2)
    let header = try SafetensorsHeader.read(out + "/adapter_model.safetensors")
    let prefix = "base_model.model.model.layers.0."
    #expect(
      Set(header.tensors.map(\.name)) == [
        "\(prefix)self_attn.q_proj.lora_A.weight", "\(prefix)self_attn.q_proj.lora_B.weight",
        "\(prefix)self_attn.q_proj.base_layer.bias", "\(prefix)norm.weight",
      ])
    let config = try JSONValue.parse(Array(try Data(contentsOf: URL(fileURLWithPath: out + "/adapter_config.json"))))
    #expect(config["modules_to_save"] == ["model.layers.0.norm"] && config["bias"] == "all")
    #expect(config["target_modules"] == ["q_proj"] && config["lora_alpha"] == config["r"])
  }

  @Test("GPT-2's weights lie inputs × outputs, and come back as they were")
  func inputsFirst() throws {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("base", UInt64(0)), ("ft", 9)] {
      let path = try stage.write(
        name,
        [("h.0.attn.c_attn", [24, 72]), ("h.0.attn.c_proj", [24, 24])].map { module, shape in
          Stage.Content(
            name: module + ".weight", dtype: .bf16, shape: shape,
            bytes: Stage.weights(shape[0] * shape[1], seed: UInt64(shape[1]), tune: tune))
        })
      try Data(#"{"model_type": "gpt2"}"#.utf8).write(to: URL(fileURLWithPath: path + "/config.json"))
      _ = try store.importCheckpoint(at: path, name: name, base: nil)
    }
    _ = try store.extract("ft", base: "base", rank: 24, to: stage.folder.path + "/lora", name: "lora")
    let header = try SafetensorsHeader.read(stage.folder.path + "/lora/adapter_model.safetensors")
    let b = header.tensors.first { $0.name == "base_model.model.h.0.attn.c_attn.lora_B.weight" }
    #expect(b?.shape == Shape([72, 24]))
    let fused = try store.merge(
      recipe: "merge_method: passthrough\nmodels: [{model: base+lora}]", relativeTo: "/", name: nil)
    #expect(try store.show(fused.id).weightsID == store.show("ft").weightsID)
  }

  @Test("equal models, tensors that one lacks, adapters and folders in the way are refused, and nothing is left")
  func refusals() throws {
    let (stage, store) = try prepared()
    func refusal(_ model: String, _ base: String, _ out: String) -> RepositoryError? {
      #expect(throws: RepositoryError.self) {
        try store.extract(model, base: base, rank: 2, to: stage.folder.path + "/" + out, name: nil)
      }
    }
    #expect(refusal("base", "base", "x")?.kind == .invalidInput)
    #expect(refusal("ft", "base", "ft")?.kind == .conflict)
    #expect(refusal("ft", "none", "x")?.kind == .notFound)
    _ = try store.importCheckpoint(
      at: try stage.write("less", Array(model(seed: 5) { _ in true }.dropLast())), name: "less", base: nil)
    #expect(
      refusal("less", "base", "x")?.message == "tensor lm_head.weight: expected in both models, found in the base only")
    var broken = model(seed: 5) { _ in true }
    broken[1] = Stage.Content(
      name: broken[1].name, dtype: .bf16, shape: broken[1].shape, bytes: [0xC0, 0x7F] + broken[1].bytes.dropFirst(2))
    _ = try store.importCheckpoint(at: try stage.write("broken", broken), name: "broken", base: nil)
    #expect(refusal("broken", "base", "x")?.message.hasPrefix("tensor \(broken[1].name): finite numbers") == true)
    _ = try store.extract("ft", base: "base", rank: 2, to: nil, name: "lora")
    #expect(refusal("lora", "base", "x")?.kind == .invalidInput)
    #expect(throws: RepositoryError.self) {
      try store.extract("ft", base: "base", rank: 2, to: stage.folder.path + "/x", name: "base")
    }
    #expect(!stage.holds("x"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: stage.store + "/tmp").isEmpty)
  }
}
