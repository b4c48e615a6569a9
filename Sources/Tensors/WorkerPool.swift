internal import Dispatch
internal import Synchronization

/// As many workers as asked for, each taking the next ticket from one counter until none is left.
///
/// Workers are threads of Dispatch; the caller's thread is one of them. `interrupt()` makes every later ticket throw.
package final class WorkerPool: Sendable {
  /// The number of workers; each has a number in `0..<width`, for buffers of its own.
  package let width: Int
  private let interrupted = Atomic<Bool>(false)

  /// - Precondition: width ≥ 1.
  package init(width: Int) {
    precondition(width >= 1, "a pool has at least one worker")
    self.width = width
  }

  /// Stops the work under way: it throws `Interrupted` at the next ticket. Safe in a signal's handler thread.
  package func interrupt() {
    interrupted.store(true, ordering: .relaxed)
  }

  /// Throws `Interrupted` once `interrupt()` was called; for long work outside `run`.
  package func checkInterruption() throws {
    if interrupted.load(ordering: .relaxed) { throw Interrupted() }
  }

  /// Runs `body(ticket, worker)` for every ticket in `0..<count`, in rising order of start, and waits for all.
  ///
  /// After a throw no new ticket starts; of several errors that of the lowest ticket is rethrown.
  package func run(_ count: Int, _ body: (_ ticket: Int, _ worker: Int) throws -> Void) throws {
    try withoutActuallyEscaping(body) { try run(count, Work(body: $0)) }
  }

  /// The caller waits for all workers, so the closure may hold what only one thread at a time should see; which ticket
  /// touches what is the caller's affair.
  private struct Work: @unchecked Sendable {
    let body: (_ ticket: Int, _ worker: Int) throws -> Void
  }

  private func run(_ count: Int, _ work: Work) throws {
    let next = Atomic<Int>(0)
    let failure = Mutex<(ticket: Int, error: any Error)?>(nil)
    let stopped = Atomic<Bool>(false)
    DispatchQueue.concurrentPerform(iterations: min(width, max(count, 1))) { worker in
      while !stopped.load(ordering: .relaxed) {
        let ticket = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard ticket < count else { return }
        do {
          try checkInterruption()
          try work.body(ticket, worker)
        } catch {
          failure.withLock { if $0 == nil || $0!.ticket > ticket { $0 = (ticket, error) } }
          stopped.store(true, ordering: .relaxed)
        }
      }
    }
    if let found = failure.withLock({ $0 }) { throw found.error }
    try checkInterruption()
  }
}

/// Thrown by work that was stopped from outside (Ctrl-C).
package struct Interrupted: Error, CustomStringConvertible {
  package init() {}
  package var description: String { "interrupted" }
}
