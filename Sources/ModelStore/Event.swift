import Lineage
import Objects

/// The kinds of events that this program writes and understands. Of other kinds it reads the envelope.
enum EventKind: String, Sendable, CaseIterable {
  /// Derivations: a model was made. The document is the derivation.
  case `import`, merge, adapter, extract, mask, subspace, dataset
  /// Names were given or taken away, and nothing else.
  case name
  /// Something was said about weights. The document says what.
  case evaluation, advisory, withdrawal, allowance
  /// `gc` deletes documents.
  case collect = "gc"
  /// Documents that must go are deleted at once.
  case purge
  /// SHA-256 of files of a model whose manifest does not have them. The document has them.
  case digests

  init(_ kind: DerivationKind) {
    self =
      switch kind {
      case .import: .import
      case .merge: .merge
      case .adapter: .adapter
      case .extract: .extract
      case .mask: .mask
      case .subspace: .subspace
      case .dataset: .dataset
      }
  }
}

/// An event that is about to be recorded: what its entry will say, but for its place in the history.
struct Event {
  /// A name to be given to a model, or to be taken away.
  struct Naming {
    let name: String
    let model: Digest?
    /// Whether the name may leave another model.
    let replacing: Bool
    var allowedFlagged: [Digest] = []
  }

  let kind: EventKind
  /// What says what happened.
  var document: Document?
  /// Other documents that it needs: manifest, recipe.
  var others: [Document] = []
  /// Models that it needs.
  var models: [Digest] = []
  var namings: [Naming] = []
  var drops: [Digest] = []
  let madeAt: String
  let madeBy: String

  init(_ kind: EventKind, madeAt: String = now(), madeBy: String) {
    (self.kind, self.madeAt, self.madeBy) = (kind, madeAt, madeBy)
  }

  /// All documents, which are to be durable before the event is recorded.
  var documents: [Document] { others + (document.map { [$0] } ?? []) }
}

extension Repository {
  /// Records an event: writes its documents, then in one transaction of the database its rows and its entry. All of it
  /// is durable when this returns. On a throw nothing has happened; a crash leaves nothing, or an entry that the next
  /// writer adopts.
  ///
  /// - Parameter body: adds the event's rows, given the place that it gets.
  func publish<T>(_ event: Event, _ body: (Publication, EventPlace) throws -> T) throws -> T {
    switch event.kind {
    // What frees space must work without any.
    case .name, .collect, .purge: try Reserve(layout: layout).spending { try record(event, body) }
    default: try record(event, body)
    }
  }

  private func record<T>(_ event: Event, _ body: (Publication, EventPlace) throws -> T) throws -> T {
    // Before anything is written, so that a refused name leaves no documents behind; and once more inside.
    try requireFree(event.namings, in: lineage)
    for document in event.documents { try documents.put(document) }
    var written: Entry?
    do {
      return try lineage.publish { publication in
        try history.adopt(in: publication)
        let entry = try entry(of: event, in: publication)
        try publication.insertEntry(entry)
        let result = try body(publication, EventPlace(entry))
        try publication.recordNames(of: entry, where: Names.isValid)
        written = entry
        try history.put(entry)
        return result
      }
    } catch {
      if let written { history.takeBack(written, in: lineage) }
      throw error
    }
  }

  /// The entry of an event, made upon all heads there are.
  private func entry(of event: Event, in publication: Publication) throws -> Entry {
    let heads = try publication.heads()
    try history.requirePresent(heads)
    try requireFree(event.namings, in: publication)
    let names = try event.namings.map { naming in
      Entry.Naming(
        name: naming.name, model: naming.model, replaces: try publication.openChanges(of: naming.name).map(\.entry),
        allowedFlagged: naming.allowedFlagged)
    }
    return Entry(
      kind: event.kind.rawValue, store: history.store, sequence: try publication.lastSequence() + 1,
      heads: heads.map(\.place.entry), document: event.document?.digest,
      refers: event.others.map(\.digest) + event.models, names: names, drops: event.drops, madeAt: event.madeAt,
      madeBy: event.madeBy, tool: Self.tool)
  }

  /// Throws where a name is taken.
  private func requireFree(_ namings: [Event.Naming], in lineage: some LineageReading) throws {
    for naming in namings {
      guard let model = naming.model else { continue }
      try lineage.requireFree(naming.name, for: model, replacing: naming.replacing)
    }
  }
}
