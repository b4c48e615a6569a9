internal import JSON

/// The safetensors files of a folder that together are one model: those of one index, or the siblings of one numbering.
/// No tensor may be in two files of one set.
struct ShardSets {
  private static let maxIndexSize = 100_000_000
  /// Compared at a time.
  private static let readBytes = 1 << 20

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

  /// The files whose tensors are the model, and remarks on indexes that were passed over.
  ///
  /// - Parameter chosen: a safetensors file or an index that the user names; nil for the rule of `WeightFiles`.
  /// - Throws: for an index in the folder itself that is refused, where there is no whole file beside it; for a whole
  ///   file and shards that are not the same tensors; for a tensor that is in two shards.
  func weights(chosen: String?) throws(CheckpointError) -> (WeightFiles, remarks: [String]) {
    let all = files.map(\.path)
    if let chosen { return (try chosenFiles(chosen, among: all), []) }
    var remarks: [String] = []
    var listed: [String: [String]] = [:]
    if WeightFiles.ownFiles(all) == nil {
      for (folder, paths) in Dictionary(grouping: all, by: \.folder).sorted(by: { $0.key.precedes($1.key) }) {
        // What lies in folders inside is looked at only where nothing is above.
        if !folder.isEmpty, all.contains(where: { !$0.contains("/") && $0.hasSuffix(WeightFiles.ending) }) { break }
        guard let stem = WeightFiles.stem(of: paths) else { continue }
        let index = folder.joined(stem + WeightFiles.indexEnding)
        let whole = folder.joined(stem + WeightFiles.ending)
        let isWhole = headers[whole] != nil
        guard let file = files.first(where: { $0.path == index }) else { continue }
        do throws(CheckpointError) {
          listed[index] = try shards(listedBy: file)
        } catch {
          guard isWhole || !folder.isEmpty else { throw error }
          remarks.append("passed over an index that does not hold: \(error)")
        }
        if isWhole, let shards = listed[index] { try requireSame(whole, shards, of: index) }
      }
    }
    let found = WeightFiles(among: all, listed: listed)
    let numbered = Dictionary(grouping: found.paths, by: \.folder)
    for folder in numbered.keys.sorted(by: { $0.precedes($1) }) {
      let paths = numbered[folder] ?? []
      for stem in WeightFiles.stems { try requireOnce(WeightFiles.shards(of: stem, among: paths)) }
    }
    return (found, remarks)
  }

  private func chosenFiles(_ chosen: String, among all: [String]) throws(CheckpointError) -> WeightFiles {
    if let own = WeightFiles.ownFiles(all), own != [chosen] {
      throw .weights(path: root, .ownFile(chosen: chosen, own: own.first))
    }
    if headers[chosen] != nil {
      let set = WeightFiles.set(of: chosen, among: all.filter { headers[$0] != nil })
      try requireOnce(set)
      return WeightFiles(set)
    }
    guard let file = files.first(where: { $0.path == chosen }), chosen.hasSuffix(".index.json") else {
      throw .weights(path: root, .noWeights(chosen: chosen))
    }
    return WeightFiles(try shards(listedBy: file))
  }

  /// Refuses a whole file beside shards of which one holds another tensor, by name, form or bytes.
  private func requireSame(_ whole: String, _ shards: [String], of index: String) throws(CheckpointError) {
    if shards == [whole] { return }
    func wrong(_ tensor: String) -> CheckpointError {
      .weights(path: root, .twoModels(first: whole, second: index, tensor: tensor))
    }
    var holders: [String: (path: String, tensor: TensorRecord)] = [:]
    for shard in shards {
      for tensor in headers[shard]?.tensors ?? [] { holders[tensor.name] = (shard, tensor) }
    }
    let tensors = headers[whole]?.tensors ?? []
    for tensor in tensors {
      guard let other = holders.removeValue(forKey: tensor.name) else { throw wrong(tensor.name) }
      guard tensor.dtype == other.tensor.dtype, tensor.shape == other.tensor.shape,
        try hasSameBytes((whole, tensor), other)
      else { throw wrong(tensor.name) }
    }
    if let rest = holders.keys.min(by: { $0.precedes($1) }) { throw wrong(rest) }
  }

  private func hasSameBytes(
    _ a: (path: String, tensor: TensorRecord), _ b: (path: String, tensor: TensorRecord)
  ) throws(CheckpointError) -> Bool {
    guard let first = headers[a.path], let second = headers[b.path] else { return false }
    let left = try ReadFile(root.joined(a.path))
    let right = try ReadFile(root.joined(b.path))
    for start in stride(from: 0, to: a.tensor.byteCount, by: Self.readBytes) {
      let count = min(Self.readBytes, a.tensor.byteCount - start)
      let mine = try left.bytes(at: first.dataStart + a.tensor.begin + start, count: count)
      if try right.bytes(at: second.dataStart + b.tensor.begin + start, count: count) != mine { return false }
    }
    return true
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

  /// The paths of an index's shards, which are there and hold the tensors that it says, each once and no others.
  private func shards(listedBy file: CheckpointFile) throws(CheckpointError) -> [String] {
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
    return shards.map { folder.joined($0) }
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
