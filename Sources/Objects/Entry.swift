package import JSON

/// The record of one event in a store's history. Entries are never deleted, and each names the entries that it was made
/// upon, so that the history is a graph, as git's. The envelope is the same for all kinds, known to this program or
/// not.
package struct Entry: Sendable, Equatable {
  /// A name given to a model, or taken away.
  package struct Naming: Sendable, Equatable {
    package let name: String
    /// Nil: the name was taken away.
    package let model: Digest?
    /// The entries whose change of the same name this one replaces, sorted: one as a rule, several where it decides
    /// between two that had diverged, none for a new name.
    package let replaces: [Digest]
    /// Advisories that were open on the model and passed over.
    package let allowedFlagged: [Digest]

    package init(name: String, model: Digest?, replaces: [Digest], allowedFlagged: [Digest] = []) {
      (self.name, self.model, self.allowedFlagged) = (name, model, allowedFlagged)
      self.replaces = replaces.sorted()
    }
  }

  /// What kind of event: one of this program's, or a word that a later one wrote.
  package let kind: String
  /// Of the kind, from 1.
  package let version: Int
  package let store: StoreID
  /// A Lamport number, 1 to 10¹²: above those of all entries that it was made upon.
  package let sequence: Int
  /// The entries that it was made upon, sorted: one as a rule, several after a crash or a union, none for the first.
  package let heads: [Digest]
  /// The document that says what happened, where there is one.
  package let document: Digest?
  /// Digests of models, documents and objects that the event needs besides, sorted.
  package let refers: [Digest]
  package let names: [Naming]
  /// Documents that the event deletes, sorted: manifests, derivations, recipes.
  package let drops: [Digest]
  /// UTC, such as `2026-11-21T12:39:07Z`. For people: order comes from `sequence`.
  package let madeAt: String
  package let madeBy: String
  /// The program and version.
  package let tool: String

  /// The entry as a file has it; its digest names it.
  package let file: Document
  package var digest: Digest { file.digest }

  /// Far above what a store reaches, so that no entry from elsewhere leaves too few numbers for those that follow.
  package static let sequenceMax = 1_000_000_000_000

  /// Makes an entry.
  package init(
    kind: String, version: Int = 1, store: StoreID, sequence: Int, heads: [Digest], document: Digest? = nil,
    refers: [Digest] = [], names: [Naming] = [], drops: [Digest] = [], madeAt: String, madeBy: String, tool: String
  ) {
    (self.kind, self.version, self.store, self.sequence) = (kind, version, store, sequence)
    (self.heads, self.document, self.names) = (heads.sorted(), document, names)
    (self.refers, self.drops) = (Set(refers).sorted(), Set(drops).sorted())
    (self.madeAt, self.madeBy, self.tool) = (madeAt, madeBy, tool)
    var members: [JSONValue.Member] = [
      .init("type", "entry"), .init("kind", .string(kind)), .init("version", .integer(version)),
      .init("store", .string(store.hex)), .init("sequence", .integer(sequence)), .init("heads", .digests(self.heads)),
      .init("made_at", .string(madeAt)), .init("made_by", .string(madeBy)), .init("tool", .string(tool)),
    ]
    if let document { members.append(.init("document", .string(document.hex))) }
    if !self.refers.isEmpty { members.append(.init("refers", .digests(self.refers))) }
    if !names.isEmpty { members.append(.init("names", .array(names.map(\.json)))) }
    if !self.drops.isEmpty { members.append(.init("drops", .digests(self.drops))) }
    file = Document(.object(members))
  }

  /// Reads an entry's file. Members that this program does not know are allowed, and the file keeps them.
  package init(_ file: Document) throws(ObjectsError) {
    let value = file.value
    func wrong(_ reason: String) -> ObjectsError { .entry(file.digest, reason: reason) }
    guard value["type"]?.text == "entry", let kind = value["kind"]?.text, let version = value["version"]?.int,
      version > 0
    else {
      throw wrong("not an entry with kind and version")
    }
    guard let store = value["store"]?.text.flatMap(StoreID.init(hex:)) else { throw wrong("no store id") }
    guard let sequence = value["sequence"]?.int, (1...Self.sequenceMax).contains(sequence) else {
      throw wrong("no sequence number from 1 to \(Self.sequenceMax)")
    }
    guard let madeAt = value["made_at"]?.text, let madeBy = value["made_by"]?.text, let tool = value["tool"]?.text
    else { throw wrong("no made_at, made_by or tool") }
    func list(_ key: String) throws(ObjectsError) -> [Digest] {
      guard let member = value[key] else { return [] }
      guard let digests = member.digests else { throw wrong("\(key) is no list of digests") }
      return digests
    }
    guard value["heads"] != nil else { throw wrong("no heads") }
    let document = value["document"]?.text.flatMap { Digest(hex: $0) }
    if value["document"] != nil, document == nil { throw wrong("document is no digest") }
    var names: [Naming] = []
    var spellings: Set<String> = []
    if let member = value["names"], member.elements == nil { throw wrong("names is no list") }
    for member in value["names"]?.elements ?? [] {
      guard let naming = Naming(member) else { throw wrong("a change of a name without name, model or replaces") }
      guard spellings.insert(naming.name.lowercased()).inserted else {
        throw wrong("it changes name \(naming.name) twice")
      }
      names.append(naming)
    }
    (self.kind, self.version, self.store, self.sequence) = (kind, version, store, sequence)
    (heads, self.document, refers) = (try list("heads"), document, try list("refers"))
    (self.names, drops) = (names, try list("drops"))
    (self.madeAt, self.madeBy, self.tool, self.file) = (madeAt, madeBy, tool, file)
  }
}

extension Entry: Comparable {
  /// The order of all entries, the same for everybody: by sequence number, then by digest.
  package static func < (a: Entry, b: Entry) -> Bool { (a.sequence, a.digest) < (b.sequence, b.digest) }
}

extension Entry.Naming {
  fileprivate init?(_ value: JSONValue) {
    guard let name = value["name"]?.text, !name.isEmpty, !name.unicodeScalars.contains(where: { $0.value < 32 }),
      let replaces = value["replaces"]?.digests, let model = value["model"]
    else {
      return nil
    }
    guard let allowed = (value["allowed_flagged"] ?? .array([])).digests else { return nil }
    switch model {
    case .null: self.init(name: name, model: nil, replaces: replaces, allowedFlagged: allowed)
    case .string(let hex):
      guard let digest = Digest(hex: hex) else { return nil }
      self.init(name: name, model: digest, replaces: replaces, allowedFlagged: allowed)
    default: return nil
    }
  }

  fileprivate var json: JSONValue {
    var members: [JSONValue.Member] = [
      .init("name", .string(name)), .init("model", model.map { .string($0.hex) } ?? .null),
      .init("replaces", .digests(replaces)),
    ]
    if !allowedFlagged.isEmpty { members.append(.init("allowed_flagged", .digests(allowedFlagged))) }
    return .object(members)
  }
}

extension JSONValue {
  /// A list of digests.
  package static func digests(_ digests: [Digest]) -> JSONValue { .array(digests.map { .string($0.hex) }) }

  /// The digests of a list that has nothing else; nil for anything else.
  package var digests: [Digest]? {
    guard let elements else { return nil }
    let found = elements.compactMap { $0.text.flatMap { Digest(hex: $0) } }
    return found.count == elements.count ? found : nil
  }
}
