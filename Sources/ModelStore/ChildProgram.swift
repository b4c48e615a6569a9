import Foundation
import Glibc
import Objects
import Tensors

/// A program of the user's that is run to its end: its input is a file, its output is read line by line, and what it
/// complains goes to another file.
struct ChildProgram {
  /// A command line, as `sh -c` takes it.
  let command: String
  let input: String
  let complaints: String

  /// What to tell where it did not exit 0.
  struct Ending {
    /// The exit status; of one that a signal ended 128 + its number.
    let status: Int32
    /// The last line of what it complained, if there is one.
    let lastWords: String?
  }

  /// Runs it in the folder of this process. Signals are as a shell would have them for a new program.
  ///
  /// Where `line` or the pool throws (Ctrl-C), all processes of the program are asked to end, as by Ctrl-C, and after
  /// ten seconds made to.
  func run(pool: WorkerPool, line: (String) throws -> Void) throws -> Ending {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw StorageError(operation: "pipe", path: command, code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    let process: pid_t
    do {
      defer { close(ends[1]) }
      process = try spawn(output: ends[1])
    }
    do {
      try readLines(of: ends[0], pool: pool, line)
      return Ending(status: try wait(for: process, pool: pool), lastWords: lastWords())
    } catch {
      stop(process)
      throw error
    }
  }

  private func spawn(output: Int32) throws -> pid_t {
    try startShell(command) { actions in
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
      posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
      posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, complaints, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
    }
  }

  private func readLines(of descriptor: Int32, pool: WorkerPool, _ line: (String) throws -> Void) throws {
    var pending: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      try pool.checkInterruption()
      var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&event, 1, 200) > 0 else { continue }
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw StorageError(operation: "read from", path: command, code: errno) }
      if count == 0 { break }
      pending += buffer[..<count]
      guard pending.count < 1 << 24 else {
        throw RepositoryError(.invalidInput, "\(command): lines of at most 16 MB expected on its standard output")
      }
      while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
        try take(pending[..<end], line)
        pending.removeSubrange(...end)
      }
    }
    try take(pending[...], line)
  }

  private func take(_ bytes: ArraySlice<UInt8>, _ line: (String) throws -> Void) throws {
    let text = String(decoding: bytes, as: UTF8.self)
    if !text.allSatisfy(\.isWhitespace) { try line(text) }
  }

  /// It may have closed its output and be at work still.
  private func wait(for process: pid_t, pool: WorkerPool) throws -> Int32 {
    while true {
      try pool.checkInterruption()
      if let status = ended(process) { return status }
      usleep(20_000)
    }
  }

  /// The exit status of a process that has ended; nil while it has not.
  private func ended(_ process: pid_t) -> Int32? {
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return nil }
    let signal = status & 0x7F
    return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
  }

  private func stop(_ process: pid_t) {
    kill(-process, SIGINT)
    for _ in 0..<500 {
      if ended(process) != nil { return }
      usleep(20_000)
    }
    kill(-process, SIGKILL)
    waitpid(process, nil, 0)
  }

  private func lastWords() -> String? {
    guard let data = FileManager.default.contents(atPath: complaints) else { return nil }
    let text = String(decoding: data.suffix(1 << 16), as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }.map(String.init)
  }
}

/// Starts a command line in the folder of this process, as `sh -c` takes it, and returns the process.
///
/// It leads a group of its own, so that all of it can be ended. Signals are as a shell would have them for a new
/// program: this process ignores some, which a child would inherit.
///
/// - Parameter redirect: says where its input, output and complaints are.
func startShell(_ command: String, redirect: (inout posix_spawn_file_actions_t) -> Void) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  var attributes = posix_spawnattr_t()
  posix_spawn_file_actions_init(&actions)
  posix_spawnattr_init(&attributes)
  defer {
    posix_spawn_file_actions_destroy(&actions)
    posix_spawnattr_destroy(&attributes)
  }
  redirect(&actions)
  var (defaults, none) = (sigset_t(), sigset_t())
  sigemptyset(&none)
  sigemptyset(&defaults)
  for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ] { sigaddset(&defaults, signal) }
  posix_spawnattr_setsigdefault(&attributes, &defaults)
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setpgroup(&attributes, 0)
  posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
  let texts: [String] = ["/bin/sh", "-c", command]
  var words = texts.map { strdup($0) } + [nil]
  defer { for word in words { free(word) } }
  var process: pid_t = 0
  let failure = posix_spawn(&process, "/bin/sh", &actions, &attributes, &words, environ)
  guard failure == 0 else { throw StorageError(operation: "start", path: command, code: failure) }
  return process
}
