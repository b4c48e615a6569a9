import Objects

/// The digest, under way, of one item or file on a conveyor.
final class ItemHash {
  /// Bytes that one digest takes, in order.
  struct Stream {
    let hash: ItemHash
    var slots: [UnsafeRawBufferPointer]

    /// What is left of the first slot that is not used up.
    fileprivate mutating func next() -> UnsafeRawBufferPointer? {
      while let first = slots.first, first.isEmpty { slots.removeFirst() }
      return slots.first
    }

    fileprivate mutating func drop(_ count: Int) {
      slots[0] = UnsafeRawBufferPointer(rebasing: slots[0][count...])
    }
  }

  private(set) var running = RunningDigest()

  /// Begins with these bytes.
  init(prefix: [UInt8] = []) {
    prefix.withUnsafeBytes { running.update($0) }
  }

  /// Takes all streams, two side by side as long as there are two; each is of another digest.
  static func fold(_ streams: [Stream]) {
    var waiting = streams.reversed() as [Stream]
    guard var one = waiting.popLast() else { return }
    while var two = waiting.popLast() {
      while let bytes = one.next(), let others = two.next() {
        let count = min(bytes.count, others.count)
        RunningDigest.update(
          &one.hash.running, UnsafeRawBufferPointer(rebasing: bytes[..<count]),
          &two.hash.running, UnsafeRawBufferPointer(rebasing: others[..<count]))
        one.drop(count)
        two.drop(count)
      }
      if one.next() == nil { one = two }
    }
    while let bytes = one.next() {
      one.hash.running.update(bytes)
      one.drop(bytes.count)
    }
  }
}
