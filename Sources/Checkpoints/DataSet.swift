package import JSON

/// A data set: one file of JSON lines, an object each, and what is known of them.
///
/// The lines themselves are in a file of any name; this is what `dataset_config.json` says beside it.
package struct DataSet: Sendable, Equatable {
  /// How many lines there are, and what they say they are for.
  package struct Counts: Sendable, Equatable {
    package private(set) var examples = 0
    /// By `kind`; lines without one are in none.
    package private(set) var kinds = Dictionary(uniqueKeysWithValues: DataSet.kinds.map { ($0, 0) })
    /// By `split`, in the same way.
    package private(set) var splits = Dictionary(uniqueKeysWithValues: DataSet.splits.map { ($0, 0) })

    package init() {}

    /// Takes a line.
    ///
    /// - Parameter place: names the line in errors.
    /// - Throws: `CheckpointError.named` for a `kind` or `split` that there is none of: a misspelt `test` must not let
    ///   lines through that something is judged by.
    package mutating func add(_ line: JSONValue, place: String) throws(CheckpointError) {
      for (key, known) in [("kind", DataSet.kinds), ("split", DataSet.splits)] {
        guard let value = line[key], value != .null else { continue }
        guard let text = value.text, known.contains(text) else {
          let found = value.text?.quoted ?? value.kind
          throw .named(path: place, .badSetting(key, expected: known.joined(separator: ", "), found: found))
        }
        if key == "kind" { kinds[text, default: 0] += 1 } else { splits[text, default: 0] += 1 }
      }
      examples += 1
    }
  }

  /// The name of the file of lines.
  package let file: String
  /// Of that file: 64 hex digits.
  package let sha256: String
  package let counts: Counts
  /// What the program that made it tells, such as its generator, guard, prompts and seed; nil where there is none.
  package let record: JSONValue?

  package static let configFile = "dataset_config.json"
  package static let kinds = ["harmful", "benign", "domain"]
  package static let splits = ["train", "validation", "test"]

  /// True for the files of a data set: its configuration, and no tensors.
  package static func isDataSet(_ paths: some Sequence<String>) -> Bool {
    paths.contains(configFile) && !paths.contains { $0.hasSuffix(".safetensors") }
  }

  package init(file: String, sha256: String, counts: Counts, record: JSONValue?) {
    self.file = file
    self.sha256 = sha256
    self.counts = counts
    self.record = record
  }

  /// Reads a configuration's text and compares it with the files beside it; `path` names it in errors. The lines are
  /// not read: `check` compares those.
  ///
  /// - Throws: `CheckpointError.named`.
  package init(parsing bytes: [UInt8], files: [String], path: String) throws(CheckpointError) {
    do throws(NamedTensorsRefusal) {
      let fields = try NamedTensorsFields(bytes, file: Self.configFile)
      let file = try fields.text("file", of: fields.value)
      let others = files.filter { $0 != Self.configFile }
      guard others == [file] else {
        let found = others.isEmpty ? "none" : others.map(\.quoted).joined(separator: ", ")
        throw NamedTensorsRefusal(
          .badSetting("file", expected: "\(file.quoted) alone beside \(Self.configFile)", found: found))
      }
      let counts = try Counts(fields)
      let record = fields.value["record"]
      if let record, record.members == nil { throw fields.refusal("record", "an object", record) }
      self.init(file: file, sha256: try fields.text("sha256", of: fields.value), counts: counts, record: record)
    } catch {
      throw .named(path: path, error.fault)
    }
  }

  /// The text of `dataset_config.json`.
  package var config: [UInt8] {
    var members: [JSONValue.Member] = [
      .init("format", .integer(NamedTensorsFields.format)), .init("file", .string(file)),
      .init("sha256", .string(sha256)), .init("examples", .integer(counts.examples)),
      .init("kinds", Self.json(counts.kinds, Self.kinds)), .init("splits", Self.json(counts.splits, Self.splits)),
    ]
    if let record { members.append(.init("record", record)) }
    return Array((JSONValue.object(members).pretty() + "\n").utf8)
  }

  private static func json(_ counts: [String: Int], _ order: [String]) -> JSONValue {
    .object(order.map { .init($0, .integer(counts[$0] ?? 0)) })
  }

  /// The counts in a few words.
  package var summary: String {
    func text(_ counts: [String: Int], _ order: [String]) -> String {
      order.compactMap { name in counts[name].flatMap { $0 > 0 ? "\($0) \(name)" : nil } }.joined(separator: ", ")
    }
    let parts = [text(counts.kinds, Self.kinds), text(counts.splits, Self.splits)].filter { !$0.isEmpty }
    let whole = "\(counts.examples) example\(counts.examples == 1 ? "" : "s")"
    return ([whole] + parts).joined(separator: "; ")
  }

  /// Throws `CheckpointError.named` where the lines are not those that were counted.
  package func check(_ found: Counts, sha256 digest: String, path: String) throws(CheckpointError) {
    var facts = [("sha256", sha256, digest), ("examples", "\(counts.examples)", "\(found.examples)")]
    facts += Self.kinds.map { ("kinds \($0)", "\(counts.kinds[$0] ?? 0)", "\(found.kinds[$0] ?? 0)") }
    facts += Self.splits.map { ("splits \($0)", "\(counts.splits[$0] ?? 0)", "\(found.splits[$0] ?? 0)") }
    for (key, said, actual) in facts where said != actual {
      throw .named(path: path, .badSetting(key, expected: "\(actual), as in \(file)", found: said))
    }
  }
}

extension DataSet.Counts {
  /// Reads them from a configuration.
  fileprivate init(_ fields: NamedTensorsFields) throws(NamedTensorsRefusal) {
    self.init()
    examples = try fields.int("examples", of: fields.value)
    for (key, known) in [("kinds", DataSet.kinds), ("splits", DataSet.splits)] {
      guard let members = fields.value[key]?.members else {
        throw fields.refusal(key, "an object", fields.value[key])
      }
      for member in members {
        guard known.contains(member.key) else {
          throw NamedTensorsRefusal(
            .badSetting(key, expected: known.joined(separator: ", "), found: member.key.quoted))
        }
        guard let count = member.value.int else {
          throw fields.refusal("\(key) \(member.key)", "a count", member.value)
        }
        if key == "kinds" { kinds[member.key] = count } else { splits[member.key] = count }
      }
    }
  }
}
