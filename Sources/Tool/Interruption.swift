@preconcurrency import Dispatch
import Glibc
import ModelStore
import Synchronization

/// What Ctrl-C does: the store is asked to stop and to clean up; a second Ctrl-C, or none to ask, ends at once.
enum Interruption {
  private static let running = Mutex<Repository?>(nil)
  private static let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())

  /// From here on SIGINT is ours; a process started with SIGINT ignored keeps ignoring it.
  static func listen() {
    let former = signal(SIGINT, SIG_IGN)
    if unsafeBitCast(former, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { return }
    source.setEventHandler {
      let repository = running.withLock { slot in
        defer { slot = nil }
        return slot
      }
      guard let repository else { _exit(130) }
      repository.interrupt()
    }
    source.resume()
  }

  /// Makes Ctrl-C stop this repository's work.
  static func stops(_ repository: Repository) {
    running.withLock { $0 = repository }
  }
}
