import JSON
import Lineage
import Objects

/// A document that says something about weights.
enum Verdict: Sendable {
  case evaluation(Evaluation)
  case advisory(Advisory)
  case withdrawal(Withdrawal)
  case allowance(Allowance)

  /// The types of these documents.
  static let types = ["evaluation", "advisory", "withdrawal", "allowance"]

  /// Reads a document of one of the four types.
  init(_ document: Document) throws {
    switch document.value["type"]?.text {
    case "evaluation": self = .evaluation(try Evaluation(document))
    case "advisory": self = .advisory(try Advisory(document))
    case "withdrawal": self = .withdrawal(try Withdrawal(document))
    case "allowance": self = .allowance(try Allowance(document))
    default:
      throw ObjectsError.documentContent(document: document.digest, reason: "no verdict about weights")
    }
  }

  /// Throws where a document is one of the four types and cannot be read. What a newer program wrote is no damage.
  static func check(_ document: Document) throws {
    guard let type = document.value["type"]?.text, types.contains(type) else { return }
    do { _ = try Verdict(document) } catch ObjectsError.newerVersion { return }
  }

  /// The kind of event that records it.
  var event: EventKind {
    switch self {
    case .evaluation: .evaluation
    case .advisory: .advisory
    case .withdrawal: .withdrawal
    case .allowance: .allowance
    }
  }

  /// Records it; what is wrong with it, where something is.
  func insert(_ digest: Digest, at place: EventPlace, in publication: Publication) throws -> String? {
    switch self {
    case .evaluation(let evaluation): try publication.insertEvaluation(evaluation.row(digest, at: place))
    case .advisory(let advisory): try publication.insertAdvisory(advisory.row(digest, at: place))
    case .allowance(let allowance):
      try publication.insertAllowance(digest, model: allowance.model, event: place)
    case .withdrawal(let withdrawal):
      do {
        try publication.withdraw(withdrawal.advisory, by: withdrawal.row(digest, at: place))
      } catch LineageError.dangling {
        return "document \(digest.hex): it withdraws advisory \(withdrawal.advisory.hex), which is not there"
      }
    }
    return nil
  }
}
