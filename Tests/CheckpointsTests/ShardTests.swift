import Checkpoints
import JSON
import Testing

@Suite("shards")
struct ShardTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func expect(_ fault: CheckpointError.IndexFault) {
    let error = CheckpointError.index(path: folder.path("model.safetensors.index.json"), fault)
    #expect(throws: error) { try CheckpointFolder.scan(folder.path) }
  }

  private func name(_ shard: Int, of count: Int) -> String { "model-0000\(shard)-of-0000\(count).safetensors" }

  /// Two shards with the tensors `a` and `b`.
  private func writePair() throws {
    try folder.writeTensors(name(1, of: 2), ["a"])
    try folder.writeTensors(name(2, of: 2), ["b"])
  }

  @Test("two to five shards with their index are taken, in a folder inside too", arguments: 2...5)
  func takesShards(count: Int) throws {
    for place in ["", "sub/"] {
      var map: [(String, String)] = []
      for shard in 1...count {
        try folder.writeTensors(place + name(shard, of: count), ["a\(shard)", "b\(shard)"])
        map += [("a\(shard)", name(shard, of: count)), ("b\(shard)", name(shard, of: count))]
      }
      try folder.writeIndex(map, at: place + "model.safetensors.index.json")
    }
    let scan = try CheckpointFolder.scan(folder.path)
    #expect(scan.files.count == 2 * (count + 1))
    #expect(scan.files.compactMap(\.header).map(\.tensors.count) == Array(repeating: 2, count: 2 * count))
  }

  @Test("an index that is not one is refused")
  func refusesOtherIndexes() throws {
    try writePair()
    let index = "model.safetensors.index.json"
    try folder.write(index, text: "{")
    expect(.notJSON(.unexpected(offset: 1, expected: "a key", found: "the end of the text")))
    try folder.write(index, text: "[]")
    expect(.noWeightMap(found: "none"))
    try folder.write(index, text: #"{"weight_map":[]}"#)
    expect(.noWeightMap(found: "an array"))
    try folder.write(index, text: #"{"weight_map":{"a":1}}"#)
    expect(.shardNotText(tensor: "a", found: "1"))
    try folder.write(index, text: #"{"weight_map":{"a":"x","a":"y"}}"#)
    expect(.notJSON(.duplicateKey(offset: 23, key: "a")))
  }

  @Test(
    "an index that names files elsewhere is refused",
    arguments: ["../model.safetensors", "/etc/passwd", "a/../../b", "..", "a\\\\b"])
  func refusesTraversal(shard: String) throws {
    try writePair()
    try folder.writeIndex([("a", shard)])
    expect(.shardOutside(tensor: "a", shard: shard == "a\\\\b" ? "a\\b" : shard))
  }

  @Test("an index that names a file that is not there, or is no safetensors file, is refused")
  func refusesMissingShards() throws {
    try writePair()
    try folder.writeIndex([("a", name(1, of: 2)), ("b", name(3, of: 3))])
    expect(.shardMissing(shard: name(3, of: 3)))
    try folder.write("b.bin", text: "")
    try folder.writeIndex([("a", name(1, of: 2)), ("b", "b.bin")])
    expect(.shardMissing(shard: "b.bin"))
  }

  @Test("an index that names a tensor its shard does not hold is refused")
  func refusesMissingTensors() throws {
    try writePair()
    try folder.writeIndex([("a", name(1, of: 2)), ("b", name(2, of: 2)), ("c", name(2, of: 2))])
    expect(.tensorMissing(tensor: "c", shard: name(2, of: 2)))
    try folder.writeIndex([("a", name(2, of: 2)), ("b", name(1, of: 2))])
    expect(.tensorMissing(tensor: "a", shard: name(2, of: 2)))
  }

  @Test("a tensor that the index does not list is refused")
  func refusesUnlistedTensors() throws {
    try folder.writeTensors(name(1, of: 2), ["a", "extra"])
    try folder.writeTensors(name(2, of: 2), ["b"])
    try folder.writeIndex([("a", name(1, of: 2)), ("b", name(2, of: 2))])
    expect(.tensorUnlisted(tensor: "extra", shard: name(1, of: 2)))
  }

  @Test("a tensor in two shards is refused, with an index and without")
  func refusesTensorsTwice() throws {
    try folder.writeTensors(name(1, of: 2), ["a", "b"])
    try folder.writeTensors(name(2, of: 2), ["b"])
    let (first, second) = (folder.path(name(1, of: 2)), folder.path(name(2, of: 2)))
    let error = CheckpointError.tensorTwice(tensor: "b", first: first, second: second)
    #expect(throws: error) { try CheckpointFolder.scan(folder.path) }
    try folder.writeIndex([("a", name(1, of: 2)), ("b", name(2, of: 2))])
    #expect(throws: error) { try CheckpointFolder.scan(folder.path) }
    #expect("\(error)" == "the tensor 'b' is in both '\(first)' and '\(second)'")
  }

  @Test("a tensor in two shards of other names is refused by their index")
  func refusesTensorsTwiceByIndex() throws {
    try folder.writeTensors("x.safetensors", ["a"])
    try folder.writeTensors("y.safetensors", ["a", "b"])
    #expect(throws: Never.self) { try CheckpointFolder.scan(folder.path) }
    try folder.writeIndex([("a", "x.safetensors"), ("b", "y.safetensors")])
    let error = CheckpointError.tensorTwice(
      tensor: "a", first: folder.path("x.safetensors"), second: folder.path("y.safetensors"))
    #expect(throws: error) { try CheckpointFolder.scan(folder.path) }
  }

  @Test("adapters, variants and other folders may repeat names")
  func allowsIndependentFiles() throws {
    try writePair()
    try folder.writeTensors("adapter_model.safetensors", ["a"])
    try folder.writeTensors("model-00001-of-00001.fp16.safetensors", ["a", "b"])
    try folder.writeTensors("sub/model-00001-of-00001.safetensors", ["a"])
    #expect(try CheckpointFolder.scan(folder.path).files.count == 5)
  }
}
