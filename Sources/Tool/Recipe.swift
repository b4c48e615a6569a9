import Glibc
import ModelStore

/// The text of a recipe and the folder that its relative paths start from: the working folder, as with mergekit.
struct Recipe {
  let text: String
  let directory: String

  /// Reads a file, or standard input for `-`.
  init(at path: String) throws(RepositoryError) {
    directory = try GlobalOptions.workingDirectory()
    let file = try InputFile(at: path, called: "recipe", bytesMax: 1 << 20)
    guard let text = String(validating: file.bytes, as: UTF8.self) else {
      throw RepositoryError(.invalidInput, "recipe '\(path.plain)': expected UTF-8 text, found other bytes")
    }
    self.text = text
  }
}

/// A small file that a command is given.
struct InputFile {
  let bytes: [UInt8]

  /// Reads a file, or standard input for `-`.
  ///
  /// - Parameter what: what it is called in messages.
  init(at path: String, called what: String, bytesMax: Int) throws(RepositoryError) {
    let label = "\(what) '\(path.plain)'"
    let isInput = path == "-"
    let descriptor = isInput ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(label) }
    defer { if !isInput { close(descriptor) } }
    bytes = try Self.bytes(of: descriptor, label, bytesMax)
  }

  private static func bytes(of descriptor: Int32, _ label: String, _ limit: Int) throws(RepositoryError) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw failure(label) }
      if count == 0 { return all }
      all += buffer[..<count]
      if all.count > limit {
        throw RepositoryError(.invalidInput, "\(label): expected at most \(limit >> 20) MiB, found more")
      }
    }
  }

  private static func failure(_ label: String) -> RepositoryError {
    switch errno {
    case ENOENT, ENOTDIR: RepositoryError(.notFound, "\(label): there is no such file")
    case EISDIR: RepositoryError(.invalidInput, "\(label): expected a file, found a folder")
    default: RepositoryError(.io, "\(label): \(String(cString: strerror(errno)).lowercased())")
    }
  }
}
