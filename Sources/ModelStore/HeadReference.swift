package import JSON
import Objects

/// A head of the history, as people write it down: its number, a dash and its digest.
public struct HeadReference: Sendable, Equatable {
  public let sequence: Int
  let digest: Digest

  init(sequence: Int, digest: Digest) {
    (self.sequence, self.digest) = (sequence, digest)
  }

  /// Reads what `text` gives; nil for anything else.
  init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, let sequence = Int(parts[0]), sequence > 0, let digest = Digest(hex: String(parts[1]))
    else {
      return nil
    }
    self.init(sequence: sequence, digest: digest)
  }

  public var text: String { "\(sequence)-\(digest.hex)" }

  package var json: JSONValue {
    ["sequence": .integer(sequence), "digest": .string(digest.hex), "head": .string(text)]
  }
}
