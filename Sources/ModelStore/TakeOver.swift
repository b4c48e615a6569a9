import JSON
import Objects

/// Makes the entries of a store of format 1, which had none: its documents carry sequence numbers and nothing else.
///
/// The same documents give the same entries and the same store id, so that a take-over that was cut off can be
/// repeated.
struct TakeOver {
  /// What an old document records.
  private struct Old {
    let sequence: Int
    let document: Document
    let kind: EventKind
  }

  let layout: Layout
  let storage: any Storage
  private let documents: DocumentFolder

  init(layout: Layout, storage: any Storage) {
    (self.layout, self.storage) = (layout, storage)
    documents = DocumentFolder(storage: storage, path: layout.documents, temporary: layout.temporary)
  }

  /// Writes all entries; durable when it returns.
  ///
  /// - Returns: the store's id, and what could not be taken over, a line each.
  func run() throws -> (store: StoreID, damage: [String]) {
    for folder in [layout.temporary, layout.entries] { try storage.makeDirectory(folder) }
    let digests = try documents.all().digests
    let store = StoreID(of: Digest(of: digests.flatMap(\.bytes)))
    let history = History(store: store, layout: layout, storage: storage)
    let present = Set(digests)
    var (old, damage) = read(digests)
    old.sort { ($0.sequence, $0.document.digest) < ($1.sequence, $1.document.digest) }
    var last: Entry?
    var latest: [String: Digest] = [:]
    for event in old {
      let value = event.document.value
      let sequence = max(event.sequence, (last?.sequence ?? 0) + 1)
      var names: [Entry.Naming] = []
      if event.kind == .name {
        guard let naming = naming(value, after: latest) else {
          damage.append("document \(event.document.digest.hex): a name event that cannot be read")
          continue
        }
        // The store was cut off before such a model was published.
        if let model = naming.model, !present.contains(model) {
          damage.append("name \(naming.name): left out, there is no manifest of its model \(model.hex)")
          continue
        }
        names = [naming]
      }
      let entry = Entry(
        kind: event.kind.rawValue, store: store, sequence: sequence, heads: last.map { [$0.digest] } ?? [],
        document: event.kind == .name ? nil : event.document.digest, refers: refers(value), names: names,
        madeAt: value["made_at"]?.text ?? "", madeBy: value["made_by"]?.text ?? "",
        tool: value["tool"]?.text ?? "stemma")
      try history.entries.put(entry)
      for naming in names { latest[naming.name.lowercased()] = entry.digest }
      last = entry
    }
    try history.putHeads(last.map { [$0.name] } ?? [])
    return (store, damage)
  }

  private func read(_ digests: [Digest]) -> (found: [Old], damage: [String]) {
    var found: [Old] = []
    var damage: [String] = []
    for digest in digests {
      do {
        let document = try documents.get(digest)
        let value = document.value
        let kind: EventKind? =
          switch value["type"]?.text {
          case "derivation": value["kind"]?.text.flatMap(EventKind.init(rawValue:))
          case let type?: EventKind(rawValue: type)
          case nil: nil
          }
        guard let kind else { continue }
        guard let sequence = value["sequence"]?.int else {
          damage.append("document \(digest.hex): no sequence number")
          continue
        }
        found.append(Old(sequence: sequence, document: document, kind: kind))
      } catch {
        damage.append("document \(digest.hex): \(RepositoryError(translating: error).message)")
      }
    }
    return (found, damage)
  }

  private func naming(_ value: JSONValue, after latest: [String: Digest]) -> Entry.Naming? {
    guard let name = value["name"]?.text else { return nil }
    return Entry.Naming(
      name: name, model: value["model"]?.digest, replaces: latest[name.lowercased()].map { [$0] } ?? [],
      allowedFlagged: value["allowed_flagged"]?.digests ?? [])
  }

  /// The model that a document is about, its recipe, and the models that it was made from.
  private func refers(_ value: JSONValue) -> [Digest] {
    [value["model"]?.digest, value["recipe"]?.digest].compactMap(\.self)
      + (value["parents"]?.elements ?? []).compactMap { $0["model"]?.digest }
  }
}
