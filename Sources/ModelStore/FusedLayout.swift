import Checkpoints
import Foundation
import JSON
import Merging
import Objects
import Tensors

/// The files of a fused model: tensors in the official order, shards of at most 5 GB, and what the donor brings along.
///
/// The donor is the base model, else the first input. Its configuration and tokenizer files are taken over; its own
/// card, shard index, training state and pickles are not.
struct FusedLayout {
  /// A safetensors file to be.
  struct Shard {
    let path: String
    let headerBytes: [UInt8]
    /// Into the plan's tensors.
    let tensors: [Int]
    let size: Int
  }

  static let shardBytes = 5_000_000_000

  let shards: [Shard]
  /// Files made here: the recipe, the card, the shard index, a changed configuration.
  let made: [(path: String, bytes: [UInt8])]
  /// Paths of the donor's files that are taken over as they are.
  let takenOver: [String]

  /// - Parameters:
  ///   - models: the recipe's models in the order of references.
  ///   - vocabulary: what the recipe's tokenizer comes to.
  init(
    plan: Plan, recipe: Recipe, models: [MergeSource], vocabulary: OutputVocabulary?, writesCard: Bool = true
  ) throws {
    let donor = recipe.donor
    let files = models[donor].files
    let rows = vocabulary.flatMap { vocabulary in
      vocabulary.rows(of: files.reference).map { (from: $0, to: vocabulary.rows) }
    }
    let tokenizer = try TokenizerTexts(recipe, vocabulary: vocabulary, models: models.map(\.files), donor: donor)
    var made: [(path: String, bytes: [UInt8])] = [("mergekit_config.yml", Array(recipe.text.utf8))]
    if writesCard { made.append(("README.md", Array(ModelCard.text(recipe).utf8))) }
    let groups = Self.split(plan)
    shards = try groups.enumerated().map { index, tensors in
      try Self.shard(plan, tensors, path: Self.name(index, of: groups.count))
    }
    if groups.count > 1 { made.append(("model.safetensors.index.json", Self.index(shards, plan: plan))) }
    let edits = ConfigEdits(plan, recipe, donor: plan.donor(of: recipe, models.map(\.input)), rows: rows)
    if let edited = try files.read("config.json").flatMap(edits.apply) {
      made.append(("config.json", edited))
    }
    made += tokenizer.made.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    self.made = made
    takenOver = files.paths.filter { path in
      Self.isTakenOver(path) && !tokenizer.dropped.contains(path) && !made.contains { $0.path == path }
    }
  }

  /// True for files that describe the model and not the training run it came from.
  static func isTakenOver(_ path: String) -> Bool {
    let name = path.lowercased()
    let dropped = [
      ".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl", ".gguf",
      ".h5", ".msgpack", ".onnx",
    ]
    return !path.contains("/") && !dropped.contains { name.hasSuffix($0) } && name != "readme.md"
      && name != "mergekit_config.yml" && name != ".gitattributes" && name != "trainer_state.json"
  }

  private static func split(_ plan: Plan) -> [[Int]] {
    let outlines = plan.tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: $0.shape) }
    let indices = Dictionary(outlines.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    var groups: [[Int]] = [[]]
    var bytes = 0
    for index in outlines.indices.sorted(by: { outlines[$0].name < outlines[$1].name }) {
      let size = outlines[index].shape.byteCount(of: outlines[index].dtype) ?? 0
      if bytes > 0, bytes + size > shardBytes {
        groups.append([])
        bytes = 0
      }
      groups[groups.count - 1].append(index)
      bytes += size
    }
    return groups.map { group in
      SafetensorsHeader.officialOrder(group.map { outlines[$0] }).map { indices[$0.name]! }
    }
  }

  private static func name(_ index: Int, of count: Int) -> String {
    func five(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)" }
    return count == 1 ? "model.safetensors" : "model-\(five(index + 1))-of-\(five(count)).safetensors"
  }

  private static func shard(_ plan: Plan, _ tensors: [Int], path: String) throws -> Shard {
    let outlines = tensors.map {
      TensorOutline(name: plan.tensors[$0].name, dtype: plan.tensors[$0].dtype, shape: plan.tensors[$0].shape)
    }
    let header = try SafetensorsHeader.canonicalBytes(tensors: outlines, metadata: [("format", "pt")])
    let bytes = outlines.reduce(8 + header.count) { $0 + ($1.shape.byteCount(of: $1.dtype) ?? 0) }
    return Shard(path: path, headerBytes: header, tensors: tensors, size: bytes)
  }

  private static func index(_ shards: [Shard], plan: Plan) -> [UInt8] {
    let total = shards.reduce(0) { $0 + $1.size - 8 - $1.headerBytes.count }
    let map = shards.flatMap { shard in
      shard.tensors.map { JSONValue.Member(plan.tensors[$0].name, .string(shard.path)) }
    }
    let value: JSONValue = [
      "metadata": ["total_size": .integer(total)], "weight_map": .object(map.sorted { $0.key < $1.key }),
    ]
    return Array((value.pretty() + "\n").utf8)
  }
}
