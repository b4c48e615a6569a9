import Glibc
import ModelStore
import Synchronization

/// What Ctrl-C does, and `kill` and a terminal that closes: the store is asked to stop and to clean up; a second time,
/// or with none to ask, the process ends at once.
///
/// The signals' handler writes their number into a pipe, and a thread reads it: little may be done in a handler. Where
/// there can be no thread, the signals do what they usually do.
enum Interruption {
  private static let signals = [SIGINT, SIGTERM, SIGHUP]
  /// How long what was asked to stop may take, in milliseconds.
  private static let patience: Int32 = 60_000
  private static let running = Mutex<(@Sendable () -> Void)?>(nil)
  /// The end of the pipe that the handler writes into.
  private static let pipe = Atomic<Int32>(-1)

  /// From here on these signals are ours; a process started with one ignored keeps ignoring it.
  static func listen() {
    var ends: [Int32] = [0, 0]
    guard Glibc.pipe(&ends) == 0 else { return }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    guard startReading(ends[0]) else {
      for end in ends { close(end) }
      return
    }
    pipe.store(ends[1], ordering: .sequentiallyConsistent)
    var ours = sigset_t()
    for number in signals {
      var former = sigaction()
      sigaction(number, nil, &former)
      if unsafeBitCast(former.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) {
        continue
      }
      var action = sigaction()
      action.sa_flags = SA_RESTART
      action.__sigaction_handler.sa_handler = { number in
        let code = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(Interruption.pipe.load(ordering: .relaxed), &byte, 1)
        errno = code
      }
      sigaction(number, &action, nil)
      sigaddset(&ours, number)
    }
    // Whoever started us may have held them back.
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
  }

  /// Starts the thread that waits for signals' numbers; false where there can be none.
  private static func startReading(_ end: Int32) -> Bool {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 256 << 10)
    var thread = pthread_t()
    let argument = UnsafeMutableRawPointer(bitPattern: Int(end))
    return pthread_create(
      &thread, &attributes,
      { argument in
        let end = Int32(Int(bitPattern: argument))
        var byte: UInt8 = 0
        while true {
          // What was asked to stop and does not will be ended: a call of the system may hang.
          var waiting = pollfd(fd: end, events: Int16(POLLIN), revents: 0)
          if byte != 0, poll(&waiting, 1, Interruption.patience) == 0 { _exit(128 + Int32(byte)) }
          let count = read(end, &byte, 1)
          if count == 1 { Interruption.react(to: Int32(byte)) } else if count == 0 || errno != EINTR { return nil }
        }
      }, argument) == 0
  }

  private static func react(to number: Int32) {
    let stop = running.withLock { slot in
      defer { slot = nil }
      return slot
    }
    guard let stop else { _exit(128 + number) }
    stop()
  }

  /// Makes Ctrl-C stop this repository's work.
  static func stops(_ repository: Repository) {
    stops { repository.interrupt() }
  }

  /// Makes Ctrl-C do this.
  static func stops(_ stop: @escaping @Sendable () -> Void) {
    running.withLock { $0 = stop }
  }
}
