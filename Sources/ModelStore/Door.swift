import Checkpoints
import Codecs
import Foundation
import Glibc
import Lineage
import LinearAlgebra
import Merging
import Objects
import SystemPackage
import Tensors

/// Runs a verb; whatever it throws comes out as the one public error.
func door<T>(_ body: () throws -> T) throws(RepositoryError) -> T {
  do {
    return try body()
  } catch {
    throw RepositoryError(translating: error)
  }
}

extension RepositoryError {
  /// The public form of any error of the floors below.
  init(translating error: any Error) {
    switch error {
    case let error as RepositoryError: self = error
    case let error as CheckpointError:
      self.init(error.isUnsupported ? .unsupported : .invalidInput, error.description, hint: error.hint)
    case let error as MergeError:
      switch error {
      case .unsupported: self.init(.unsupported, error.description)
      // It may be one of a later version.
      case .unknownArithmetic: self.init(.unsupported, error.description, hint: "use the stemma version that has it")
      default: self.init(.invalidInput, error.description)
      }
    // Its checksum was right.
    case CodecError.unknownCodec(let number):
      self.init(.unsupported, "unknown block codec \(number)", hint: "use a newer stemma")
    case let error as CodecError: self.init(.corrupt, error.description, hint: Self.verifyHint)
    case let error as StorageError:
      self.init(.io, error.description, hint: error.code == ENOSPC ? "free some space; nothing was lost" : nil)
    case let error as ObjectsError:
      if case .newerVersion = error {
        self.init(.unsupported, error.description, hint: "use a newer stemma")
      } else {
        self.init(.corrupt, error.description, hint: Self.verifyHint)
      }
    case let error as LineageError: self.init(lineage: error)
    case LapackFailure.missing: self.init(.unsupported, "\(error)", hint: "install OpenBLAS (Debian: libopenblas0)")
    case let error as NoMemory:
      self.init(.io, error.description, hint: "allow more memory, or fewer workers with: --threads 1")
    case is Interrupted: self.init(.internal, "interrupted", isInterruption: true)
    case let error as CocoaError:
      let path = error.filePath ?? error.url?.path
      let reason = (error.underlying as? POSIXError).map { Errno(rawValue: $0.code.rawValue).description.lowercased() }
      self.init(.io, [path, reason ?? error.localizedDescription].compactMap(\.self).joined(separator: ": "))
    default: self.init(.internal, "\(error)")
    }
  }

  private init(lineage error: LineageError) {
    let text = error.description
    switch error {
    case .nameConflict(let name, let existing, let model):
      self.init(
        .conflict, "name \(name) is taken: \(existing) names model \(model.short)",
        hint: "choose another name, or move it with: stemma tag --force")
    // The base was chosen with room to spare: it is a repack that took it.
    case .depthExceeded: self.init(.conflict, text, hint: "the store was repacked meanwhile; try again")
    case .cycle, .missingBase, .dangling, .unexpected: self.init(.internal, text)
    case .unknownModel: self.init(.notFound, text)
    case .newerFormat: self.init(.unsupported, text, hint: "use a newer stemma")
    case .locked: self.init(.conflict, text, hint: "try again later")
    case .readOnly, .diskFull, .io: self.init(.io, text)
    case .corrupt: self.init(.corrupt, text, hint: "run: stemma rebuild")
    }
  }

  static let verifyHint = "run: stemma verify"
}

/// Makes a folder, and those that it is in.
func makeFolders(_ path: String) throws {
  if isFolder(path) { return }
  let parent = (path as NSString).deletingLastPathComponent
  if parent != path, !parent.isEmpty { try makeFolders(parent) }
  try LocalStorage().makeDirectory(path)
}

/// True where a file or folder is at the path, links followed.
func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// The inode of a file; nil where there is none.
func fileNumber(_ path: String) -> UInt64? {
  var status = stat()
  return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
}

/// True where a folder is at the path, links followed.
func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// An absolute path without `.`, `..` and doubled slashes; links are not resolved.
func absolute(_ path: String) -> String {
  let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  var parts: [Substring] = []
  for part in whole.split(separator: "/") where part != "." {
    if part == ".." { _ = parts.popLast() } else { parts.append(part) }
  }
  return "/" + parts.joined(separator: "/")
}

/// SQLite's locks and its shared memory do not work over the network.
func refuseNetworkDisk(_ path: String) throws {
  let network: [UInt32: String] = [
    0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB2", 0x0102_1997: "9p", 0x00C3_6400: "Ceph",
    0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0x7461_636F: "OCFS2",
  ]
  if let name = filesystemType(of: path).flatMap({ network[$0] }) {
    throw RepositoryError(
      .unsupported, "\(path): a store on a local disk expected, found \(name), where SQLite's locks do not hold",
      hint: "keep the store on a local disk and share exports")
  }
}

/// Bytes free for this user on the disk of `path`.
func freeBytes(at path: String) -> Int? {
  var status = statvfs()
  guard statvfs(path, &status) == 0 else { return nil }
  return Int(status.f_bavail) * Int(status.f_frsize)
}

/// Now, as derivations record it: `2026-11-21T12:39:07Z`.
func now() -> String { text(ofTime: time(nil)) }

/// Seconds since 1970 in the same spelling.
func text(ofTime time: Int) -> String {
  var seconds = time
  var parts = tm()
  gmtime_r(&seconds, &parts)
  func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
  return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
}

/// The same with milliseconds: two documents that say the same, one after the other, are two.
func nowInMilliseconds() -> String {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  let digits = String(time.tv_nsec / 1_000_000)
  return now().dropLast() + "." + String(repeating: "0", count: 3 - digits.utf8.count) + digits + "Z"
}

/// Who is at work: `user@host`.
func whoami() -> String {
  let user =
    ProcessInfo.processInfo.environment["USER"] ?? getpwuid(getuid()).map { String(cString: $0.pointee.pw_name) }
  return "\(user ?? "unknown")@\(ProcessInfo.processInfo.hostName)"
}
