internal import Synchronization

/// Scratch for as many threads as come, reused.
package final class ScratchShelf: Sendable {
  private let idle = Mutex<[Lent]>([])

  /// Only one thread at a time holds it.
  private struct Lent: @unchecked Sendable { let scratch: MergeScratch }

  package init() {}

  /// Lends scratch that nobody else has meanwhile.
  package func withScratch<T>(_ body: (MergeScratch) throws -> T) rethrows -> T {
    let lent = idle.withLock { $0.popLast() } ?? Lent(scratch: MergeScratch())
    defer { idle.withLock { $0.append(lent) } }
    return try body(lent.scratch)
  }
}

/// Tallies of bins, one for each thread at work.
final class TallyShelf: Sendable {
  private let bins: Int
  private let idle = Mutex<[[Int]]>([])

  init(bins: Int) { self.bins = bins }

  func withTally(_ body: (inout [Int]) throws -> Void) rethrows {
    var tally = idle.withLock { $0.popLast() } ?? [Int](repeating: 0, count: bins)
    defer { idle.withLock { $0.append(tally) } }
    try body(&tally)
  }

  /// Of all threads, once they are done.
  var total: [Int] {
    idle.withLock { tallies in
      var total = [Int](repeating: 0, count: bins)
      for tally in tallies {
        for bin in 0..<bins { total[bin] += tally[bin] }
      }
      return total
    }
  }
}
