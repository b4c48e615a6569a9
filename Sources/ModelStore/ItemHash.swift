import Objects

/// The digest, under way, of one item or file on a conveyor. An object of its own, because workers fold different items
/// at the same time.
final class ItemHash {
  private(set) var running = RunningDigest()

  /// Begins with these bytes.
  init(prefix: [UInt8] = []) {
    prefix.withUnsafeBytes { running.update($0) }
  }

  /// Takes the pieces in order.
  func fold(_ slots: ArraySlice<Conveyor.Slot>) {
    for slot in slots { running.update(slot.bytes) }
  }
}
