import Glibc
import JSON
import ModelStore

/// The three ways to speak: results on standard output, everything else on standard error.
enum Console {
  /// Writes a result and a newline. A reader that went away (`| head`) is no error; a full disk is, with status 7.
  static func write(_ text: String) {
    guard let failure = send(text + "\n", to: STDOUT_FILENO), failure != EPIPE else { return }
    complain("stemma: cannot write to standard output: \(String(cString: strerror(failure)))")
    exit(RepositoryError.Kind.io.exitCode)
  }

  /// Writes bytes as they are, in the same way. Where the reader went away, nothing is left to do.
  static func write(_ bytes: UnsafeRawBufferPointer) {
    guard let failure = send(bytes, to: STDOUT_FILENO) else { return }
    if failure == EPIPE { exit(0) }
    complain("stemma: cannot write to standard output: \(String(cString: strerror(failure)))")
    exit(RepositoryError.Kind.io.exitCode)
  }

  /// Writes a line to standard error.
  static func complain(_ text: String) {
    _ = send(text + "\n", to: STDERR_FILENO)
  }

  /// Writes to standard error as it is: no newline.
  static func draw(_ text: String) {
    _ = send(text, to: STDERR_FILENO)
  }

  /// Prints one JSON value, for machines.
  static func write(_ value: JSONValue) {
    write(value.pretty())
  }

  /// Bold, where standard error is a terminal that wants colour.
  static func emphasised(_ text: String) -> String {
    drawsOnTerminal && variable("NO_COLOR").isEmpty ? "\u{1b}[1m\(text)\u{1b}[0m" : text
  }

  /// Whether standard error is a terminal that can move its cursor.
  static let drawsOnTerminal = isatty(STDERR_FILENO) == 1 && variable("TERM") != "dumb"

  /// The value of an environment variable, empty where it is not set.
  static func variable(_ name: String) -> String {
    getenv(name).map { String(cString: $0) } ?? ""
  }

  /// Sends all bytes; gives the `errno` that stopped it.
  private static func send(_ text: String, to descriptor: Int32) -> Int32? {
    var text = text
    return text.withUTF8 { send(UnsafeRawBufferPointer($0), to: descriptor) }
  }

  private static func send(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32? {
    var sent = 0
    while sent < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + sent, bytes.count - sent)
      if count < 0, errno != EINTR { return errno }
      sent += max(count, 0)
    }
    return nil
  }
}
