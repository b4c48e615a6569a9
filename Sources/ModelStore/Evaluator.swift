import Foundation
import Glibc
import JSON
import Objects
import Tensors

/// A program that scores model folders, started once: JSON lines on its standard input and output.
///
/// It runs in a process group of its own, so that Ctrl-C reaches it by way of us and in order. When we are killed its
/// input ends, and so does it.
final class Evaluator {
  /// What it says of one model.
  struct Answer {
    /// By data set; nil where it is not a finite number.
    let losses: [String: Double?]
    let metrics: JSONValue?
  }

  let program: String
  let version: String
  private let command: String
  private let process: pid_t
  private let input: Int32
  private let output: Int32
  private let log: String
  private let pool: WorkerPool
  private var unread: [UInt8] = []
  private var isOver = false

  /// Starts a shell command and waits until it is ready.
  ///
  /// - Parameters:
  ///   - log: gets what it writes to standard error.
  ///   - pool: whose interruption ends the waiting.
  init(command: String, data: [DataFile], log: String, pool: WorkerPool) throws {
    // A program that ends early is an answer that is missing, not our end.
    signal(SIGPIPE, SIG_IGN)
    (process, input, output) = try Self.start(command, log: log)
    (self.command, self.log, self.pool) = (command, log, pool)
    var greeting: JSONValue = .null
    do {
      try Self.send(["version": 1, "data": .array(data.map(\.request))], to: input)
      greeting = try Self.line(of: output, &unread, pool) ?? .null
    } catch {
      Self.stop(process, input, output)
      throw Self.named(error, command)
    }
    program = greeting["program"]?.text ?? ""
    version = greeting["version"]?.text ?? ""
    guard greeting["ready"]?.truth == true, !program.isEmpty, !version.isEmpty else {
      defer { end() }
      throw failure(greeting, expected: #"{"ready": true, "program": …, "version": …}"#)
    }
  }

  deinit { end() }

  /// Ends the program: its input is over, and where that is not enough it is killed.
  func end() {
    if !isOver { Self.stop(process, input, output) }
    isOver = true
  }

  /// Scores a folder on all data. Throws `Refused` where the program answers with an error.
  func score(_ folder: String, data: [DataFile]) throws -> Answer {
    var answer: JSONValue = .null
    do {
      try Self.send(["model": .string(folder)], to: input)
      answer = try Self.line(of: output, &unread, pool) ?? .null
    } catch {
      throw Self.named(error, command)
    }
    if let reason = answer["error"]?.text { throw Refused(reason: reason) }
    guard let members = answer["losses"]?.members else { throw failure(answer, expected: #"{"losses": {…}}"#) }
    var losses: [String: Double?] = [:]
    for file in data {
      guard let loss = members.first(where: { $0.key == file.name })?.value, loss == .null || loss.double != nil else {
        throw failure(answer, expected: "a loss for '\(file.name)', a number or null,")
      }
      losses.updateValue(loss.double, forKey: file.name)
    }
    return Answer(losses: losses, metrics: answer["metrics"])
  }

  /// The program could not score a model, and goes on.
  struct Refused: Error {
    let reason: String
  }

  private func failure(_ answer: JSONValue, expected: String) -> RepositoryError {
    if answer == .null {
      let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
      let last = text.split(whereSeparator: \.isNewline).last.map { ": " + String($0).quoted } ?? ""
      return RepositoryError(
        .invalidInput, "evaluator \(command.quoted): \(expected) expected, found its end\(last)",
        hint: "all that it said is in \(log)")
    }
    if let reason = answer["error"]?.text {
      return RepositoryError(.invalidInput, "evaluator \(command.quoted): \(reason)", hint: "see also \(log)")
    }
    let found = String(decoding: answer.compact, as: UTF8.self)
    return RepositoryError(
      .invalidInput, "evaluator \(command.quoted): \(expected) expected, found \(found.quoted)",
      hint: "the protocol is described in Tuning.md of ModelStore's documentation")
  }

  private static func named(_ error: any Error, _ command: String) -> any Error {
    guard let error = error as? JSONError else { return error }
    return RepositoryError(
      .invalidInput, "evaluator \(command.quoted): one JSON object a line expected on standard output, at \(error)",
      hint: "all else belongs on standard error")
  }
}

// The process and its pipes.
extension Evaluator {
  private static func start(_ command: String, log: String) throws -> (pid_t, Int32, Int32) {
    var (inward, outward) = ([Int32](repeating: 0, count: 2), [Int32](repeating: 0, count: 2))
    guard pipe(&inward) == 0, pipe(&outward) == 0 else {
      throw StorageError(operation: "make", path: "a pipe", code: errno)
    }
    // Our ends are not the program's: its input would never end.
    for end in inward + outward { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, inward[0], 0)
    posix_spawn_file_actions_adddup2(&actions, outward[1], 1)
    posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o666)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var usual = sigset_t()
    for signal in [SIGINT, SIGPIPE, SIGXFSZ] { sigaddset(&usual, signal) }
    posix_spawnattr_setsigdefault(&attributes, &usual)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    let shell: [String] = ["/bin/sh", "-c", command]
    var words: [UnsafeMutablePointer<CChar>?] = shell.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, &words, environ)
    close(inward[0])
    close(outward[1])
    guard code == 0 else {
      close(inward[1])
      close(outward[0])
      throw StorageError(operation: "start", path: "/bin/sh", code: code)
    }
    return (process, inward[1], outward[0])
  }

  /// Gives it two seconds to end by itself.
  private static func stop(_ process: pid_t, _ input: Int32, _ output: Int32) {
    close(input)
    close(output)
    var status: Int32 = 0
    for _ in 0..<200 {
      if waitpid(process, &status, WNOHANG) != 0 { return }
      usleep(10_000)
    }
    kill(-process, SIGKILL)
    waitpid(process, &status, 0)
  }

  private static func send(_ value: JSONValue, to input: Int32) throws {
    let bytes = value.compact + [0x0A]
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { write(input, $0.baseAddress! + done, bytes.count - done) }
      if count < 0, errno == EINTR { continue }
      // Its end is seen where its answer is read.
      if count < 0, errno == EPIPE { return }
      if count < 0 { throw StorageError(operation: "write to", path: "the evaluator", code: errno) }
      done += count
    }
  }

  /// The next line; nil at the end of what it says.
  private static func line(of output: Int32, _ unread: inout [UInt8], _ pool: WorkerPool) throws -> JSONValue? {
    var searched = 0
    while true {
      if let end = unread[searched...].firstIndex(of: 0x0A) {
        let line = withoutWordsForNoNumber(Array(unread[..<end]))
        unread.removeFirst(end + 1)
        return try JSONValue.parse(line)
      }
      searched = unread.count
      try pool.checkInterruption()
      var wait = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      let ready = poll(&wait, 1, 100)
      if ready == 0 || ready < 0 && errno == EINTR { continue }
      var part = [UInt8](repeating: 0, count: 1 << 16)
      let count = read(output, &part, part.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw StorageError(operation: "read from", path: "the evaluator", code: errno) }
      if count == 0 { return nil }
      unread += part[..<count]
    }
  }

  /// Python's json writes NaN, Infinity and -Infinity, which JSON does not have: each becomes null.
  static func withoutWordsForNoNumber(_ line: [UInt8]) -> [UInt8] {
    let words = ["-Infinity", "Infinity", "NaN"].map { Array($0.utf8) }
    var (kept, at, isText) = ([UInt8](), 0, false)
    while at < line.count {
      if !isText, let word = words.first(where: { line[at...].starts(with: $0) }) {
        kept += Array("null".utf8)
        at += word.count
        continue
      }
      if isText, line[at] == UInt8(ascii: "\\"), at + 1 < line.count {
        kept.append(line[at])
        at += 1
      } else if line[at] == UInt8(ascii: "\"") {
        isText.toggle()
      }
      kept.append(line[at])
      at += 1
    }
    return kept
  }
}

extension Evaluator {
  /// For the record: what it calls itself, and the digests of the files that its command names.
  func record(relativeTo directory: String) throws -> JSONValue {
    var files: [JSONValue] = []
    for word in command.split(whereSeparator: { " \t\n'\"".contains($0) })
    where word.contains("/") || word.contains(".") {
      let path = Repository.path(String(word), relativeTo: directory)
      var status = stat()
      guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      let digest = try FolderInput.digest(ofFile: path, pool)
      files.append(["name": .string((path as NSString).lastPathComponent), "sha256": .string(digest.hex)])
    }
    return [
      "command": .string(command), "program": .string(program), "version": .string(version), "files": .array(files),
    ]
  }
}
