import JSON
import Lineage
import Merging
import Objects

/// What an evaluator found, as `stemma evaluation add` reads it. Strict: every key is known, every number is a number.
///
///     {"evaluator": {"program": "stemma-evaluate", "version": "0.1.0", "sha256": "…"},
///      "data": [{"name": "safety", "sha256": "…"}],
///      "metrics": {"refusal_rate": {"value": 0.9, "n": 100, "hits": 90, "data": "safety"}},
///      "losses": {"safety": 1.23}, "record": …}
struct EvaluationDraft {
  var program: String
  var version: String?
  var evaluator: Digest
  /// Data sets by name, in the order of the text.
  var data: [(name: String, digest: Digest)] = []
  var metrics: [EvaluationRow.Metric] = []
  /// Whatever else is to be kept.
  var record: JSONValue?

  /// - Parameters:
  ///   - label: what the text is called in messages.
  ///   - evaluator: the digest of the program, where the text does not have it.
  init(parsing text: [UInt8], label: String, evaluator given: Digest?) throws {
    let value: JSONValue
    do { value = try JSONValue.parse(text) } catch {
      throw RepositoryError(.invalidInput, "\(label) is no JSON: \(error)")
    }
    let reader = StrictObject(label: label)
    let top = try reader.members(
      value, "the results", known: ["evaluator", "data", "metrics", "losses", "record"])
    let evaluator = try reader.members(
      top["evaluator"] ?? .null, "evaluator", known: ["program", "version", "sha256"])
    program = try reader.text(evaluator["program"], "evaluator.program")
    version = try evaluator["version"].map { try reader.text($0, "evaluator.version") }
    let named = try evaluator["sha256"].map { try reader.digest($0, "evaluator.sha256") }
    if let named, let given, named != given {
      throw reader.wrong("evaluator.sha256", "\(given.hex), the digest of the program given", .string(named.hex))
    }
    guard let digest = named ?? given else {
      throw RepositoryError(
        .invalidInput, "\(label): evaluator.sha256, the digest of the evaluator's program, expected, found none",
        hint: "add it, or give the program: --evaluator FILE")
    }
    self.evaluator = digest
    for (index, entry) in try reader.list(top["data"], "data").enumerated() {
      let place = "data[\(index)]"
      let set = try reader.members(entry, place, known: ["name", "sha256"])
      let name = try reader.text(set["name"], place + ".name")
      guard !data.contains(where: { $0.name == name }) else {
        throw reader.wrong(place + ".name", "a name of its own", .string(name))
      }
      data.append((name, try reader.digest(set["sha256"] ?? .null, place + ".sha256")))
    }
    if data.isEmpty {
      throw RepositoryError(.invalidInput, "\(label): data: at least one data set expected, found none")
    }
    for member in try reader.object(top["metrics"] ?? .object([]), "metrics") {
      guard Self.isName(member.key) else { throw reader.wrong("metrics", "names of metrics", .string(member.key)) }
      for entry in member.value.elements ?? [member.value] {
        try add(metric(entry, named: member.key, reader), reader)
      }
    }
    for member in try reader.object(top["losses"] ?? .object([]), "losses") {
      let set = try set(member.key, at: "losses", reader)
      let value = try reader.number(member.value, "losses.\(member.key)")
      try add(EvaluationRow.Metric(name: "loss", data: set, value: value), reader)
    }
    if metrics.isEmpty {
      throw RepositoryError(.invalidInput, "\(label): at least one of metrics or losses expected, found none")
    }
    record = top["record"]
  }

  /// What a metric may be called: bounds name it too.
  static func isName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 100
      && text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
          || [0x2D, 0x2E, 0x2F, 0x5F].contains($0)
      }
  }

  private func metric(
    _ value: JSONValue, named name: String, _ reader: StrictObject
  ) throws -> EvaluationRow.Metric {
    let place = "metrics.\(name)"
    let fields = try reader.members(value, place, known: ["value", "n", "hits", "data"])
    let count = try fields["n"].map { try reader.count($0, place + ".n", from: 1) }
    let hits = try fields["hits"].map { try reader.count($0, place + ".hits", from: 0) }
    let given = try fields["value"].map { try reader.number($0, place + ".value") }
    let set: Digest
    if let data = fields["data"] {
      set = try self.set(try reader.text(data, place + ".data"), at: place + ".data", reader)
    } else {
      guard data.count == 1 else {
        throw RepositoryError(
          .invalidInput,
          "\(reader.label): \(place).data, the name of the data set, expected, found none beside "
            + "\(data.count) data sets")
      }
      set = data[0].digest
    }
    guard let hits else {
      guard let given else { throw reader.wrong(place, "a value, or n and hits", value) }
      if name.hasSuffix("_rate"), !(0...1).contains(given) {
        throw reader.wrong(place + ".value", "a rate from 0 to 1", .number(given))
      }
      return EvaluationRow.Metric(name: name, data: set, value: given, n: count)
    }
    guard let count, hits <= count else { throw reader.wrong(place, "hits of n, and not more than n", value) }
    let rate = Double(hits) / Double(count)
    if let given, abs(given - rate) > 1e-6 {
      throw reader.wrong(place + ".value", "hits / n = \(rate)", .number(given))
    }
    return EvaluationRow.Metric(name: name, data: set, value: rate, n: count, hits: hits)
  }

  private func set(_ name: String, at place: String, _ reader: StrictObject) throws -> Digest {
    if let known = data.first(where: { $0.name == name }) { return known.digest }
    throw RepositoryError(
      .invalidInput,
      "\(reader.label): \(place): one of the data sets "
        + "\(data.map(\.name).joined(separator: ", ")) expected, found '\(name)'")
  }

  private mutating func add(_ metric: EvaluationRow.Metric, _ reader: StrictObject) throws {
    guard !metrics.contains(where: { $0.name == metric.name && $0.data == metric.data }) else {
      throw RepositoryError(
        .invalidInput, "\(reader.label): metrics.\(metric.name): one number for each data set expected, found two")
    }
    metrics.append(metric)
  }
}

/// Reads JSON whose keys are all known; every error names the text and the place in it.
struct StrictObject {
  let label: String

  func wrong(_ place: String, _ expected: String, _ found: JSONValue) -> RepositoryError {
    let shown = String(decoding: found.compact.prefix(80), as: UTF8.self)
    return RepositoryError(.invalidInput, "\(label): \(place): \(expected) expected, found \(shown)")
  }

  func object(_ value: JSONValue, _ place: String) throws -> [JSONValue.Member] {
    guard let members = value.members else { throw wrong(place, "an object", value) }
    return members
  }

  func members(_ value: JSONValue, _ place: String, known: [String]) throws -> [String: JSONValue] {
    var found: [String: JSONValue] = [:]
    for member in try object(value, place) {
      guard known.contains(member.key) else {
        let near = Spelling.nearest(to: member.key, among: known)
        throw RepositoryError(
          .invalidInput, "\(label): unknown key '\(member.key)' in \(place)",
          hint: near.map { "did you mean '\($0)'?" } ?? "known are \(known.joined(separator: ", "))")
      }
      found[member.key] = member.value
    }
    return found
  }

  func list(_ value: JSONValue?, _ place: String) throws -> [JSONValue] {
    guard let list = value?.elements else { throw wrong(place, "a list", value ?? .null) }
    return list
  }

  func text(_ value: JSONValue?, _ place: String) throws -> String {
    guard let text = value?.text, !text.isEmpty else { throw wrong(place, "a text", value ?? .null) }
    return text
  }

  func digest(_ value: JSONValue, _ place: String) throws -> Digest {
    guard let digest = value.text.flatMap({ Digest(hex: String($0.trimmingPrefix("sha256:"))) }) else {
      throw wrong(place, "a SHA-256 of 64 hex digits", value)
    }
    return digest
  }

  func number(_ value: JSONValue, _ place: String) throws -> Double {
    guard let number = value.double else { throw wrong(place, "a number", value) }
    return number
  }

  func count(_ value: JSONValue, _ place: String, from least: Int) throws -> Int {
    guard let count = value.int, count >= least else { throw wrong(place, "a whole number from \(least)", value) }
    return count
  }
}
