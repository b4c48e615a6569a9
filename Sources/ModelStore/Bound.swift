import Lineage
import Objects

/// A condition on what an evaluation measured: `refusal_rate >= 0.9 on sha256:…`.
///
/// The value counts; in `lower(refusal_rate)` and `upper(refusal_rate)` an end of its 95 % interval does. Without `on`
/// any data will do.
struct Bound: Sendable, Hashable {
  enum Quantity: String {
    case value
    case lower
    case upper
  }

  enum Relation: String, CaseIterable {
    case atLeast = ">="
    case atMost = "<="
    case above = ">"
    case below = "<"
  }

  let metric: String
  let quantity: Quantity
  let relation: Relation
  let limit: Double
  let data: Digest?

  /// Reads a bound; `invalidInput` says what was expected and what was found.
  init(_ text: String, place: String) throws {
    func refuse() -> RepositoryError {
      RepositoryError(
        .invalidInput, "\(place): a bound such as 'refusal_rate >= 0.9 on sha256:DIGEST' expected, found '\(text)'",
        hint: "METRIC, lower(METRIC) or upper(METRIC); >=, <=, > or <; a number; the digest of the data")
    }
    let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    guard words.count == 3 || words.count == 5 && words[3] == "on", let relation = Relation(rawValue: words[1]),
      let limit = Double(words[2]), limit.isFinite, words[2].utf8.allSatisfy({ Self.isOfNumbers($0) })
    else { throw refuse() }
    var name = words[0]
    var quantity = Quantity.value
    if name.hasSuffix(")"), let open = name.firstIndex(of: "("),
      let end = Quantity(rawValue: String(name[..<open])), end != .value
    {
      quantity = end
      name = String(name[name.index(after: open)...].dropLast())
    }
    guard EvaluationDraft.isName(name) else { throw refuse() }
    var data: Digest?
    if words.count == 5 {
      guard let digest = Digest(hex: String(words[4].trimmingPrefix("sha256:"))) else { throw refuse() }
      data = digest
    }
    (metric, self.quantity, self.relation, self.limit, self.data) = (name, quantity, relation, limit, data)
  }

  /// The canonical spelling, which documents have.
  var text: String {
    let name = quantity == .value ? metric : "\(quantity.rawValue)(\(metric))"
    return "\(name) \(relation.rawValue) \(limit)" + (data.map { " on sha256:\($0.hex)" } ?? "")
  }

  /// Whether one measurement meets it. An end of an interval is met by no metric without one.
  func isMet(by metric: EvaluationRow.Metric) -> Bool {
    let found: Double? =
      switch quantity {
      case .value: metric.value
      case .lower: metric.interval?.low
      case .upper: metric.interval?.high
      }
    guard let found else { return false }
    return switch relation {
    case .atLeast: found >= limit
    case .atMost: found <= limit
    case .above: found > limit
    case .below: found < limit
    }
  }

  /// The evaluation that meets it; nil where none does.
  ///
  /// Of several evaluations the newest that has the metric (on the bound's data) decides, alone: an older and better
  /// one does not help. Where it has the metric on several data sets and the bound names none, all have to meet it.
  ///
  /// - Parameter evaluations: of one model, newest first.
  func evaluation(among evaluations: [EvaluationRow]) -> EvaluationRow? {
    for evaluation in evaluations {
      let found = evaluation.metrics.filter { $0.name == metric && (data == nil || $0.data == data) }
      if !found.isEmpty { return found.allSatisfy(isMet) ? evaluation : nil }
    }
    return nil
  }

  /// Double's own reading takes `inf`, `nan` and hexadecimal too.
  private static func isOfNumbers(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || [0x2E, 0x2D, 0x2B, 0x65, 0x45].contains(byte)
  }
}

extension EvaluationRow.Metric {
  /// The 95 % interval of a rate; nil for other metrics.
  var interval: WilsonInterval? {
    guard let n, let hits else { return nil }
    return WilsonInterval(hits: hits, of: n)
  }
}
