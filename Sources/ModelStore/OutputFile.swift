import Foundation
import Glibc
import Objects

/// A file that is written beside its place and renamed when it is whole; discarded otherwise.
final class OutputFile {
  let target: String
  private let partial: String
  private let file: LocalFile

  /// Refuses a target that is there, and a disk without room. Makes the parent folders.
  init(target path: String, size: Int) throws {
    target = absolute(path)
    try Self.refuse(target, path)
    let parent = (target as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    if let free = freeBytes(at: parent), free < size {
      throw RepositoryError(.io, "\(path): \(size) bytes needed, \(free) bytes free")
    }
    let name = (target as NSString).lastPathComponent
    partial = "\(parent)/.\(name).partial-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    file = try LocalFile(partial, flags: O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, operation: "create")
  }

  private static func refuse(_ target: String, _ path: String) throws {
    if exists(target) {
      throw RepositoryError(
        .conflict, "\(path): a new file expected, found one that is there", hint: "choose another path")
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    if bytes.count > 0 { try file.write(bytes, at: offset) }
  }

  /// Gives the file its name.
  func publish() throws {
    try Self.refuse(target, target)
    try LocalStorage().rename(partial, to: target)
  }

  /// Removes what was written.
  func discard() { try? LocalStorage().remove(partial) }

  /// Makes a file by `body`; where that throws, nothing is left behind.
  static func make(_ path: String, size: Int, _ body: (OutputFile) throws -> Void) throws -> String {
    let output = try OutputFile(target: path, size: size)
    do {
      try body(output)
      try output.publish()
    } catch {
      output.discard()
      throw error
    }
    return output.target
  }
}
