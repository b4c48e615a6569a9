package import Objects

/// One pack on record.
package struct PackRow: Sendable, Equatable {
  package let id: Int64
  package let digest: Digest
  /// The size of the pack's file in bytes.
  package let bytes: Int
}

/// An object to be recorded: where its frame lies, and what it is a delta against.
package struct NewObject: Sendable, Equatable {
  package var digest: Digest
  /// The id that `Publication.insertPack` gave.
  package var pack: Int64
  /// Where the frame starts in the pack, in bytes.
  package var offset: Int
  /// The size of the frame in bytes.
  package var length: Int
  /// The size of the object when decoded, in bytes.
  package var rawBytes: Int
  package var base: Digest?

  package init(digest: Digest, pack: Int64, offset: Int, length: Int, rawBytes: Int, base: Digest? = nil) {
    self.digest = digest
    self.pack = pack
    self.offset = offset
    self.length = length
    self.rawBytes = rawBytes
    self.base = base
  }
}

/// An object on record.
package struct ObjectRow: Sendable, Equatable {
  package let digest: Digest
  package let pack: Int64
  package let packDigest: Digest
  /// Where the frame starts in the pack, in bytes.
  package let offset: Int
  /// The size of the frame in bytes.
  package let length: Int
  /// The size of the object when decoded, in bytes.
  package let rawBytes: Int
  package let base: Digest?
  /// The number of bases that must be read to decode it: 0 for an object that stands alone.
  package let depth: Int
}

/// Whether a model's bytes are here.
package enum ModelState: String, Sendable, CaseIterable {
  /// Every object is in a pack.
  case stored
  /// Bytes are computed from a recipe and its inputs.
  case virtual
  /// Known by name only: its bytes were removed or never came.
  case absent
}

/// A model on record.
package struct ModelRow: Sendable, Hashable {
  package var id: Digest
  package var weightsID: Digest
  package var state: ModelState
  package var tensors: Int
  /// The sum of its files' sizes in bytes.
  package var bytes: Int
  /// The number of the event that first recorded it.
  package var sequence: Int
  /// The first derivation on record.
  package var derivation: Digest

  package init(
    id: Digest, weightsID: Digest, state: ModelState, tensors: Int, bytes: Int, sequence: Int, derivation: Digest
  ) {
    self.id = id
    self.weightsID = weightsID
    self.state = state
    self.tensors = tensors
    self.bytes = bytes
    self.sequence = sequence
    self.derivation = derivation
  }
}

/// A model with the names it has now, in alphabetical order.
package struct NamedModel: Sendable, Equatable {
  package let model: ModelRow
  package let names: [String]
  /// How it was first made; nil where no derivation is known.
  package let origin: ModelOrigin?
}

/// How and when a model was first made.
package struct ModelOrigin: Sendable, Equatable {
  package let kind: DerivationKind
  package let madeAt: String

  package init(kind: DerivationKind, madeAt: String) {
    self.kind = kind
    self.madeAt = madeAt
  }
}

/// How a model was made.
package enum DerivationKind: String, Sendable, CaseIterable {
  case `import`
  case merge
  /// Files of an adapter; its parent is the base that it changes.
  case adapter
  /// An adapter found as the difference of two models.
  case extract
  /// A mask; its parents are what it was made of.
  case mask
  /// A subspace; its parents are the two models that it was derived from.
  case subspace
  /// Examples; its parents are the models that wrote them.
  case dataset
}

/// One input of a derivation.
package struct ParentRow: Sendable, Equatable {
  /// For example `base` or `input`.
  package var role: String
  /// A model id; the model may be gone.
  package var parent: Digest
  package var coefficient: Double?
  /// True when the parent was declared by the user but nothing stored depends on it.
  package var claimed: Bool
  /// True when nobody named the parent: it was found by comparing weights.
  package var inferred: Bool
  /// How much of what was made comes from this parent, 0 to 1; nil where nothing tells, which counts as 1 / N.
  package var share: Double?

  /// The role of examples that something was learnt or tuned on.
  package static let data = "data"

  package init(
    role: String, parent: Digest, coefficient: Double? = nil, claimed: Bool = false, inferred: Bool = false,
    share: Double? = nil
  ) {
    self.role = role
    self.parent = parent
    self.coefficient = coefficient
    self.claimed = claimed
    self.inferred = inferred
    self.share = share
  }
}

/// A derivation document on record, with its parents in order.
package struct DerivationRow: Sendable, Equatable {
  package var digest: Digest
  package var model: Digest
  package var kind: DerivationKind
  /// UTC, as the document says it.
  package var madeAt: String
  package var madeBy: String
  /// The program and version that made it.
  package var tool: String
  package var recipe: Digest?
  /// The event that recorded it.
  package var event: EventPlace
  package var parents: [ParentRow]
  package var sequence: Int { event.sequence }
  /// The parents that the bytes rest on: not the data that something was learnt or tuned on.
  package var inputs: [ParentRow] { parents.filter { $0.role != ParentRow.data } }

  package init(
    digest: Digest, model: Digest, kind: DerivationKind, madeAt: String, madeBy: String, tool: String,
    recipe: Digest? = nil, event: EventPlace, parents: [ParentRow] = []
  ) {
    (self.digest, self.model, self.kind) = (digest, model, kind)
    (self.madeAt, self.madeBy, self.tool) = (madeAt, madeBy, tool)
    (self.recipe, self.event, self.parents) = (recipe, event, parents)
  }
}

/// Where an event stands: its number, its entry, and the store that it happened in.
package struct EventPlace: Sendable, Hashable, Comparable {
  package let sequence: Int
  /// The digest of the entry.
  package let entry: Digest
  package let store: StoreID

  package init(sequence: Int, entry: Digest, store: StoreID) {
    (self.sequence, self.entry, self.store) = (sequence, entry, store)
  }

  package init(_ entry: Entry) { self.init(sequence: entry.sequence, entry: entry.digest, store: entry.store) }

  /// The order of all events: by number, then by the entry's digest.
  package static func < (a: EventPlace, b: EventPlace) -> Bool { (a.sequence, a.entry) < (b.sequence, b.entry) }
}

/// An event on record.
package struct EventRow: Sendable, Equatable {
  package let place: EventPlace
  package let kind: String
  package let document: Digest?
  package let madeAt: String
  package let madeBy: String
}

/// A name given to a model or, when `model` is nil, taken away.
package struct NameEvent: Sendable, Equatable {
  package let sequence: Int
  package let name: String
  package let model: Digest?
  /// UTC, as the entry says it.
  package let madeAt: String
  package let madeBy: String
  package let entry: Digest
  /// Whether a later change was made upon this one.
  package let isReplaced: Bool
}

/// A name in its exact spelling and the model it means now, which may not be on record.
package struct NameRow: Sendable, Hashable {
  package let name: String
  package let model: Digest
  package let sequence: Int
  /// The event that gave it.
  package let entry: Digest

  package init(name: String, model: Digest, sequence: Int, entry: Digest) {
    (self.name, self.model, self.sequence, self.entry) = (name, model, sequence, entry)
  }
}

/// The sampled elements of a model, for finding the nearest base.
package struct SketchRow: Sendable, Equatable {
  package let model: Digest
  package let sketch: [UInt8]
  package let state: ModelState
}

/// How much is on record. Sizes are in bytes.
package struct LineageCounts: Sendable, Equatable {
  package var storedModels = 0
  package var virtualModels = 0
  package var absentModels = 0
  package var derivations = 0
  package var names = 0
  package var packs = 0
  /// The sum of the packs' file sizes.
  package var packBytes = 0
  package var objects = 0
  package var deltas = 0
  /// The sum of the frames' sizes.
  package var frameBytes = 0
  /// The sum of the objects' decoded sizes.
  package var rawBytes = 0
  /// The longest base chain.
  package var deepest = 0
}
