internal import Synchronization

/// Things of which each thread at work needs one of its own, kept for the next to come: buffers, codec contexts,
/// tallies. One is made where none is free.
package final class Shelf<Item>: Sendable {
  /// Items that nobody has. One on its way in or out is in one thread's hands, so that it may be of any type.
  private struct Free: @unchecked Sendable { var items: [Item] = [] }

  private let free = Mutex(Free())
  private let make: @Sendable () -> Item

  package init(_ make: @escaping @Sendable () -> Item) { self.make = make }

  /// Lends an item that nobody else has meanwhile.
  package func lend<T>(_ body: (inout Item) throws -> T) rethrows -> T {
    var loan = free.withLock { Free(items: $0.items.popLast().map { [$0] } ?? []) }
    if loan.items.isEmpty { loan.items.append(make()) }
    defer { free.withLock { [loan] in $0.items += loan.items } }
    return try body(&loan.items[0])
  }

  /// All items, once nobody has one any more.
  package var all: [Item] { free.withLock { $0 }.items }
}
