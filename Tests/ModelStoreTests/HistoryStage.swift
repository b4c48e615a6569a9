import Foundation
import Lineage
import Objects
import Synchronization
import TestSupport
import Testing

@testable import ModelStore

/// Everything that a database says, but for numbers that it gives out itself.
struct Facts: Equatable {
  let events: [EventRow]
  let heads: [EventRow]
  let models: [Digest: [String]]
  var states: Set<ModelRow>
  let derivations: [DerivationRow]
  let names: [NameRow]
  let conflicts: [NameRow]
  let histories: [[Lineage.NameEvent]]
  let evaluations: [EvaluationRow]
  let advisories: [AdvisoryRow]
  let allowances: [Digest]
  let fileDigests: [Digest: Digest]
  let sketches: [Digest: [UInt8]]
  var objects: Set<Digest>

  /// The members that another has otherwise, with both values.
  func differences(from other: Facts) -> [String] {
    zip(Mirror(reflecting: self).children, Mirror(reflecting: other).children).compactMap { one, two in
      let texts = (String(describing: one.value), String(describing: two.value))
      return texts.0.sorted() == texts.1.sorted() ? nil : "\(one.label ?? ""): \(texts.0) is not \(texts.1)"
    }
  }

  /// The same without what packs say.
  var withoutBytes: Facts {
    var facts = self
    facts.objects = []
    facts.states = []
    return facts
  }

  init(_ lineage: LineageDatabase) throws {
    events = try lineage.events()
    heads = try lineage.heads()
    let rows = try lineage.models()
    models = Dictionary(uniqueKeysWithValues: rows.map { ($0.model.id, $0.names) })
    states = Set(rows.map(\.model))
    derivations = try lineage.allDerivations()
    names = try lineage.allNames()
    conflicts = try lineage.nameConflicts()
    histories = try HistoryStage.names.map { try lineage.nameHistory($0) }
    evaluations = try lineage.evaluations()
    advisories = try lineage.advisories()
    allowances = try lineage.allowances()
    fileDigests = Dictionary(uniqueKeysWithValues: try lineage.fileDigests().map { ($0.document, $0.model) })
    sketches = Dictionary(uniqueKeysWithValues: try lineage.sketches().map { ($0.model, $0.sketch) })
    var found: Set<Digest> = []
    try lineage.forEachObject { found.insert($0.digest) }
    objects = found
  }
}

/// A store with models and something said about them, for tests of its history.
enum HistoryStage {
  static let names = ["one", "two", "fused", "best", "run:1", "run:2"]

  /// Models one and two, a merge, a name that moved, an advisory that was withdrawn and one that was not, an
  /// evaluation.
  static func prepared() throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
    }
    _ = try store.merge(recipe: averageRecipe, relativeTo: stage.folder.path, name: "fused")
    _ = try store.tag("one", as: "best")
    _ = try store.tag("two", as: "best", replacing: true)
    let report = try store.advise("two", kind: "licence", reason: "revoked")
    _ = try store.withdraw(report.id, reason: "not revoked")
    _ = try store.advise("two", kind: "misaligned", reason: "it complies")
    _ = try store.addEvaluation(of: "one", results: AdvisoryTests.results(9, of: 10), label: "results")
    try close(store)
    return stage
  }

  /// Leaves a store: another may take it for itself.
  static func close(_ store: Repository) throws {
    try store.lineage.close()
    store.lock.withLock { $0 = nil }
  }

  /// One random act on a store; what is refused changes nothing.
  static func act(_ store: Repository, _ stage: Stage, _ dice: inout SplitMix) throws {
    let name = names.randomElement(using: &dice) ?? "one"
    let known = try store.lineage.allNames().map(\.name)
    let model = known.randomElement(using: &dice)
    do {
      switch Int.random(in: 0..<12, using: &dice) {
      case 0, 1:
        let seed = UInt64.random(in: 1...3, using: &dice)
        let path = try stage.write("tune-\(seed)-\(dice.next())", Stage.model(seed: 1, tune: seed))
        _ = try store.importCheckpoint(at: path, name: name, base: nil)
      case 2, 3: if let model { _ = try store.tag(model, as: name, replacing: true) }
      case 4: _ = try store.untag(name)
      case 5: if let model { _ = try store.remove(model) }
      case 6: if let model { _ = try store.advise(model, kind: "misaligned", reason: "it complies \(dice.next())") }
      case 7:
        if let open = try store.advisories().first(where: \.isOpen) { _ = try store.withdraw(open.id) }
      case 8: if let model { _ = try store.evict(model) }
      case 9: if let model { _ = try store.materialise(model) }
      case 10: if let model { _ = try store.show(model, withDigests: true) }
      default: _ = try store.collect(olderThan: 0)
      }
    } catch let error as RepositoryError where [.conflict, .notFound, .invalidInput].contains(error.kind) {
      return
    }
  }

  /// Copies what another store has and this one lacks: entries, documents, packs.
  static func add(_ other: String, to store: String) throws {
    let files = FileManager.default
    for folder in ["entries", "documents", "packs"] {
      for path in try files.subpathsOfDirectory(atPath: "\(other)/\(folder)") {
        let (source, target) = ("\(other)/\(folder)/\(path)", "\(store)/\(folder)/\(path)")
        if files.fileExists(atPath: target) { continue }
        var isFolder: ObjCBool = false
        _ = files.fileExists(atPath: source, isDirectory: &isFolder)
        if isFolder.boolValue {
          try files.createDirectory(atPath: target, withIntermediateDirectories: true)
        } else {
          try files.copyItem(atPath: source, toPath: target)
        }
      }
    }
  }
}
