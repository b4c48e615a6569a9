import Glibc
import ModelStore

/// The text of a recipe and the folder that its relative paths start from: the working folder, as with mergekit.
struct Recipe {
  let text: String
  let directory: String

  /// Reads a file, or standard input for `-`.
  init(at path: String) throws(RepositoryError) {
    directory = try GlobalOptions.workingDirectory()
    let isInput = path == "-"
    let descriptor = isInput ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(path) }
    defer { if !isInput { close(descriptor) } }
    guard let text = String(validating: try Self.bytes(of: descriptor, path), as: UTF8.self) else {
      throw RepositoryError(.invalidInput, "recipe '\(path.plain)': expected UTF-8 text, found other bytes")
    }
    self.text = text
  }

  private static let limit = 1 << 20

  private static func bytes(of descriptor: Int32, _ path: String) throws(RepositoryError) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw failure(path) }
      if count == 0 { return all }
      all += buffer[..<count]
      if all.count > limit {
        throw RepositoryError(.invalidInput, "recipe '\(path.plain)': expected at most 1 MiB, found more")
      }
    }
  }

  private static func failure(_ path: String) -> RepositoryError {
    switch errno {
    case ENOENT, ENOTDIR: RepositoryError(.notFound, "recipe '\(path.plain)': there is no such file")
    case EISDIR: RepositoryError(.invalidInput, "recipe '\(path.plain)': expected a file, found a folder")
    default: RepositoryError(.io, "recipe '\(path.plain)': \(String(cString: strerror(errno)).lowercased())")
    }
  }
}
