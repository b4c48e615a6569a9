import Checkpoints
import Testing

@Suite("which files are the model") struct WeightFilesTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func weights(_ chosen: String? = nil) throws -> [String] {
    try CheckpointFolder.scan(folder.path, weights: chosen).weights.paths
  }

  private static func shard(_ number: Int, of count: Int) -> String {
    "model-0000\(number)-of-0000\(count).safetensors"
  }

  /// Files of a folder, and those of them that are the model, by their names alone.
  static let layouts: [(files: [String], model: [String])] = [
    (["model.safetensors", "consolidated.safetensors", "model.fp16.safetensors"], ["model.safetensors"]),
    (["model.safetensors", "original/model.safetensors", "2_Dense/model.safetensors"], ["model.safetensors"]),
    (["model.safetensors", "checkpoint-500/model.safetensors", shard(1, of: 2)], ["model.safetensors"]),
    ([shard(1, of: 2), shard(2, of: 2), "consolidated.safetensors"], [shard(1, of: 2), shard(2, of: 2)]),
    ([shard(1, of: 2), shard(2, of: 2), shard(3, of: 3)], [shard(1, of: 2), shard(2, of: 2)]),
    ([shard(1, of: 3), shard(2, of: 3)], [shard(1, of: 3), shard(2, of: 3)]),
    (["model-00001-of-00001.fp16.safetensors", shard(1, of: 1)], [shard(1, of: 1)]),
    (["foo.safetensors"], ["foo.safetensors"]),
    (["a.safetensors", "b.safetensors", "consolidated.00.safetensors"], ["a.safetensors", "b.safetensors"]),
    (["foo.safetensors", "foo.fp16.safetensors", "adapter_model.safetensors"], ["foo.safetensors"]),
    (["llama-3.1-8b.safetensors"], ["llama-3.1-8b.safetensors"]),
    (["consolidated.safetensors", "sub/model.safetensors"], ["consolidated.safetensors"]),
    (["diffusion_pytorch_model.safetensors", "x.safetensors"], ["diffusion_pytorch_model.safetensors"]),
    (
      [
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
      ],
      [
        "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
      ]
    ),
    (["adapter_model.safetensors"], ["adapter_model.safetensors"]),
    (["adapter_config.json", "adapter_model.safetensors", "stray.safetensors"], ["adapter_model.safetensors"]),
    (["adapter_config.json", "adapter_model.safetensors", "model.safetensors"], ["model.safetensors"]),
    (["mask_config.json", "mask.safetensors", "stray.safetensors"], ["mask.safetensors"]),
  ]

  @Test("the files that a loader would load are the model, and no others", arguments: layouts.indices)
  func findsModel(layout: Int) throws {
    let (files, model) = Self.layouts[layout]
    #expect(WeightFiles(among: files).paths == model)
    for (number, file) in files.enumerated() where file.hasSuffix(".safetensors") {
      try folder.writeTensors(file, ["t\(number)"])
    }
    guard files.allSatisfy({ $0.hasSuffix(".safetensors") }) else { return }
    #expect(try weights() == model)
  }

  @Test("shards of any name are the model where the index in the folder itself lists them")
  func takesIndex() throws {
    try folder.writeTensors("x.safetensors", ["a"])
    try folder.writeTensors("y.safetensors", ["b"])
    try folder.writeTensors(Self.shard(3, of: 3), ["b"])
    try folder.writeIndex([("a", "x.safetensors"), ("b", "y.safetensors")])
    #expect(try weights() == ["x.safetensors", "y.safetensors"])
  }

  @Test("an index inside, however broken, refuses nothing")
  func keepsBrokenIndexInside() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.writeTensors("sub/model.safetensors", ["b"])
    try folder.write("sub/model.safetensors.index.json", text: "{")
    let scan = try CheckpointFolder.scan(folder.path)
    #expect(scan.weights.paths == ["model.safetensors"] && scan.files.count == 3 && scan.remarks.isEmpty)
  }

  @Test("an index that does not hold is passed over with a remark beside a whole file, and refused without")
  func passesOverStaleIndex() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.writeIndex([("a", Self.shard(1, of: 2)), ("b", Self.shard(2, of: 2))])
    let scan = try CheckpointFolder.scan(folder.path)
    #expect(scan.weights.paths == ["model.safetensors"])
    #expect(scan.remarks.count == 1 && scan.remarks[0].contains("model.safetensors.index.json"))
    try folder.writeTensors(Self.shard(1, of: 2), ["a"])
    #expect(try CheckpointFolder.scan(folder.path).remarks.count == 1)
  }

  @Test("a whole file and the index's shards with the same tensors are either; with others both are named")
  func comparesTwoSets() throws {
    try folder.writeTensors("model.safetensors", ["a", "b"])
    try folder.writeTensors(Self.shard(1, of: 2), ["a"])
    try folder.writeTensors(Self.shard(2, of: 2), ["b"])
    try folder.writeIndex([("a", Self.shard(1, of: 2)), ("b", Self.shard(2, of: 2))])
    #expect(try weights() == ["model.safetensors"])
    try folder.writeTensors("model.safetensors", ["a", "b", "c"])
    let index = "model.safetensors.index.json"
    let error = CheckpointError.weights(
      path: folder.path, .twoModels(first: "model.safetensors", second: index, tensor: "c"))
    #expect(throws: error) { try weights() }
    #expect(try weights("model.safetensors") == ["model.safetensors"])
    #expect(try weights(index) == [Self.shard(1, of: 2), Self.shard(2, of: 2)])
    #expect(try weights(Self.shard(2, of: 2)) == [Self.shard(1, of: 2), Self.shard(2, of: 2)])
  }

  @Test("one byte of difference between a whole file and the shards is found")
  func comparesBytes() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.writeTensors("x.safetensors", ["a"])
    try folder.writeIndex([("a", "x.safetensors")])
    #expect(try weights() == ["model.safetensors"])
    var bytes = try folder.read("x.safetensors")
    bytes[bytes.count - 1] = 1
    try folder.write("x.safetensors", bytes)
    let error = #expect(throws: CheckpointError.self) { try weights() }
    #expect(error?.hint == "say which to take: --weights model.safetensors")
  }

  @Test("what is chosen must be weights of a model")
  func refusesChoices() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.write("config.json", text: "{}")
    for chosen in ["config.json", "none.safetensors", "../model.safetensors"] {
      #expect(throws: CheckpointError.weights(path: folder.path, .noWeights(chosen: chosen))) { try weights(chosen) }
    }
  }
}
