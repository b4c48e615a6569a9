import Foundation
import Glibc
import JSON
import Lineage
import Objects

/// Makes the lineage database from packs and documents, beside the old one, and puts it in its place when it is whole.
final class Rebuild {
  private let layout: Layout
  private let storage: any Storage
  private let documents: DocumentFolder
  private var damage: [String] = []
  private var manifests: [(Digest, Manifest)] = []
  private var derivations: [(Digest, Derivation)] = []
  private var events: [NameRecord] = []
  private var verdicts = Verdicts()

  init(layout: Layout, storage: any Storage) {
    self.layout = layout
    self.storage = storage
    documents = DocumentFolder(storage: storage, path: layout.documents, temporary: layout.temporary)
  }

  func run() throws -> RebuildReport {
    let draft = "\(layout.temporary)/rebuild-\(getpid()).sqlite"
    removeDatabase(draft)
    do {
      let counts = try fill(draft)
      // The old one goes before its WAL: without that it would be the database of some days ago.
      removeDatabase(layout.database)
      try storage.rename(draft, to: layout.database)
      try storage.syncDirectory(layout.root)
      return RebuildReport(models: manifests.count, objects: counts.objects, names: counts.names, damage: damage)
    } catch {
      removeDatabase(draft)
      throw error
    }
  }

  private func removeDatabase(_ path: String) {
    for suffix in ["", "-wal", "-shm"] { try? storage.remove(path + suffix) }
  }

  private func fill(_ draft: String) throws -> LineageCounts {
    let database = try LineageDatabase(path: draft)
    try database.migrate()
    try readDocuments()
    let packs = try readPacks()
    try database.publish { publication in
      let objects = try insert(packs, in: publication)
      try insertModels(objects: objects, in: publication)
      try insertNames(in: publication)
      damage += try verdicts.insert(in: publication)
      for name in try publication.allNames() where try publication.model(name.model)?.state == .absent {
        damage.append("model \(name.name), \(name.model.hex): not all of its objects are in packs")
      }
    }
    let counts = try database.snapshot { try $0.counts() }
    try database.close()
    return counts
  }

  private func readDocuments() throws {
    for digest in try documents.all().digests {
      do {
        let document = try documents.get(digest)
        switch document.value["type"]?.text {
        case "manifest": manifests.append((digest, try Manifest(document)))
        case "derivation": derivations.append((digest, try Derivation(document)))
        case "name": events.append(try NameRecord(document))
        case "recipe": break
        case "evaluation", "advisory", "withdrawal", "allowance": try verdicts.add(document)
        default: damage.append("document \(digest.hex): unknown type")
        }
      } catch {
        damage.append("document \(digest.hex): \(RepositoryError(translating: error).message)")
      }
    }
    derivations.sort { $0.1.sequence < $1.1.sequence }
    events.sort { $0.sequence < $1.sequence }
  }

  private func readPacks() throws -> [(digest: Digest, size: Int, entries: [Pack.Entry])] {
    var packs: [(digest: Digest, size: Int, entries: [Pack.Entry])] = []
    for shelf in try storage.list(layout.packs) {
      for name in try storage.list("\(layout.packs)/\(shelf)") {
        let path = "\(layout.packs)/\(shelf)/\(name)"
        guard name.hasSuffix(".pack"), let digest = Digest(hex: String(name.dropLast(5))) else {
          damage.append("\(path): no pack by its name")
          continue
        }
        do {
          let file = try storage.open(path)
          packs.append((digest, try file.size(), try Pack.readIndex(of: file, path: path)))
        } catch {
          damage.append(RepositoryError(translating: error).message)
        }
      }
    }
    return packs
  }

  /// Inserts objects so that every base comes before its deltas; returns the digests on record.
  private func insert(
    _ packs: [(digest: Digest, size: Int, entries: [Pack.Entry])], in publication: Publication
  ) throws -> Set<Digest> {
    var frames = FrameChoice()
    for pack in packs.sorted(by: { $0.digest < $1.digest }) {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      for entry in pack.entries {
        frames.add(
          NewObject(
            digest: entry.digest, pack: id, offset: entry.offset, length: entry.length, rawBytes: entry.rawBytes,
            base: entry.base))
      }
    }
    let (chosen, tooDeep) = frames.choose()
    for object in chosen { _ = try publication.insertObject(object, depthLimit: Repository.depthLimit) }
    damage += tooDeep.map { "object \($0.hex): a frame on too long a chain is left out" }
    return Set(chosen.map(\.digest))
  }

  private func insertModels(objects: Set<Digest>, in publication: Publication) throws {
    let sketches = Dictionary(
      derivations.compactMap { derivation in derivation.1.sketch.map { (derivation.1.model, $0) } },
      uniquingKeysWith: { first, _ in first })
    let sequences = Dictionary(
      derivations.map { ($0.1.model, $0.1.sequence) }, uniquingKeysWith: { first, _ in first })
    var presence = Presence()
    for (digest, manifest) in manifests { presence.add(digest, manifest) { objects.contains($0) } }
    let states = presence.states(merges: derivations.map { $0.1.row($0.0) }.filter { $0.kind == .merge })
    for (digest, manifest) in manifests {
      // A model whose derivation never became durable was cut off before it was published.
      guard let sequence = sequences[digest] else { continue }
      try publication.insertModel(
        ModelRow(
          id: digest, weightsID: manifest.weightsID, state: states[digest] ?? .absent,
          tensors: manifest.tensors.count, bytes: manifest.bytes, sequence: sequence),
        sketch: sketches[digest].map { Array($0.text.utf8) })
    }
    let known = Set(manifests.map(\.0))
    for (digest, derivation) in derivations where known.contains(derivation.model) {
      _ = try publication.insertDerivation(derivation.row(digest))
    }
  }

  private func insertNames(in publication: Publication) throws {
    let known = Set(manifests.map(\.0).filter { model in derivations.contains { $0.1.model == model } })
    var decided: Set<String> = []
    // Newest first: the newest event of a name decides, the older ones are history.
    for event in events.reversed() {
      let isDecided = !decided.insert(event.name.lowercased()).inserted
      // An event for a model that never became durable was cut off before it was published.
      if !isDecided, let model = event.model, !known.contains(model) {
        decided.remove(event.name.lowercased())
        continue
      }
      try publication.recordName(event.row, replacing: true)
    }
  }
}
