@preconcurrency import Dispatch
import Glibc
import ModelStore
import Synchronization

/// What Ctrl-C does, and `kill` and a terminal that closes: the store is asked to stop and to clean up; a second time,
/// or with none to ask, the process ends at once.
enum Interruption {
  private static let running = Mutex<(@Sendable () -> Void)?>(nil)
  private static let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
    (number, DispatchSource.makeSignalSource(signal: number, queue: .global()))
  }

  /// From here on these signals are ours; a process started with one ignored keeps ignoring it.
  static func listen() {
    for (number, source) in sources {
      let former = signal(number, SIG_IGN)
      if unsafeBitCast(former, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      source.setEventHandler {
        let stop = running.withLock { slot in
          defer { slot = nil }
          return slot
        }
        guard let stop else { _exit(128 + number) }
        stop()
      }
      source.resume()
    }
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
