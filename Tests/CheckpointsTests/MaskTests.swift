import JSON
import Tensors
import Testing

@testable import Checkpoints

@Suite("masks and subspaces, their configurations")
struct MaskTests {
  private let mask = Mask(
    space: .loraFactor, rule: .bernoulli(seed: 7, rng: MaskRule.rng),
    tensors: [
      .init(name: "b", shape: Shape([3, 5]), ones: 4), .init(name: "a", shape: Shape([8]), ones: 8),
      .init(name: "c", shape: Shape([0]), ones: 0),
    ], data: [.init(name: "safety.jsonl", sha256: "ab")], training: ["steps": 3], madeFrom: ["cd"])

  private func outline(_ name: String, _ dtype: DType, _ shape: [Int]) -> TensorOutline {
    TensorOutline(name: name, dtype: dtype, shape: Shape(shape))
  }

  private var bits: [TensorOutline] { [outline("a", .u8, [1]), outline("b", .u8, [2]), outline("c", .u8, [0])] }

  @Test("a configuration that was written is read as it was, for every rule")
  func roundTrip() throws {
    #expect(try Mask(parsing: mask.config, bits: bits, path: "m") == mask)
    #expect(mask.elements == 23 && mask.ones == 12 && mask.density == 12.0 / 23)
    let rules: [MaskRule] = [
      .given, .threshold(-0.5), .random(density: 0.25, seed: 3), .random(density: nil, seed: 3),
      .magnitude(share: 0.1), .combination(operation: "xor"),
    ]
    for rule in rules {
      let other = Mask(space: .weight, rule: rule, tensors: mask.tensors)
      #expect(try Mask(parsing: other.config, bits: bits, path: "m") == other)
    }
  }

  private func fault(_ text: String, bits: [TensorOutline]? = nil) -> NamedTensorsFault? {
    let error = #expect(throws: CheckpointError.self) {
      try Mask(parsing: Array(text.utf8), bits: bits ?? self.bits, path: "m")
    }
    if case .named(_, let fault)? = error { return fault }
    return nil
  }

  private func text(
    format: String = "1", space: String = "\"weight\"", rule: String = "{\"kind\": \"given\"}",
    tensors: String = "{\"a\": {\"shape\": [8], \"ones\": 1}}"
  ) -> String {
    "{\"format\": \(format), \"space\": \(space), \"rule\": \(rule), \"tensors\": \(tensors)}"
  }

  @Test("what a configuration must not say is refused, and what was found is told")
  func refusals() {
    #expect(fault("[1]")?.description == "mask_config.json: expected an object, found an array")
    #expect(fault("{")?.description.contains("byte 1") == true)
    #expect(fault(text(format: "2")) == .newerFormat(2, supported: 1))
    #expect(fault(text(format: "2"))?.isUnsupported == true)
    #expect(fault(text(format: "0"))?.description == "format: expected 1, found 0")
    #expect(fault(text(format: "\"1\""))?.description.contains("a whole number") == true)
    #expect(fault(text(space: "\"head\""))?.description == "space: expected weight or lora_factor, found 'head'")
    #expect(fault(text(rule: "{\"kind\": \"magic\"}"))?.description.contains("found 'magic'") == true)
    #expect(fault(text(rule: "{\"kind\": \"threshold\"}"))?.description == "rule value: expected a number, found none")
    #expect(fault(text(rule: "3"))?.description == "rule: expected an object, found 3")
    #expect(fault(text(tensors: "{}"))?.description == "tensors: expected at least one tensor, found none")
    for shape in ["[-1]", "[1.5]", "8", "[\"8\"]"] {
      let found = fault(text(tensors: "{\"a\": {\"shape\": \(shape), \"ones\": 1}}"))
      #expect(found?.description.contains("extents of 0 or more") == true, "\(shape)")
    }
    let huge = fault(text(tensors: "{\"a\": {\"shape\": [4611686018427387904, 4], \"ones\": 1}}"))
    #expect(huge?.description.contains("63 bits") == true)
    #expect(fault(text(tensors: "{\"a\": {\"shape\": [8], \"ones\": 9}}"))?.description.contains("found 9") == true)
    #expect(fault(text(tensors: "{\"a\": {\"shape\": [8], \"ones\": -1}}")) != nil)
  }

  @Test("bits of another length, none, and bits of no tensor are refused by name")
  func misfits() {
    let one = [outline("a", .u8, [1])]
    #expect(fault(text(), bits: []) == .missingTensor("a", expected: "U8 [1]"))
    #expect(fault(text(), bits: [outline("a", .u8, [2])]) == .form("a", expected: "U8 [1]", found: "U8 [2]"))
    #expect(fault(text(), bits: [outline("a", .bool, [1])]) == .form("a", expected: "U8 [1]", found: "BOOL [1]"))
    #expect(
      fault(text(), bits: one + [outline("z", .u8, [1])]) == .unlistedTensor("z", config: "mask_config.json"))
  }

  @Test("a folder is a mask by its two files, with no other tensors beside them")
  func kind() {
    #expect(Mask.isMask(["README.md", "mask.safetensors", "mask_config.json", "more/x.safetensors"]))
    #expect(!Mask.isMask(["mask.safetensors", "mask_config.json", "model.safetensors"]))
    #expect(!Mask.isMask(["mask.safetensors"]) && !Mask.isMask(["mask_config.json"]))
    #expect(Subspace.isSubspace(["subspace.safetensors", "subspace_config.json"]))
  }

  @Test("a subspace's configuration comes back as it was, and one that does not fit its bases is refused")
  func subspaces() throws {
    let subspace = Subspace(
      rule: .energy(0.9), tensors: [.init(name: "w", shape: Shape([6, 4]), rank: 2, energy: 0.93)], aligned: "aa",
      unaligned: "bb")
    let basis = [outline("w", .f32, [6, 2])]
    #expect(try Subspace(parsing: subspace.config, bases: basis, path: "s") == subspace)
    let text = String(decoding: subspace.config, as: UTF8.self)
    func fault(_ text: String, _ bases: [TensorOutline]) -> String? {
      let error = #expect(throws: CheckpointError.self) {
        try Subspace(parsing: Array(text.utf8), bases: bases, path: "s")
      }
      return error?.description
    }
    #expect(fault(text, [outline("w", .f32, [6, 3])])?.contains("expected F32 [6, 2], found F32 [6, 3]") == true)
    #expect(fault(text, [outline("w", .bf16, [6, 2])])?.contains("found BF16") == true)
    #expect(fault(text, [])?.contains("'w': expected F32 [6, 2], found none") == true)
    let right = text.replacing("\"left\"", with: "\"right\"")
    #expect(fault(right, basis)?.contains("side: expected left, found 'right'") == true)
    let wide = text.replacing("\"rank\": 2", with: "\"rank\": 7")
    #expect(fault(wide, basis)?.contains("expected 1 to 6, found 7") == true)
  }
}
