/// Which store made an event: 16 random bytes that `init` draws once, as 32 lower-case hex digits. A copy of a store
/// has the same one.
package struct StoreID: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let hex: String

  /// Reads 32 lower-case hex digits; nil for anything else.
  package init?(hex: String) {
    let isHex = hex.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    guard hex.utf8.count == 32, isHex else { return nil }
    self.hex = hex
  }

  /// Draws a new one from the system's random numbers.
  package static func random() -> StoreID {
    var generator = SystemRandomNumberGenerator()
    return StoreID(bytes: (0..<16).map { _ in UInt8.random(in: 0 ... .max, using: &generator) })
  }

  /// The first 16 bytes of a digest: for a store whose id has to follow from what is in it.
  package init(of digest: Digest) { self.init(bytes: Array(digest.bytes.prefix(16))) }

  private init(bytes: [UInt8]) {
    hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// The first 8 digits, for people.
  package var short: String { String(hex.prefix(8)) }

  package var description: String { hex }

  package static func < (a: StoreID, b: StoreID) -> Bool { a.hex < b.hex }
}
