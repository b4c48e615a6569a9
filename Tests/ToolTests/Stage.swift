import Foundation
import Glibc
import Testing

/// What a run of the tool left behind.
struct Outcome {
  let status: Int32
  let output: String
  let errors: String

  /// The one JSON object on standard output.
  func json() throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
  }

  /// True where standard error holds `stemma: …` and at most one more line, a hint.
  var isOneComplaint: Bool {
    let lines = errors.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.first?.hasPrefix("stemma: ") == true, lines.last == "" else { return false }
    return lines.count == 2 || lines.count == 3 && lines[1].hasPrefix("hint: ")
  }
}

/// A run of the tool that may still be under way.
struct Run {
  let process: pid_t
  /// Keeps the folder until the run is over.
  fileprivate let stage: Stage
  fileprivate let output: URL
  fileprivate let errors: URL

  /// Whether the process is still at work.
  var isRunning: Bool {
    var state = siginfo_t()
    return waitid(P_PID, id_t(process), &state, WEXITED | WNOHANG | WNOWAIT) == 0 && state.si_signo == 0
  }

  /// The largest share of memory that the process has had until now, in bytes; nil where it has ended.
  ///
  /// Its own figure: what wait4 tells begins with the memory of the process that started it.
  var peakMemory: Int? {
    let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = text?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 * 1024 }
  }

  /// All bytes that the process has read by its end, of files and pipes, cached or not; to be asked for before `wait`.
  func bytesRead() throws -> Int {
    while isRunning { usleep(1000) }
    let text = try String(contentsOfFile: "/proc/\(process)/io", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("rchar:") })
    return try #require(Int(line.filter(\.isNumber)))
  }

  /// Waits for the end; a process that a signal ended has the status 128 + its number, as in a shell.
  func wait() throws -> Outcome {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
      guard errno == EINTR else { throw POSIXError(.ECHILD) }
    }
    let signal = status & 0x7F
    return Outcome(
      status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
      output: try String(contentsOf: output, encoding: .utf8), errors: try String(contentsOf: errors, encoding: .utf8))
  }
}

/// A temporary folder in which the real binary runs; it goes with the last reference.
final class Stage {
  let folder: URL
  private var runs = 0

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("stemma-tool-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("logs"), withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// A stage with a store that holds `base`, and `math` and `code` which were made from it.
  static func furnished() throws -> Stage {
    let stage = try Stage()
    try stage.addCheckpoints()
    try stage.expect("init")
    try stage.expect("import", "base", "--name", "base")
    try stage.expect("import", "math", "--name", "math", "--base", "base")
    try stage.expect("import", "code", "--name", "code")
    return stage
  }

  func url(_ path: String) -> URL { folder.appendingPathComponent(path) }

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

  /// Names in a folder, hidden ones too.
  func names(in path: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: url(path).path).sorted()
  }

  /// Every file under a folder, by its path.
  func files(under path: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in FileManager.default.enumerator(atPath: url(path).path) ?? .init() {
      guard let name = name as? String else { continue }
      let file = url(path).appendingPathComponent(name)
      if try file.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile == true {
        files[name] = try Data(contentsOf: file)
      }
    }
    return files
  }

  func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: url(path))
  }

  /// Starts the tool; standard input is empty.
  ///
  /// - Parameter fileLimit: the size that no file may grow beyond, in units of 512 bytes.
  func start(_ arguments: [String], environment: [String: String] = [:], fileLimit: Int? = nil) throws -> Run {
    runs += 1
    let output = url("logs/\(runs).out")
    let errors = url("logs/\(runs).err")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let create = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output.path, create, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors.path, create, 0o600)

    var variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    variables["STEMMA_STORE"] = environment["STEMMA_STORE"]
    let binary = try Self.binary()
    let limit = fileLimit.map { "ulimit -f \($0) && " } ?? ""
    let shell = ["/bin/sh", "-c", "cd \"$1\" && shift && \(limit)exec \"$@\"", "sh", folder.path, binary]
    var words: [UnsafeMutablePointer<CChar>?] = (shell + arguments).map { strdup($0) } + [nil]
    var settings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
    defer { for text in words + settings { free(text) } }
    // Whoever runs the tests may ignore signals, which the tool would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var usual = sigset_t()
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ] { sigaddset(&usual, signal) }
    posix_spawnattr_setsigdefault(&attributes, &usual)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    var process: pid_t = 0
    let failure = posix_spawn(&process, shell[0], &actions, &attributes, &words, &settings)
    try #require(failure == 0, "\(binary) did not start: \(String(cString: strerror(failure)))")
    return Run(process: process, stage: self, output: output, errors: errors)
  }

  /// Runs the tool to its end.
  func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
    try start(arguments, environment: environment).wait()
  }

  /// Runs the tool and expects a status; gives what it printed.
  @discardableResult
  func expect(_ arguments: String..., status: Int32 = 0, at place: SourceLocation = #_sourceLocation) throws -> Outcome
  {
    let outcome = try start(arguments).wait()
    #expect(
      outcome.status == status, "stemma \(arguments.joined(separator: " ")): \(outcome.errors)", sourceLocation: place)
    if status != 0, !arguments.contains("--json") {
      #expect(outcome.isOneComplaint, "\(outcome.errors)", sourceLocation: place)
    }
    return outcome
  }

  /// The tool lies beside the test bundle's program.
  static func binary() throws -> String {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let beside = [CommandLine.arguments[0], program].map {
      URL(fileURLWithPath: $0).deletingLastPathComponent().appendingPathComponent("stemma").path
    }
    return try #require(beside.first { access($0, X_OK) == 0 }, "no program 'stemma' beside the tests")
  }
}
