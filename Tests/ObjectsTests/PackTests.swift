import Objects
import Testing

@Suite("packs")
struct PackTests {
  let stage: Stage
  let hello = Array("hello, world".utf8)

  init() throws { stage = try Stage() }

  /// The whole pack of one object, by hand from `PackFormat.md` but for digests and checksums.
  @Test("a pack of one frame has the bytes that the format says")
  func golden() throws {
    let writer = try stage.writer()
    try writer.put(hello)
    let sealed = try writer.seal(into: stage.path + "/packs")
    let bytes = try stage.pack(sealed.digest)
    func sum(_ bytes: some Collection<UInt8>) -> [UInt8] {
      let value = Array(bytes).withUnsafeBytes { checksum($0) }
      return (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }
    let object = Digest(hex: "09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b")!.bytes
    var trailer: [UInt8] = [0, 0, 1, 0, 8, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0] + object + [2, 0, 0, 0]
    trailer += [0, 8, 0, 0, 0] + sum(hello[0..<8]) + [0, 4, 0, 0, 0] + sum(hello[8...])
    var frame: [UInt8] = Array("STFR".utf8) + [1, 0, 0, 0] + hello
    frame += trailer + sum(trailer) + [70, 0, 0, 0] + Array("RFTS".utf8)
    var index = object + [8, 0, 0, 0, 0, 0, 0, 0, 102, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0]
    index += [UInt8](repeating: 0, count: 32) + [1, 0, 0, 0]
    let whole = Array("STPK".utf8) + [1, 0, 0, 0] + frame + index + sum(index) + Array("STPKEND1".utf8)
    #expect(bytes == whole)
    #expect(sealed.digest.hex == "578a9a7b4e1e8d7623d5e40b12801457bf257f333488b4ed39422bf092085fff")
  }

  @Test("every changed byte of a pack is found by the index, a trailer or a block's checksum")
  func flips() throws {
    let writer = try stage.writer()
    try writer.put(hello)
    try writer.put([1, 2, 3], base: Digest(of: hello))
    try writer.put([])
    let whole = try stage.pack(try writer.seal(into: stage.path + "/packs").digest)
    try readAll(whole, "whole")
    for index in whole.indices {
      for flip in [UInt8(1), 0x80] {
        var bytes = whole
        bytes[index] ^= flip
        #expect(throws: ObjectsError.self, "byte \(index)") { try readAll(bytes, "\(index)-\(flip)") }
      }
    }
  }

  @Test("a pack cut short anywhere is refused")
  func truncations() throws {
    let writer = try stage.writer()
    try writer.put(hello)
    let whole = try stage.pack(try writer.seal(into: stage.path + "/packs").digest)
    for count in whole.indices {
      let file = try stage.write("tmp/cut-\(count)", Array(whole[0..<count]))
      #expect(throws: ObjectsError.self, "\(count) bytes") { try Pack.readIndex(of: file, path: "cut") }
    }
  }

  @Test("newer packs and frames are refused with both versions")
  func versions() throws {
    let writer = try stage.writer()
    try writer.put(hello)
    var bytes = try stage.pack(try writer.seal(into: stage.path + "/packs").digest)
    bytes[12] = 2
    let frame = try stage.write("tmp/frame", bytes)
    #expect(throws: ObjectsError.newerVersion(what: "a frame in p", found: 2, supported: 1)) {
      try Pack.readTrailer(in: frame, offset: 8, length: 102, object: nil, path: "p")
    }
    bytes[4] = 2
    let pack = try stage.write("tmp/pack", bytes)
    #expect(throws: ObjectsError.newerVersion(what: "p", found: 2, supported: 1)) {
      try Pack.readIndex(of: pack, path: "p")
    }
  }

  @Test("a dropped frame leaves no trace, and the pack is still named by its bytes")
  func drops() throws {
    let plain = try stage.writer()
    try plain.put(hello)
    try plain.put([9])
    let expected = try plain.seal(into: stage.path + "/packs")
    let writer = try stage.writer()
    try writer.put([1, 2, 3, 4], finish: false)
    try writer.dropFrame()
    #expect(writer.isEmpty && writer.size == 8)
    try writer.put(hello)
    try writer.put([UInt8](repeating: 5, count: 200), finish: false)
    try writer.dropFrame()
    try writer.put([9])
    let sealed = try writer.seal(into: stage.path + "/packs")
    #expect(sealed.digest == expected.digest && sealed.entries == expected.entries)
    let bytes = try stage.pack(sealed.digest)
    #expect(Digest(of: bytes) == sealed.digest && bytes.count == sealed.size)
  }

  @Test("a frame that holds another object than was asked for is refused")
  func otherObject() throws {
    let writer = try stage.writer()
    try writer.put(hello)
    let bytes = try stage.pack(try writer.seal(into: stage.path + "/packs").digest)
    let file = try stage.write("tmp/p", bytes)
    #expect(throws: ObjectsError.self) {
      try Pack.readTrailer(in: file, offset: 8, length: 102, object: Digest(of: [1]), path: "p")
    }
  }

  @Test("the dtype that a base is cast from is kept, by a copy too; without a base it is refused")
  func casts() throws {
    let writer = try stage.writer()
    for base in [Digest(of: [7]), nil] {
      try writer.beginFrame()
      try hello.withUnsafeBytes { try writer.append($0, codec: 0, checksum: checksum($0)) }
      try writer.finishFrame(
        dtype: 15, width: 2, blockBytes: 16, rawBytes: 12, digest: Digest(of: hello), base: base, castFrom: 18)
    }
    let sealed = try writer.seal(into: stage.path + "/packs")
    let file = try stage.write("tmp/p", try stage.pack(sealed.digest))
    func trailer(_ index: Int, of entries: [Pack.Entry], in file: any StorageFile) throws -> FrameTrailer {
      try Pack.readTrailer(
        in: file, offset: entries[index].offset, length: entries[index].length, object: nil, path: "p")
    }
    #expect(try trailer(0, of: sealed.entries, in: file).castFrom == 18)
    #expect(throws: ObjectsError.self) { try trailer(1, of: sealed.entries, in: file) }
    let copy = try stage.writer()
    let frame = sealed.entries[0]
    try copy.copyFrame(of: frame.digest, in: file, path: "p", offset: frame.offset, length: frame.length)
    let copied = try copy.seal(into: stage.path + "/packs")
    let other = try stage.write("tmp/q", try stage.pack(copied.digest))
    #expect(try trailer(0, of: copied.entries, in: other) == trailer(0, of: sealed.entries, in: file))
  }

  /// What `verify` does short of decoding: index, trailers that agree with it, block checksums.
  private func readAll(_ bytes: [UInt8], _ name: String) throws {
    let file = try stage.write("tmp/\(name)", bytes)
    for entry in try Pack.readIndex(of: file, path: name) {
      let trailer = try Pack.readTrailer(
        in: file, offset: entry.offset, length: entry.length, object: entry.digest, path: name)
      #expect(trailer.base == entry.base && trailer.rawBytes == entry.rawBytes)
      for (index, block) in trailer.blocks.enumerated() {
        let coded = try file.bytes(at: entry.offset + trailer.offsets[index], count: block.length, path: name)
        let found = coded.withUnsafeBytes { checksum($0) }
        guard found == block.checksum else {
          throw ObjectsError.blockChecksum(
            object: entry.digest, pack: name, block: index, expected: block.checksum, found: found)
        }
      }
    }
  }
}
