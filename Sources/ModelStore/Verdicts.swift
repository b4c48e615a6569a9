import JSON
import Lineage
import Objects

/// The documents that say something about weights, on their way from a folder into a database.
struct Verdicts {
  private var evaluations: [(Digest, Evaluation)] = []
  private var advisories: [(Digest, Advisory)] = []
  private var withdrawals: [(Digest, Withdrawal)] = []
  private var allowances: [(Digest, Allowance)] = []

  /// Takes a document of one of the four types; throws where it cannot be read.
  mutating func add(_ document: Document) throws {
    let digest = document.digest
    switch document.value["type"]?.text {
    case "evaluation": evaluations.append((digest, try Evaluation(document)))
    case "advisory": advisories.append((digest, try Advisory(document)))
    case "withdrawal": withdrawals.append((digest, try Withdrawal(document)))
    case "allowance": allowances.append((digest, try Allowance(document)))
    default: break
    }
  }

  /// Throws where a document is one of the four types and cannot be read.
  static func check(_ document: Document) throws {
    var verdicts = Verdicts()
    try verdicts.add(document)
  }

  /// Records all of them; what is wrong with them, a line each.
  func insert(in publication: Publication) throws -> [String] {
    for (digest, evaluation) in evaluations { try publication.insertEvaluation(evaluation.row(digest)) }
    for (digest, advisory) in advisories { try publication.insertAdvisory(advisory.row(digest)) }
    for (digest, allowance) in allowances {
      try publication.insertAllowance(digest, model: allowance.model, sequence: allowance.stamp.sequence)
    }
    var damage: [String] = []
    // Of two withdrawals of one advisory the first holds, as when they were made.
    for (digest, withdrawal) in withdrawals.sorted(by: { $0.1.stamp.sequence < $1.1.stamp.sequence }) {
      guard advisories.contains(where: { $0.0 == withdrawal.advisory }) else {
        damage.append("document \(digest.hex): it withdraws advisory \(withdrawal.advisory.hex), which is not there")
        continue
      }
      try publication.withdraw(withdrawal.advisory, by: withdrawal.row(digest))
    }
    return damage
  }
}
