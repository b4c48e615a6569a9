package import JSON

/// The one error of the store's door: six kinds, and the internal fault that should not happen.
public struct RepositoryError: Error, Sendable, CustomStringConvertible {
  /// What a caller can decide by.
  public enum Kind: String, Sendable, CaseIterable {
    case `internal`
    case invalidInput
    case notFound
    case conflict
    case corrupt
    case unsupported
    case io

    /// The process exit status that stands for this kind.
    public var exitCode: Int32 {
      switch self {
      case .internal: 1
      case .invalidInput: 2
      case .notFound: 3
      case .conflict: 4
      case .corrupt: 5
      case .unsupported: 6
      case .io: 7
      }
    }
  }

  public let kind: Kind
  /// Lower case, one line: the thing, what was expected, what was found.
  public let message: String
  /// What to do, in one line.
  public let hint: String?
  /// True where the work was stopped from outside (Ctrl-C): exit status 130.
  public let isInterruption: Bool

  /// Makes an error of a kind.
  public init(_ kind: Kind, _ message: String, hint: String? = nil, isInterruption: Bool = false) {
    self.kind = kind
    self.message = message
    self.hint = hint
    self.isInterruption = isInterruption
  }

  public var description: String { message }

  package var json: JSONValue {
    ["error": ["kind": .string(kind.rawValue), "message": .string(message), "hint": .init(hint)]]
  }
}
