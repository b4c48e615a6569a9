import Foundation
import Glibc
import Objects
import Synchronization

/// A folder that is written beside its place and renamed when it is whole; discarded otherwise.
final class OutputFolder {
  let target: String
  private let partial: String
  private let open = Mutex<[String: LocalFile]>([:])

  /// Refuses a target that is there and not an empty folder. Makes the parent folders.
  init(target path: String, insideStore: Bool = false) throws {
    target = absolute(path)
    if !insideStore { try Self.refuseStores(target, path) }
    if exists(target) {
      guard isFolder(target), try FileManager.default.contentsOfDirectory(atPath: target).isEmpty else {
        throw RepositoryError(
          .conflict, "\(path): a new or empty folder expected, found \(isFolder(target) ? "files in it" : "a file")",
          hint: "choose another folder, or empty this one")
      }
    }
    let parent = (target as NSString).deletingLastPathComponent
    try makeFolders(parent)
    let name = (target as NSString).lastPathComponent
    partial = "\(parent)/.\(name).partial-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try LocalStorage().makeDirectory(partial)
  }

  /// Throws `conflict` for a place inside a store's own folder: what lies there belongs to the store.
  private static func refuseStores(_ target: String, _ path: String) throws {
    var folder = target
    while folder != "/" {
      if (folder as NSString).lastPathComponent == ".stemma" || Layout(root: folder).isWhole {
        throw RepositoryError(
          .conflict, "\(path): a folder outside of stores expected, found one inside \(folder)",
          hint: "choose another folder")
      }
      folder = (folder as NSString).deletingLastPathComponent
    }
  }

  /// Where a file is to be written by others; makes the folders it is in.
  func place(of path: String) throws -> String {
    let whole = "\(partial)/\(path)"
    let folder = (whole as NSString).deletingLastPathComponent
    if folder != partial {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    return whole
  }

  /// Makes a file of a size, and the folders it is in.
  func create(_ path: String, size: Int) throws {
    let file = try LocalFile(place(of: path), flags: O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, operation: "create")
    try file.truncate(to: size)
  }

  /// Writes at an offset of a file made before; from any worker.
  func write(_ path: String, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    guard bytes.count > 0 else { return }
    let file = try open.withLock { files in
      if let file = files[path] { return file }
      if files.count >= 64 { files.removeAll() }
      let file = try LocalFile("\(partial)/\(path)", flags: O_RDWR | O_CLOEXEC, operation: "open")
      files[path] = file
      return file
    }
    try file.write(bytes, at: offset)
  }

  /// Makes an empty folder.
  func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: "\(partial)/\(path)", withIntermediateDirectories: true)
  }

  /// Makes everything written so far durable.
  func syncAll() throws {
    open.withLock { $0.removeAll() }
    try syncFilesystem(of: partial)
  }

  /// Gives the folder its name.
  func publish() throws {
    open.withLock { $0.removeAll() }
    guard rename(partial, target) == 0 else {
      let code = errno
      if code == EEXIST || code == ENOTEMPTY {
        throw RepositoryError(.conflict, "\(target): filled by something else meanwhile")
      }
      throw StorageError(operation: "rename", path: partial, code: code)
    }
  }

  /// Removes what was written.
  func discard() {
    open.withLock { $0.removeAll() }
    try? FileManager.default.removeItem(atPath: partial)
  }
}
