internal import JSON

/// The safetensors files of a folder that together are one model: those of one index, and the siblings named
/// `model-….safetensors`. No tensor may be in two files of one set.
struct ShardSets {
  private static let maxIndexSize = 100_000_000

  let root: String
  private let files: [CheckpointFile]
  private let headers: [String: SafetensorsHeader]

  init(root: String, files: [CheckpointFile]) {
    self.root = root
    self.files = files
    var headers: [String: SafetensorsHeader] = [:]
    for file in files { headers[file.path] = file.header }
    self.headers = headers
  }

  func check() throws(CheckpointError) {
    for file in files where file.path.hasSuffix(".safetensors.index.json") {
      try check(index: file)
    }
    var siblings: [[String]: [String]] = [:]
    for file in files where file.header != nil {
      if let variant = Self.variant(of: file.path) {
        siblings[[file.path.folder, variant], default: []].append(file.path)
      }
    }
    for key in siblings.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      try requireOnce(siblings[key] ?? [])
    }
  }

  /// Empty for `model-….safetensors`, `fp16` for `model-….fp16.safetensors`, nil for files of other names.
  private static func variant(of path: String) -> String? {
    let name = path.lastName
    guard name.hasPrefix("model-"), name.hasSuffix(".safetensors") else { return nil }
    return name.dropLast(".safetensors".count).split(separator: ".").dropFirst().joined(separator: ".")
  }

  /// Refuses a tensor that is in two of the files.
  private func requireOnce(_ paths: [String]) throws(CheckpointError) {
    guard paths.count > 1 else { return }
    var holders: [String: String] = [:]
    for path in paths {
      for tensor in headers[path]?.tensors ?? [] {
        if let first = holders.updateValue(path, forKey: tensor.name) {
          throw .tensorTwice(tensor: tensor.name, first: root.joined(first), second: root.joined(path))
        }
      }
    }
  }

  private func check(index file: CheckpointFile) throws(CheckpointError) {
    let path = root.joined(file.path)
    let listed = try read(index: file, path)
    let folder = file.path.folder
    let shards = Set(listed.map(\.shard)).sorted { $0.precedes($1) }
    for shard in shards where headers[folder.joined(shard)] == nil {
      throw .index(path: path, .shardMissing(shard: shard))
    }
    try requireOnce(shards.map { folder.joined($0) })
    var held: [String: Set<String>] = [:]
    for shard in shards {
      held[shard] = Set((headers[folder.joined(shard)]?.tensors ?? []).map(\.name))
    }
    for (tensor, shard) in listed where held[shard]?.contains(tensor) != true {
      throw .index(path: path, .tensorMissing(tensor: tensor, shard: shard))
    }
    let names = Set(listed.map(\.tensor))
    for shard in shards {
      for tensor in headers[folder.joined(shard)]?.tensors ?? [] where !names.contains(tensor.name) {
        throw .index(path: path, .tensorUnlisted(tensor: tensor.name, shard: shard))
      }
    }
  }

  /// The entries of the index's weight map.
  private func read(
    index file: CheckpointFile, _ path: String
  ) throws(CheckpointError) -> [(tensor: String, shard: String)] {
    guard file.size <= Self.maxIndexSize else {
      throw .index(path: path, .tooLong(size: file.size, limit: Self.maxIndexSize))
    }
    let bytes = try ReadFile(path).bytes(at: 0, count: file.size)
    let index: JSONValue
    do throws(JSONError) {
      index = try JSONValue.parse(bytes)
    } catch {
      throw .index(path: path, .notJSON(error))
    }
    guard let map = index["weight_map"], let members = map.members else {
      throw .index(path: path, .noWeightMap(found: index["weight_map"]?.kind ?? "none"))
    }
    var entries: [(tensor: String, shard: String)] = []
    for member in members {
      guard let shard = member.value.text else {
        throw .index(path: path, .shardNotText(tensor: member.key, found: member.value.kind))
      }
      guard !shard.hasPrefix("/"), !shard.split(separator: "/").contains(".."), !shard.contains("\\") else {
        throw .index(path: path, .shardOutside(tensor: member.key, shard: shard))
      }
      entries.append((member.key, shard))
    }
    return entries
  }
}
