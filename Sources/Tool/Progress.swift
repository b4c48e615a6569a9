import Glibc
import Synchronization

/// One line on a terminal that is drawn over and over and is gone in the end.
final class Progress: Sendable {
  private let verb: String
  private let isShown: Bool
  /// When the line was last drawn, in tenths of a second; 0 before the first time.
  private let drawn = Mutex(0)

  init(_ verb: String, isShown: Bool) {
    self.verb = verb
    self.isShown = isShown
  }

  /// Takes what is done and what there is to do, in bytes; nil where no line is shown.
  var update: (@Sendable (Int, Int) -> Void)? {
    guard isShown else { return nil }
    return { done, total in self.draw(done, total) }
  }

  /// The same for work that is counted in candidates and says in words how far it is.
  func line(
    _ text: @escaping @Sendable (_ done: Int, _ all: Int, _ best: Double) -> String
  ) -> (@Sendable (Int, Int, Double) -> Void)? {
    guard isShown else { return nil }
    return { done, all, best in self.draw(text(done, all, best)) }
  }

  /// Wipes the line.
  func finish() {
    drawn.withLock { if $0 > 0 { Console.draw("\r\u{1b}[K") } }
  }

  private func draw(_ done: Int, _ total: Int) {
    let share = total > 0 ? min(100, done * 100 / total) : 0
    draw("\(share) % (\(done.asSize) of \(total.asSize))")
  }

  private func draw(_ text: String) {
    let now = Self.tenths()
    drawn.withLock { last in
      guard now > last else { return }
      last = now
      Console.draw("\r\(verb) \(text)\u{1b}[K")
    }
  }

  private static func tenths() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 10 + time.tv_nsec / 100_000_000
  }
}
