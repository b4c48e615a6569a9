@preconcurrency import Dispatch
import Glibc
import ModelStore
import Synchronization

/// What Ctrl-C does: the store is asked to stop and to clean up; a second Ctrl-C, or none to ask, ends at once.
enum Interruption {
  private static let running = Mutex<(@Sendable () -> Void)?>(nil)
  private static let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())

  /// From here on SIGINT is ours; a process started with SIGINT ignored keeps ignoring it.
  static func listen() {
    let former = signal(SIGINT, SIG_IGN)
    if unsafeBitCast(former, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { return }
    source.setEventHandler {
      let stop = running.withLock { slot in
        defer { slot = nil }
        return slot
      }
      guard let stop else { _exit(130) }
      stop()
    }
    source.resume()
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
