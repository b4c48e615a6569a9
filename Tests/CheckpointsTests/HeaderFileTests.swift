import Checkpoints
import Testing

@Suite("safetensors files")
struct HeaderFileTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func fault(_ bytes: [UInt8]) throws -> CheckpointError.HeaderFault? {
    try folder.write("m", bytes)
    do throws(CheckpointError) {
      _ = try SafetensorsHeader.read(folder.path("m"))
      return nil
    } catch {
      guard case .header(folder.path("m"), let fault) = error else { return nil }
      return fault
    }
  }

  @Test("a file is read")
  func readsFile() throws {
    try folder.writeTensors("m", ["a", "b"])
    let header = try SafetensorsHeader.read(folder.path("m"))
    #expect(header.tensors.map(\.name) == ["a", "b"])
    #expect(header.fileSize == header.dataStart + 16)
  }

  @Test("a file without room for the length is refused")
  func refusesShortFiles() throws {
    #expect(try fault([]) == .fileTooShort(size: 0))
    #expect(try fault([1, 2, 3, 4, 5, 6, 7]) == .fileTooShort(size: 7))
  }

  @Test("a header longer than the file is refused")
  func refusesLengthBeyondFile() throws {
    #expect(try fault([3, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D]) == .lengthBeyondFile(length: 3, fileSize: 10))
    let limit: [UInt8] = [0x00, 0xE1, 0xF5, 0x05, 0, 0, 0, 0]
    #expect(try fault(limit) == .lengthBeyondFile(length: 100_000_000, fileSize: 8))
  }

  @Test("a header of more than 100 MB is refused before it is read")
  func refusesLongHeaders() throws {
    let over: [UInt8] = [0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0]
    #expect(try fault(over) == .lengthOverLimit(length: 100_000_001, limit: 100_000_000))
    #expect(
      try fault([UInt8](repeating: 0xFF, count: 8)) == .lengthOverLimit(length: .max, limit: 100_000_000))
  }

  @Test("an empty header is refused")
  func refusesEmptyHeaders() throws {
    #expect(try fault([UInt8](repeating: 0, count: 8)) == .noBrace(found: nil))
  }

  @Test("a Git LFS pointer is refused with the way to get the file")
  func refusesPointers() throws {
    #expect(try fault(Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\n".utf8)) == .gitLFSPointer)
  }

  @Test("a file that does not exist is refused")
  func refusesMissingFiles() {
    #expect {
      try SafetensorsHeader.read(folder.path("none"))
    } throws: { error in
      if case CheckpointError.cannotRead(folder.path("none"), "no such file or directory") = error {
        true
      } else {
        false
      }
    }
  }

  @Test("a stamp changes with the file")
  func stampsFiles() throws {
    try folder.write("m", [1])
    let first = try FileStamp(path: folder.path("m"))
    #expect(try first == FileStamp(path: folder.path("m")))
    try folder.write("m", [1, 2])
    #expect(try first != FileStamp(path: folder.path("m")))
  }
}
