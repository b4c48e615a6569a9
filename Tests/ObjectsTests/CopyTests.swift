import Objects
import Testing

@Suite("frames that move to another pack")
struct CopyTests {
  let stage: Stage
  private let base = Array("a base of more than one block".utf8)
  private let delta = Array("a delta".utf8)

  init() throws { stage = try Stage() }

  @Test("a copied frame has the same bytes, base and entry, only elsewhere")
  func verbatim() throws {
    let writer = try stage.writer()
    for object in [Array("not needed".utf8), base] { try writer.put(object) }
    try writer.put(delta, base: Digest(of: base))
    try writer.put([])
    let old = try writer.seal(into: stage.path + "/packs")
    let bytes = try stage.pack(old.digest)
    let file = try stage.write("tmp/old", bytes)

    let copier = try stage.writer()
    for entry in old.entries.dropFirst() {
      try copier.copyFrame(of: entry.digest, in: file, path: "old", offset: entry.offset, length: entry.length)
    }
    let new = try copier.seal(into: stage.path + "/packs")
    let kept = old.entries.dropFirst()
    #expect(new.entries.map(\.digest) == kept.map(\.digest))
    #expect(new.entries.map(\.base) == kept.map(\.base))
    #expect(new.entries.map(\.length) == kept.map(\.length))
    #expect(new.entries.map(\.offset) == kept.map { $0.offset - old.entries[0].length })
    let frames = old.entries[1].offset..<old.entries[3].offset + old.entries[3].length
    #expect(Array(try stage.pack(new.digest)[8..<8 + frames.count]) == Array(bytes[frames]))
    #expect(new.size == Pack.size(frames: 3, frameBytes: frames.count))
  }

  @Test("a frame with any byte changed is not copied")
  func damaged() throws {
    let writer = try stage.writer()
    try writer.put(base, base: Digest(of: delta))
    let pack = try writer.seal(into: stage.path + "/packs")
    let whole = try stage.pack(pack.digest)
    let entry = pack.entries[0]
    for position in entry.offset..<entry.offset + entry.length {
      var bytes = whole
      bytes[position] ^= 0x10
      let file = try stage.write("tmp/hurt-\(position)", bytes)
      let copier = try stage.writer()
      #expect(throws: ObjectsError.self, "byte \(position)") {
        try copier.copyFrame(of: entry.digest, in: file, path: "hurt", offset: entry.offset, length: entry.length)
      }
      copier.discard()
    }
  }
}
