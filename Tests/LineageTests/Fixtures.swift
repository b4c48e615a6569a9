import Foundation
import Lineage
import Objects

/// A made-up digest; the same text gives the same one.
func sha(_ text: String) -> Digest { Digest(of: Array(text.utf8)) }

/// A folder that goes when the test ends.
final class Folder: Sendable {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("lineage-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var file: String { path + "/stemma.sqlite" }

  func open(readOnly: Bool = false, busyTimeout: Double = 30) throws -> LineageDatabase {
    try LineageDatabase(path: file, readOnly: readOnly, busyTimeout: busyTimeout)
  }

  func migrated() throws -> LineageDatabase {
    let database = try open()
    try database.migrate()
    return database
  }
}

extension ModelRow {
  static func named(_ text: String, sequence: Int = 1, state: ModelState = .stored) -> ModelRow {
    ModelRow(
      id: sha(text), weightsID: sha("weights of " + text), state: state, tensors: 3, bytes: 100,
      sequence: sequence)
  }
}

extension DerivationRow {
  static func of(_ model: String, from parents: [String], sequence: Int, role: String = "input") -> DerivationRow {
    DerivationRow(
      digest: sha("derivation \(model) \(sequence)"), model: sha(model), kind: parents.isEmpty ? .import : .merge,
      madeAt: "2025-01-02T03:04:05Z", madeBy: "ada", tool: "stemma 1", sequence: sequence,
      parents: parents.map { ParentRow(role: role, parent: sha($0), coefficient: 0.5) })
  }
}

extension NameEvent {
  static func naming(_ name: String, _ model: String?, sequence: Int) -> NameEvent {
    NameEvent(
      sequence: sequence, name: name, model: model.map { sha($0) }, madeAt: "2025-01-02T03:04:05Z", madeBy: "ada",
      document: sha("event \(name) \(sequence)"))
  }
}

extension NewObject {
  init(_ text: String, pack: Int64, base: String? = nil) {
    self.init(
      digest: sha(text), pack: pack, offset: 64, length: 10, rawBytes: 20, base: base.map { sha($0) })
  }
}

extension LineageDatabase {
  /// Records models made from others, in the order given.
  func record(_ family: [(model: String, parents: [String])]) throws {
    try publish { publication in
      for (index, (model, parents)) in family.enumerated() {
        try publication.insertModel(.named(model, sequence: index + 1))
        try publication.insertDerivation(.of(model, from: parents, sequence: index + 1))
      }
    }
  }
}
