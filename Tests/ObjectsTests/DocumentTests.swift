import JSON
import Objects
import Testing

@Suite("digests, documents and the disk")
struct DocumentTests {
  @Test("the checksum is CRC-32C")
  func crc() {
    #expect(Array("123456789".utf8).withUnsafeBytes { checksum($0) } == 0xe306_9283)
    #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes { checksum($0) } == 0x8a91_36aa)
    #expect([UInt8](repeating: 0xff, count: 32).withUnsafeBytes { checksum($0) } == 0x62a8_ab43)
    #expect([UInt8]().withUnsafeBytes { checksum($0) } == 0)
  }

  @Test("a digest is read from 64 lower-case digits or 32 bytes only")
  func digests() {
    let abc = Digest(of: Array("abc".utf8))
    #expect(abc.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(Digest(hex: abc.hex) == abc && Digest(abc.bytes) == abc)
    #expect(Digest(hex: abc.hex.uppercased()) == nil && Digest(hex: String(abc.hex.dropLast())) == nil)
    #expect(Digest(hex: abc.hex + "0") == nil && Digest(hex: "g" + abc.hex.dropFirst()) == nil)
    #expect(Digest(abc.bytes.dropLast()) == nil && Digest(abc.bytes + [0]) == nil)
  }

  @Test("a digest taken in two parts, or continued from a copy, is that of the whole")
  func runningDigests() {
    var running = RunningDigest()
    Array("ab".utf8).withUnsafeBytes { running.update($0) }
    var copy = running
    Array("x".utf8).withUnsafeBytes { copy.update($0) }
    Array("c".utf8).withUnsafeBytes { running.update($0) }
    #expect(running.finish() == Digest(of: Array("abc".utf8)) && copy.finish() == Digest(of: Array("abx".utf8)))
  }

  @Test("a document whose bytes changed is refused, and so is one that is no object")
  func documents() throws {
    let stage = try Stage()
    let folder = DocumentFolder(storage: stage.storage, path: stage.path + "/documents", temporary: stage.path + "/tmp")
    let document = Document(["version": 1, "type": "name"])
    #expect(document.bytes == Array(#"{"type":"name","version":1}"#.utf8))
    try folder.put(document)
    try folder.put(document)
    #expect(try folder.get(document.digest).bytes == document.bytes)
    #expect(try folder.all().digests == [document.digest])
    #expect(try stage.storage.list(stage.path + "/tmp").isEmpty)
    for index in document.bytes.indices {
      var bytes = document.bytes
      bytes[index] ^= 1
      #expect(throws: ObjectsError.documentDigest(expected: document.digest, found: Digest(of: bytes))) {
        try Document.parse(bytes, expecting: document.digest)
      }
    }
    let list = Array("[]".utf8)
    #expect(throws: ObjectsError.documentContent(document: Digest(of: list), reason: "not a JSON object")) {
      try Document.parse(list, expecting: Digest(of: list))
    }
  }

  @Test("the disk's errors name what was tried and on what")
  func disk() throws {
    let stage = try Stage()
    let missing = stage.path + "/missing"
    let error = #expect(throws: StorageError.self) { try stage.storage.open(missing) }
    #expect(error?.description == "cannot open \(missing): no such file or directory")
    #expect(error?.operation == "open" && error?.path == missing)
    _ = try stage.write("tmp/a", [1, 2, 3])
    #expect(throws: StorageError.self) { try stage.storage.create(stage.path + "/tmp/a") }
    #expect(throws: StorageError.self) { try stage.storage.remove(missing) }
    #expect(throws: StorageError.self) { try stage.storage.rename(missing, to: stage.path + "/b") }
    #expect(throws: StorageError.self) { try stage.storage.syncDirectory(missing) }
    #expect(try stage.storage.list(missing).isEmpty)
    let file = try stage.storage.open(stage.path + "/tmp/a")
    #expect(throws: ObjectsError.truncated(path: "a", offset: 1, wanted: 9, available: 2)) {
      try file.bytes(at: 1, count: 9, path: "a")
    }
    #expect(throws: StorageError.self) { try [UInt8(1)].withUnsafeBytes { try file.write($0, at: 0) } }
  }

  @Test("an exclusive lock is not given while another is held, and is after it")
  func locks() throws {
    let stage = try Stage()
    let path = stage.path + "/lock"
    var shared = try StoreLock(path: path, exclusive: false)
    #expect(shared != nil)
    #expect(try StoreLock(path: path, exclusive: false) != nil)
    #expect(try StoreLock(path: path, exclusive: true, patience: 0) == nil)
    shared = nil
    #expect(try StoreLock(path: path, exclusive: true, patience: 0) != nil)
  }
}
