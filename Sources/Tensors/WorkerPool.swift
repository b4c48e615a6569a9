internal import Glibc
internal import Synchronization

/// As many workers as asked for, each taking the next ticket from one counter until none is left.
///
/// The caller's thread is the first worker; the others are threads that live as long as the work. A thread that the
/// system does not give is done without: the work takes longer and is the same. `interrupt()` makes every later ticket
/// throw.
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

  /// Runs `body(index)` for every index in `0..<count`, 64 of them a ticket: for work as small as reading a document.
  package func runInPieces(_ count: Int, _ body: (_ index: Int) throws -> Void) throws {
    let piece = 64
    try run((count + piece - 1) / piece) { ticket, _ in
      for index in ticket * piece..<min(count, (ticket + 1) * piece) { try body(index) }
    }
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
    withThreads(min(width, max(count, 1))) { worker in
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

/// What a thread is to do, and which worker it is.
private final class ThreadStart: Sendable {
  private let work: @Sendable (_ worker: Int) -> Void
  private let worker: Int

  init(_ worker: Int, _ work: @escaping @Sendable (_ worker: Int) -> Void) { (self.worker, self.work) = (worker, work) }

  func run() { work(worker) }
}

/// Runs `work(0)` on the caller's thread and `work(1)` and so on, below `count`, on threads of their own, as many of
/// them as there can be; waits for all.
private func withThreads(_ count: Int, _ work: @Sendable (_ worker: Int) -> Void) {
  withoutActuallyEscaping(work) { work in
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    // The usual 8 MiB count against a limit of the address space.
    pthread_attr_setstacksize(&attributes, 2 << 20)
    var threads: [pthread_t] = []
    for worker in 1..<max(1, count) {
      let start = Unmanaged.passRetained(ThreadStart(worker, work))
      var thread = pthread_t()
      let failure = pthread_create(
        &thread, &attributes,
        { argument in
          if let argument { Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().run() }
          return nil
        }, start.toOpaque())
      guard failure == 0 else {
        start.release()
        break
      }
      threads.append(thread)
    }
    pthread_attr_destroy(&attributes)
    work(0)
    for thread in threads { pthread_join(thread, nil) }
  }
}

/// Thrown by work that was stopped from outside (Ctrl-C).
package struct Interrupted: Error, CustomStringConvertible {
  package init() {}
  package var description: String { "interrupted" }
}
