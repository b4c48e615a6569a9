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

extension Entry {
  static let store = StoreID(hex: "0123456789abcdef0123456789abcdef")!

  /// An entry with this number, made upon nothing.
  static func number(
    _ sequence: Int, heads: [Digest] = [], names: [Entry.Naming] = [], store: StoreID = store
  ) -> Entry {
    Entry(
      kind: "import", store: store, sequence: sequence, heads: heads, names: names, madeAt: "2025-01-02T03:04:05Z",
      madeBy: "ada", tool: "stemma 1")
  }
}

extension EventPlace {
  static func number(_ sequence: Int, store: StoreID = Entry.store) -> EventPlace {
    EventPlace(.number(sequence, store: store))
  }
}

extension ModelRow {
  static func named(_ text: String, sequence: Int = 1, state: ModelState = .stored) -> ModelRow {
    ModelRow(
      id: sha(text), weightsID: sha("weights of " + text), state: state, tensors: 3, bytes: 100,
      sequence: sequence, derivation: sha("derivation \(text) \(sequence)"))
  }
}

extension DerivationRow {
  static func of(_ model: String, from parents: [String], sequence: Int, role: String = "input") -> DerivationRow {
    DerivationRow(
      digest: sha("derivation \(model) \(sequence)"), model: sha(model), kind: parents.isEmpty ? .import : .merge,
      madeAt: "2025-01-02T03:04:05Z", madeBy: "ada", tool: "stemma 1", event: .number(sequence),
      parents: parents.map { ParentRow(role: role, parent: sha($0), coefficient: 0.5) })
  }
}

extension Publication {
  /// Records a derivation and the event that it stands in.
  @discardableResult
  func add(_ row: DerivationRow) throws -> Bool {
    try insertEntry(.number(row.sequence))
    return try insertDerivation(row)
  }

  /// Records an event that gives or takes a name, made upon whatever the name means.
  func rename(_ name: String, _ model: String?, sequence: Int, replacing: Bool = false) throws {
    if let model { try requireFree(name, for: sha(model), replacing: replacing) }
    let entry = Entry.number(
      sequence,
      names: [.init(name: name, model: model.map { sha($0) }, replaces: try openChanges(of: name).map(\.entry))])
    try insertEntry(entry)
    try recordNames(of: entry)
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
        try publication.add(.of(model, from: parents, sequence: index + 1))
      }
    }
  }
}
