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

  init(layout: Layout, storage: any Storage) {
    self.layout = layout
    self.storage = storage
    documents = DocumentFolder(storage: storage, path: layout.documents, temporary: layout.temporary)
  }

  func run() throws -> RebuildReport {
    let draft = "\(layout.temporary)/rebuild-\(getpid()).sqlite"
    for suffix in ["", "-wal", "-shm"] { try? storage.remove(draft + suffix) }
    let database = try LineageDatabase(path: draft)
    try database.migrate()
    try readDocuments()
    let packs = try readPacks()
    try database.publish { publication in
      let objects = try insert(packs, in: publication)
      try insertModels(objects: objects, in: publication)
      try insertNames(in: publication)
    }
    let counts = try database.snapshot { try $0.counts() }
    try database.close()
    for suffix in ["-wal", "-shm"] { try? storage.remove(layout.database + suffix) }
    try storage.rename(draft, to: layout.database)
    try storage.syncDirectory(layout.root)
    return RebuildReport(models: manifests.count, objects: counts.objects, names: counts.names, damage: damage)
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
        guard name.hasSuffix(".pack"), let digest = Digest(hex: name.dropLast(5)) else {
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
    var waiting: [(pack: Int64, entry: Pack.Entry)] = []
    for pack in packs.sorted(by: { $0.digest < $1.digest }) {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      waiting += pack.entries.map { (id, $0) }
    }
    var known: Set<Digest> = []
    while !waiting.isEmpty {
      var later: [(pack: Int64, entry: Pack.Entry)] = []
      for (pack, entry) in waiting {
        if let base = entry.base, !known.contains(base) {
          later.append((pack, entry))
          continue
        }
        let object = NewObject(
          digest: entry.digest, pack: pack, offset: entry.offset, length: entry.length, rawBytes: entry.rawBytes,
          base: entry.base)
        do {
          _ = try publication.insertObject(object, depthLimit: Repository.depthLimit)
          known.insert(entry.digest)
        } catch LineageError.depthExceeded, LineageError.cycle {
          // Another frame of the same object may fit; else the models that need it become absent.
          damage.append("object \(entry.digest.hex): a frame on too long a chain is left out")
        }
      }
      if later.count == waiting.count {
        for (_, entry) in later { damage.append("object \(entry.digest.hex): its base is in no pack") }
        break
      }
      waiting = later
    }
    return known
  }

  private func insertModels(objects: Set<Digest>, in publication: Publication) throws {
    let merged = Set(derivations.filter { $0.1.kind == "merge" }.map(\.1.model))
    let sketches = Dictionary(
      derivations.compactMap { derivation in derivation.1.sketch.map { (derivation.1.model, $0) } },
      uniquingKeysWith: { first, _ in first })
    let sequences = Dictionary(
      derivations.map { ($0.1.model, $0.1.sequence) }, uniquingKeysWith: { first, _ in first })
    for (digest, manifest) in manifests {
      // A model whose derivation never became durable was cut off before it was published.
      guard let sequence = sequences[digest] else { continue }
      let isWhole = manifest.objects.allSatisfy { objects.contains($0) }
      let state: ModelState = isWhole ? .stored : merged.contains(digest) ? .virtual : .absent
      try publication.insertModel(
        ModelRow(
          id: digest, weightsID: manifest.weightsID, state: state, tensors: manifest.tensors.count,
          bytes: manifest.bytes, sequence: sequence), sketch: sketches[digest].map { Array($0.text.utf8) })
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
