package import JSON
import Lineage
import Objects

/// Why the bytes of a model had to go: the document of an event `purge`.
struct PurgeNote: Sendable {
  static let version = 1
  let model: Digest
  let reason: String

  var document: Document {
    Document([
      "type": "purge", "version": .integer(Self.version), "model": .string(model.hex), "reason": .string(reason),
    ])
  }
}

/// What `purge` did.
public struct PurgeReport: Sendable {
  public let id: String
  /// The names that were taken away.
  public let names: [String]
  /// Objects whose bytes are gone, and the bytes that their frames had.
  public let objects: Int
  public let bytes: Int
  /// Objects that stay because other models have them too, and these models.
  public let objectsShared: Int
  public let sharedWith: [String]
  /// Objects of other models that rested on what is gone, and were coded anew before.
  public let objectsRebased: Int

  package var json: JSONValue {
    [
      "id": .string(id), "names": .array(names.map(JSONValue.string)), "objects": .integer(objects),
      "bytes": .integer(bytes), "objects_shared": .integer(objectsShared),
      "shared_with": .array(sharedWith.map(JSONValue.string)), "objects_rebased": .integer(objectsRebased),
    ]
  }
}

extension Repository {
  /// Deletes the bytes of a model at once and takes its names away; its lineage stays, and an event says why. What
  /// other models have too stays; what rests on the rest is coded anew first. Durable when it returns.
  ///
  /// Packs with its frames are written anew without them, garbage too. Backups that were made before keep them.
  ///
  /// - Parameters:
  ///   - reason: a text of 1 to 1000 bytes.
  ///   - waiting: waits for the store as long as it takes; else ten seconds.
  /// - Throws: `conflict` where a virtual model is computed from it, and where others are at work.
  public func purge(
    _ reference: String, reason: String, waiting: Bool = false
  ) throws(RepositoryError) -> PurgeReport {
    try door {
      try requireWritable()
      let text = reason.split { $0.isWhitespace }.joined(separator: " ")
      guard !text.isEmpty, text.utf8.count <= 1000 else {
        throw RepositoryError(
          .invalidInput, "--reason: a text of 1 to 1000 bytes expected, found \(text.utf8.count) bytes")
      }
      return try withExclusiveLock(waiting: waiting) { try purge(try resolve(reference), reason: text) }
    }
  }

  private func purge(_ model: Digest, reason: String) throws -> PurgeReport {
    let names = try lineage.names(of: model)
    for name in names { try requireDecided(name) }
    try refuseWhereComputedFrom(model)
    let own = Set(try manifest(of: model).objects)
    var owners: [Digest: Set<Digest>] = [:]
    for entry in try lineage.models() where entry.model.id != model && entry.model.state != .absent {
      let manifest = try manifest(of: entry.model.id)
      // Tensors of virtual models are computed, but may be in packs as well.
      for object in manifest.objects where own.contains(object) { owners[object, default: []].insert(entry.model.id) }
    }
    let rows = try own.filter { owners[$0] == nil }.compactMap { try lineage.object($0) }
    let gone = Set(rows.map(\.digest))
    let rebased = try standAlone(on: gone)

    let note = PurgeNote(model: model, reason: reason)
    var event = Event(.purge, madeBy: whoami())
    event.document = note.document
    event.models = [model]
    event.namings = names.map { Event.Naming(name: $0, model: nil, replacing: true) }
    try publish(event) { publication, _ in
      // Deltas before their bases.
      try publication.deleteObjects(rows.sorted { $0.depth > $1.depth }.map(\.digest))
      try publication.setState(model, .absent)
    }
    let bytes = try dropFrames(of: own.filter { owners[$0] == nil })
    return PurgeReport(
      id: model.hex, names: names, objects: rows.count, bytes: bytes, objectsShared: own.count - rows.count,
      sharedWith: try Set(owners.values.joined()).map { try label($0) }.sorted(), objectsRebased: rebased)
  }

  private func refuseWhereComputedFrom(_ model: Digest) throws {
    let virtual = try lineage.allDerivations().filter { row in
      row.kind == .merge && row.model != model && row.inputs.contains { $0.parent == model }
    }.map(\.model).filter { try lineage.model($0)?.state == .virtual }
    guard let first = virtual.first else { return }
    let count = virtual.count == 1 ? "is a model" : "are \(virtual.count) models"
    throw RepositoryError(
      .conflict,
      "model \(try label(model)): computed from it \(count), first \(try label(first))",
      hint:
        "store it first with: stemma materialise \(try label(first)), or remove it and run: stemma gc --older-than 0")
  }

  /// Codes what rests directly on some objects anew, so that it stands alone; how many.
  private func standAlone(on objects: Set<Digest>) throws -> Int {
    let rows = try objects.flatMap { try lineage.deltas(on: $0) }.filter { !objects.contains($0.digest) }
    if rows.isEmpty { return 0 }
    let recodings = try rows.sorted { $0.digest < $1.digest }.map { row in
      guard let reader = try openObject(row.digest) else { throw LineageError.dangling(detail: "object \(row.digest)") }
      // Any frame is better than one that is to go.
      return Recoding(
        row: row, reader: reader, base: nil, known: KnownFrame(digest: row.digest, bytes: 1 << 56, isDeeper: true),
        estimate: row.rawBytes)
    }
    let ingest = Ingest(repository: self, items: recodings.map(Ingest.Item.recoding), prefixes: [])
    try ingest.run(packing: true, progress: nil) { [spaces] piece, buffer, _ in
      guard !buffer.isEmpty else { return }
      try spaces.withWorkspace { try recodings[piece.item].reader.read(at: piece.range.lowerBound, into: buffer, $0) }
    }
    let known = Dictionary(rows.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    try lineage.publish { try record(ingest.sealed, replacing: known, in: $0) }
    return rows.count
  }

  /// Writes every pack anew that holds frames of some objects, without these; the bytes that they had.
  private func dropFrames(of objects: Set<Digest>) throws -> Int {
    let (packs, damage) = try PackIndexes(layout: layout, storage: storage).read(throwing: true)
    if let fault = damage.first {
      throw RepositoryError(
        .corrupt, "it is purged, but a pack cannot be read that may hold bytes of it: \(fault)",
        hint: RepositoryError.verifyHint)
    }
    let rows = Dictionary(try lineage.packs().map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    var bytes = 0
    for pack in packs {
      let frames = pack.entries.filter { objects.contains($0.digest) }
      if frames.isEmpty { continue }
      bytes += frames.reduce(0) { $0 + $1.length }
      if let row = rows[pack.digest] {
        if try lineage.objects(inPack: row.id).isEmpty {
          try lineage.publish { try $0.deletePacks([row.id]) }
          packFiles.closeAll()
          try unlink([pack.path])
        } else {
          try unlink(rewrite([row]))
        }
      } else {
        // Nothing names it; what else is in it is not ours to delete.
        let rest = pack.entries.filter { !objects.contains($0.digest) }
        if !rest.isEmpty { _ = try PackIndexes(layout: layout, storage: storage).copy(rest, of: pack) }
        try unlink([pack.path])
      }
    }
    return bytes
  }
}
