import Checkpoints
import Foundation
import Testing

@Suite("checkpoint folders")
struct FolderTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func expect(_ fault: CheckpointError.FolderFault, at name: String = "") {
    let path = name.isEmpty ? folder.path : folder.path(name)
    #expect(throws: CheckpointError.folder(path: path, fault)) { try CheckpointFolder.scan(folder.path) }
  }

  @Test("every file is listed by its path's bytes, safetensors with their headers")
  func listsFiles() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.writeTensors("sub/adapter_model.safetensors", ["a"])
    for name in ["config.json", ".gitattributes", "sub/deep/é.txt", "B", "training_args.bin", "sub.txt"] {
      try folder.write(name, text: name)
    }
    let scan = try CheckpointFolder.scan(folder.path)
    #expect(
      scan.files.map(\.path) == [
        ".gitattributes", "B", "config.json", "model.safetensors", "sub.txt", "sub/adapter_model.safetensors",
        "sub/deep/é.txt", "training_args.bin",
      ])
    #expect(
      scan.files.filter { $0.header != nil }.map(\.path) == ["model.safetensors", "sub/adapter_model.safetensors"])
    #expect(scan.files.first { $0.path == "B" }?.size == 1)
    #expect(scan.path == folder.path && scan.leftOut.isEmpty)
    #expect(try CheckpointFolder.scan(folder.path + "/").files.map(\.path) == scan.files.map(\.path))
  }

  @Test("bookkeeping and empty folders are left out and listed")
  func leavesOut() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.write(".git/HEAD", text: "x")
    try folder.write("sub/.git", text: "x")
    try folder.write(".stemma/x", text: "x")
    try folder.write(".cache/huggingface/download/x", text: "x")
    try folder.write(".cache/other", text: "x")
    try folder.makeFolder("empty/inner")
    let scan = try CheckpointFolder.scan(folder.path)
    #expect(scan.files.map(\.path) == [".cache/other", "model.safetensors"])
    #expect(scan.leftOut == [".cache/huggingface/", ".git/", ".stemma/", "empty/inner/", "sub/.git"])
  }

  @Test("links to files and folders are followed")
  func followsLinks() throws {
    let blobs = try TemporaryFolder()
    try blobs.writeTensors("blob", ["a"])
    try blobs.write("folder/x", text: "xy")
    try folder.link("model.safetensors", to: blobs.path("blob"))
    try folder.link("linked", to: blobs.path("folder"))
    try folder.link("again", to: blobs.path("folder"))
    let scan = try CheckpointFolder.scan(folder.path)
    #expect(scan.files.map(\.path) == ["again/x", "linked/x", "model.safetensors"])
    #expect(try scan.files.last?.stamp == FileStamp(path: blobs.path("blob")))
  }

  @Test("links that lead back or nowhere are refused")
  func refusesBadLinks() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    try folder.makeFolder("sub")
    try folder.link("sub/up", to: folder.path)
    expect(.folderLoop, at: "sub/up")
    try FileManager.default.removeItem(atPath: folder.path("sub/up"))
    try folder.link("sub/self", to: "self")
    expect(.folderLoop, at: "sub/self")
    try FileManager.default.removeItem(atPath: folder.path("sub/self"))
    try folder.link("sub/gone", to: "nothing")
    expect(.danglingLink, at: "sub/gone")
  }

  @Test("pipes, sockets and devices are refused")
  func refusesSpecialFiles() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    #expect(mkfifo(folder.path("pipe.safetensors"), 0o600) == 0)
    expect(.specialFile(kind: "pipe"), at: "pipe.safetensors")
    #expect(unlink(folder.path("pipe.safetensors")) == 0)
    try folder.link("null", to: "/dev/null")
    expect(.specialFile(kind: "device"), at: "null")
    #expect(unlink(folder.path("null")) == 0)
    #expect(mknod(folder.path("socket"), S_IFSOCK | 0o600, 0) == 0)
    expect(.specialFile(kind: "socket"), at: "socket")
  }

  @Test("names that are not UTF-8, hold control characters or differ only in Unicode form are refused")
  func refusesBadNames() throws {
    try folder.writeTensors("model.safetensors", ["a"])
    let bytes = Array((folder.path + "/x").utf8) + [0xFF, 0]
    let descriptor = bytes.withUnsafeBytes { raw in
      raw.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o600) }
    }
    #expect(descriptor >= 0)
    close(descriptor)
    expect(.nameNotUTF8, at: "x\u{FFFD}")
    #expect(bytes.withUnsafeBytes { raw in raw.withMemoryRebound(to: CChar.self) { unlink($0.baseAddress!) } } == 0)
    try folder.write("a\nb", text: "")
    expect(.nameWithControlCharacters, at: "a\nb")
    #expect(unlink(folder.path("a\nb")) == 0)
    try folder.write("\u{E9}", text: "")
    try folder.write("e\u{301}", text: "")
    expect(.namesAlike(other: "e\u{301}"), at: "\u{E9}")
  }

  @Test("what is no folder with files is refused")
  func refusesOtherPaths() throws {
    expect(.noFiles)
    try folder.makeFolder("only/empty")
    expect(.noFiles)
    try folder.write("file", text: "")
    #expect(throws: CheckpointError.folder(path: folder.path("file"), .notAFolder)) {
      try CheckpointFolder.scan(folder.path("file"))
    }
    #expect(throws: CheckpointError.folder(path: folder.path("none"), .missing)) {
      try CheckpointFolder.scan(folder.path("none"))
    }
  }

  @Test("a folder without safetensors is refused, for pickles with the way to convert them")
  func refusesFoldersWithoutSafetensors() throws {
    try folder.write("config.json", text: "{}")
    try folder.write("training_args.bin", text: "")
    try folder.write("checkpoint/optimizer.pt", text: "")
    expect(.noSafetensors)
    try folder.write("pytorch_model.bin", text: "")
    expect(.onlyPickles(example: "pytorch_model.bin"))
    let error = CheckpointError.folder(path: "m", .onlyPickles(example: "p.bin"))
    #expect(error.hint?.contains("safe_serialization=True") == true)
    #expect("\(error)" == "'m' holds its weights only as pickles, such as 'p.bin': expected .safetensors files")
    try folder.writeTensors("model.safetensors", ["a"])
    #expect(try CheckpointFolder.scan(folder.path).files.count == 5)
  }

  @Test("a broken header is refused with its path")
  func refusesBrokenHeaders() throws {
    try folder.write("sub/x.safetensors", [1])
    #expect(throws: CheckpointError.header(path: folder.path("sub/x.safetensors"), .fileTooShort(size: 1))) {
      try CheckpointFolder.scan(folder.path)
    }
  }

  @Test("shards that are not there, and pointers of Git LFS in place of small files, are told")
  func doubts() throws {
    try folder.writeTensors("model-00001-of-00003.safetensors", ["a"])
    try folder.write("tokenizer.json", text: "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    let remarks = try CheckpointFolder.scan(folder.path).remarks
    #expect(
      remarks == [
        "model-00001-of-00003.safetensors is one of 3 shards, of which 2 are not here: the download may be incomplete",
        "tokenizer.json is a pointer of Git LFS, not the file itself: fetch it with: git lfs pull",
      ])
    try folder.writeTensors("model-00002-of-00003.safetensors", ["b"])
    try folder.writeTensors("model-00003-of-00003.safetensors", ["c"])
    try folder.write("tokenizer.json", text: "{}")
    #expect(try CheckpointFolder.scan(folder.path).remarks == [])
  }

  @Test("a whole cache of the Hub is refused, and the snapshot in it named")
  func hubCache() throws {
    try folder.write("blobs/aa", text: "{}")
    try folder.write("refs/main", text: "0123")
    try folder.writeTensors("snapshots/0123/model.safetensors", ["a"])
    expect(.hubCache(snapshot: "snapshots/0123"))
    #expect(try CheckpointFolder.scan(folder.path("snapshots/0123")).files.count == 1)
  }
}
