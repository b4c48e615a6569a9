import Foundation
import Glibc
import Merging
import Objects
import Yams

/// What names ask of the models that get them: the file `policy.yml`.
///
///     names:
///       - pattern: prod/*
///         no_open_advisory: true
///         evaluation:
///           - refusal_rate >= 0.9 on sha256:…
///
/// Strict: unknown keys, empty rules and rules without a requirement are refused, with the line.
struct Policy {
  /// What names of a pattern need.
  struct Rule {
    let pattern: String
    let line: Int?
    let refusesFlagged: Bool
    /// What the newest evaluations of the model have to meet, all of them.
    let bounds: [Bound]
  }

  let path: String
  let rules: [Rule]

  /// The policy of a file; nil where there is none.
  static func load(_ path: String) throws -> Policy? {
    // A link to nowhere is a policy that cannot be read.
    var status = stat()
    return lstat(path, &status) == 0 ? try require(path) : nil
  }

  /// The policy of a file that has to be there.
  static func require(_ path: String) throws -> Policy {
    guard exists(path) else { throw RepositoryError(.notFound, "policy \(path): there is no such file") }
    guard let text = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
      throw RepositoryError(.io, "policy \(path): it cannot be read")
    }
    guard let text = String(validating: text, as: UTF8.self) else {
      throw RepositoryError(.invalidInput, "policy \(path): UTF-8 text expected, found other bytes")
    }
    return try Policy(text, path: path)
  }

  init(_ text: String, path: String) throws {
    self.path = path
    let reader = PolicyReader(path: path)
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch {
      throw RepositoryError(.invalidInput, "policy \(path) is no valid YAML: \(String(describing: error).firstLine)")
    }
    guard let root else { throw reader.wrong("the policy", "the key 'names'", nil) }
    let top = try reader.members(root, "the policy", known: ["names"])
    guard let names = top["names"] else { throw reader.wrong("the policy", "the key 'names'", root) }
    guard case .sequence(let list) = names else { throw reader.wrong("names", "a list of rules", names) }
    rules = try list.map(reader.rule)
  }

  /// The rules whose pattern the name matches, in any case: names that differ only by case are one name. `*` stands for
  /// slashes and tags too.
  func rules(for name: String) -> [Rule] {
    rules.filter { fnmatch($0.pattern.lowercased(), name.lowercased(), 0) == 0 }
  }

  /// The rule as messages call it.
  func place(of rule: Rule) -> String {
    "\((path as NSString).lastPathComponent)\(rule.line.map { " line \($0)" } ?? "") for \(rule.pattern)"
  }
}

/// Walks the YAML nodes of a policy; every error knows its line.
private struct PolicyReader {
  let path: String

  func wrong(_ place: String, _ expected: String, _ node: Node?) -> RepositoryError {
    let line = node?.mark.map { ", line \($0.line)" } ?? ""
    let found =
      switch node {
      case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "'\(scalar.string)'"
      case .sequence(let list): list.isEmpty ? "an empty list" : "a list"
      case .mapping: "a mapping"
      case .alias: "an alias"
      case nil: "nothing"
      }
    return RepositoryError(.invalidInput, "policy \(path)\(line): \(place): \(expected) expected, found \(found)")
  }

  func members(_ node: Node, _ place: String, known: [String]) throws -> [String: Node] {
    guard case .mapping(let mapping) = node else { throw wrong(place, "a mapping", node) }
    var found: [String: Node] = [:]
    for (key, value) in mapping {
      guard case .scalar(let scalar) = key else { throw wrong(place, "a key as text", key) }
      guard known.contains(scalar.string) else {
        let line = key.mark.map { ", line \($0.line)" } ?? ""
        let near = Spelling.nearest(to: scalar.string, among: known)
        throw RepositoryError(
          .invalidInput, "policy \(path)\(line): unknown key '\(scalar.string)' in \(place)",
          hint: near.map { "did you mean '\($0)'?" } ?? "known are \(known.joined(separator: ", "))")
      }
      found[scalar.string] = value
    }
    return found
  }

  func rule(_ node: Node) throws -> Policy.Rule {
    let fields = try members(node, "a rule of names", known: ["pattern", "no_open_advisory", "evaluation"])
    guard case .scalar(let pattern)? = fields["pattern"], !pattern.string.isEmpty else {
      throw wrong("pattern", "a name in which * stands for any text", fields["pattern"] ?? node)
    }
    var refusesFlagged = false
    if let flag = fields["no_open_advisory"] {
      guard flag.tag == Tag(.bool), let value = flag.bool else {
        throw wrong("no_open_advisory", "true or false", flag)
      }
      refusesFlagged = value
    }
    var bounds: [Bound] = []
    if let list = fields["evaluation"] {
      guard case .sequence(let texts) = list, !texts.isEmpty else {
        throw wrong("evaluation", "a list of bounds", list)
      }
      bounds = try texts.map { text in
        guard case .scalar(let scalar) = text else { throw wrong("evaluation", "a bound", text) }
        let line = text.mark.map { ", line \($0.line)" } ?? ""
        return try Bound(scalar.string, place: "policy \(path)\(line): evaluation")
      }
    }
    guard refusesFlagged || !bounds.isEmpty else {
      throw wrong("rule for \(pattern.string)", "no_open_advisory: true or a list 'evaluation'", node)
    }
    return Policy.Rule(
      pattern: pattern.string, line: node.mark?.line, refusesFlagged: refusesFlagged, bounds: bounds)
  }
}

extension String {
  /// Up to the first end of a line.
  var firstLine: String { split(whereSeparator: \.isNewline).first.map(String.init) ?? self }
}
