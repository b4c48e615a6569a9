package import JSON
package import Objects

/// A model in one line.
public struct ModelSummary: Sendable {
  package let digest: Digest
  /// 64 hex digits; made when asked for, because lists hold tens of thousands.
  public var id: String { digest.hex }
  /// The first 12 hex digits, for people.
  public var shortID: String { digest.short }
  public let names: [String]
  /// `stored`, `virtual` or `absent`.
  public let state: String
  public let tensors: Int
  /// Of all files of the model.
  public let bytes: Int
  /// `import`, `merge`, `adapter` or `extract`; nil where no derivation is known.
  public let kind: String?
  public let madeAt: String?
  /// From when on `gc` takes it, as it has no name; nil where it has one, or no bytes of its own.
  public var goesAfter: String?
  /// Advisories that hold for it, and those that its own evaluations have cleared.
  public let flags: [AdvisoryFlag]
  public let cleared: [AdvisoryFlag]

  package var json: JSONValue {
    [
      "id": .string(id), "names": .array(names.map(JSONValue.string)), "state": .string(state),
      "tensors": .integer(tensors), "bytes": .integer(bytes), "kind": .init(kind), "made_at": .init(madeAt),
      "goes_after": .init(goesAfter), "flagged": .bool(!flags.isEmpty), "flags": .array(flags.map(\.json)),
      "cleared": .array(cleared.map(\.json)),
    ]
  }
}

/// What an import did.
public struct ImportReport: Sendable {
  public let id: String
  public let name: String?
  /// All names that the model has now.
  public let names: [String]
  /// True where the store held the same content already.
  public let alreadyStored: Bool
  public let bytesRead: Int
  /// Bytes added to packs and documents.
  public let bytesAdded: Int
  /// The model that the bytes rest on, as people call it; nil where there is none.
  public let base: String?
  public let baseID: String?
  /// `declared`, `found`, `named` (by an adapter's own configuration) or `none`.
  public let baseChoice: String
  /// What was measured of the base, in one line.
  public let baseNote: String?
  public let tensors: Int
  /// Tensors whose bytes were in the store before.
  public let tensorsKnown: Int
  public let tensorsDelta: Int
  /// Paths that were left out, such as `.git/`.
  public let leftOut: [String]
  /// Remarks on how the folder was read: indexes that were passed over.
  public let remarks: [String]

  package var json: JSONValue {
    [
      "id": .string(id), "name": .init(name), "names": .array(names.map(JSONValue.string)),
      "already_stored": .bool(alreadyStored), "bytes_read": .integer(bytesRead),
      "bytes_added": .integer(bytesAdded), "base": .init(base), "base_id": .init(baseID),
      "base_choice": .string(baseChoice), "base_note": .init(baseNote), "tensors": .integer(tensors),
      "tensors_known": .integer(tensorsKnown), "tensors_delta": .integer(tensorsDelta),
      "left_out": .array(leftOut.map(JSONValue.string)), "remarks": .array(remarks.map(JSONValue.string)),
    ]
  }
}

/// A model with its files and tensors.
public struct ModelDetails: Sendable {
  /// A file of a model.
  public struct File: Sendable {
    public let path: String
    public let bytes: Int
    /// Nil for a safetensors file of a merge, which nobody read whole, until it is asked for.
    public let sha256: String?
    public let tensors: Int
    /// True where its tensors are the model's.
    public let isWeights: Bool
  }

  /// A tensor of a model.
  public struct TensorLine: Sendable {
    public let name: String
    public let dtype: String
    public let shape: [Int]
    public let sha256: String
  }

  public let summary: ModelSummary
  public let weightsID: String
  public let files: [File]
  public let tensors: [TensorLine]
  public let madeBy: String?
  /// The merge method, or of an adapter its kind and rank; nil for imports.
  public let method: String?
  /// Parents as `role name`.
  public let parents: [LineageReport.Parent]
  /// Bytes of the packed frames this model's objects take, shared ones counted whole.
  public let packedBytes: Int

  package var json: JSONValue {
    [
      "model": summary.json, "weights_id": .string(weightsID), "made_by": .init(madeBy),
      "method": .init(method), "packed_bytes": .integer(packedBytes), "parents": .array(parents.map(\.json)),
      "files": .array(
        files.map {
          [
            "path": .string($0.path), "bytes": .integer($0.bytes), "sha256": .init($0.sha256),
            "tensors": .integer($0.tensors), "weights": .bool($0.isWeights),
          ]
        }),
      "tensors": .array(
        tensors.map {
          [
            "name": .string($0.name), "dtype": .string($0.dtype), "shape": .array($0.shape.map(JSONValue.integer)),
            "sha256": .string($0.sha256),
          ]
        }),
    ]
  }
}

/// The ancestry of a model: the model itself first, then its parents, each model once.
public struct LineageReport: Sendable {
  /// One parent in one derivation.
  public struct Parent: Sendable {
    public let id: String
    /// The parent's first name, if it has one.
    public let name: String?
    /// `base`, `input` …
    public let role: String
    public let coefficient: Double?
    /// A declared parent that the bytes do not rest on.
    public let claimed: Bool
    /// Found by comparing weights.
    public let inferred: Bool
    /// How much of the model comes from it; nil where nothing tells.
    public let share: Double?

    package var json: JSONValue {
      [
        "id": .string(id), "name": .init(name), "role": .string(role), "coefficient": .init(coefficient),
        "claimed": .bool(claimed), "inferred": .bool(inferred), "share": .init(share),
      ]
    }
  }

  /// One way in which a model was made.
  public struct Derivation: Sendable {
    public let kind: String
    public let madeAt: String
    public let madeBy: String
    public let tool: String
    /// The merge method, or of an adapter its kind and rank; nil for imports.
    public let method: String?
    /// Advisories that were open on its inputs and passed over.
    public let allowedFlagged: [String]
    public let parents: [Parent]

    package var json: JSONValue {
      [
        "kind": .string(kind), "made_at": .string(madeAt), "made_by": .string(madeBy), "tool": .string(tool),
        "method": .init(method), "allowed_flagged": .array(allowedFlagged.map(JSONValue.string)),
        "parents": .array(parents.map(\.json)),
      ]
    }
  }

  /// A model of the ancestry.
  public struct Node: Sendable {
    public let id: String
    public let names: [String]
    public let state: String
    /// Advisories that hold for it.
    public let flags: [AdvisoryFlag]
    public let derivations: [Derivation]

    package var json: JSONValue {
      [
        "id": .string(id), "names": .array(names.map(JSONValue.string)), "state": .string(state),
        "flags": .array(flags.map(\.json)), "derivations": .array(derivations.map(\.json)),
      ]
    }
  }

  public let nodes: [Node]

  package var json: JSONValue { ["models": .array(nodes.map(\.json))] }
}

/// One entry of a name's history, newest first.
public struct NameEvent: Sendable {
  public let sequence: Int
  public let name: String
  /// Nil where the name was taken away.
  public let id: String?
  public let madeAt: String
  public let madeBy: String

  package var json: JSONValue {
    [
      "sequence": .integer(sequence), "name": .string(name), "id": .init(id), "made_at": .string(madeAt),
      "made_by": .string(madeBy),
    ]
  }
}

/// A plan, ready to print.
public struct PlanReport: Sendable {
  public let text: String
  package let json: JSONValue
}

/// What a merge did.
public struct MergeReport: Sendable {
  public let id: String
  public let name: String?
  public let method: String
  /// `virtual`, `stored` or `exported`.
  public let state: String
  public let tensors: Int
  public let bytes: Int
  /// Bytes added to packs and documents (0 without a store).
  public let bytesAdded: Int

  package var json: JSONValue {
    [
      "id": .string(id), "name": .init(name), "method": .string(method), "state": .string(state),
      "tensors": .integer(tensors), "bytes": .integer(bytes), "bytes_added": .integer(bytesAdded),
    ]
  }
}

/// What an export wrote.
public struct ExportReport: Sendable {
  public let id: String
  public let path: String
  public let files: Int
  public let bytes: Int

  package var json: JSONValue {
    ["id": .string(id), "path": .string(path), "files": .integer(files), "bytes": .integer(bytes)]
  }
}

/// What `verify` found. Damage is what makes it exit 5; garbage is what `gc` would remove.
public struct VerifyReport: Sendable {
  /// One damaged thing.
  public struct Damage: Sendable {
    public let what: String
    /// Names or ids of the models it hurts.
    public let models: [String]
    /// What to do about it; nil where that is said with what it is.
    public let heals: String?

    package var json: JSONValue {
      ["what": .string(what), "models": .array(models.map(JSONValue.string)), "heals": .init(heals)]
    }
  }

  public let models: Int
  public let objects: Int
  public let packs: Int
  public let documents: Int
  public let events: Int
  public let bytes: Int
  public let damage: [Damage]
  /// What is no damage and still worth a look: names that diverged, copies that went on apart, wrong clocks.
  public let remarks: [String]
  public let garbage: [String]

  package var json: JSONValue {
    [
      "models": .integer(models), "objects": .integer(objects), "packs": .integer(packs),
      "documents": .integer(documents), "events": .integer(events), "bytes": .integer(bytes),
      "damage": .array(damage.map(\.json)), "remarks": .array(remarks.map(JSONValue.string)),
      "garbage": .array(garbage.map(JSONValue.string)),
    ]
  }
}

/// Where the bytes are.
public struct StatsReport: Sendable {
  public let models: Int
  public let virtualModels: Int
  public let names: Int
  public let objects: Int
  public let deltaObjects: Int
  /// Sum over models of their files' bytes: what plain folders would take.
  public let modelBytes: Int
  /// Sum over distinct stored objects of their raw bytes.
  public let objectBytes: Int
  public let packBytes: Int
  /// Of those what no object names, such as frames that a repack replaced: `collect` wins it back.
  public let garbageBytes: Int
  public let documentBytes: Int
  public let databaseBytes: Int
  /// Where asked for.
  public let bytes: BytesReport?
  /// What a repack would save, where asked for.
  public let repack: RepackReport?

  package var json: JSONValue {
    let counts: [JSONValue.Member] = [
      .init("models", .integer(models)), .init("virtual_models", .integer(virtualModels)),
      .init("names", .integer(names)), .init("objects", .integer(objects)),
      .init("delta_objects", .integer(deltaObjects)), .init("model_bytes", .integer(modelBytes)),
      .init("object_bytes", .integer(objectBytes)), .init("pack_bytes", .integer(packBytes)),
      .init("garbage_bytes", .integer(garbageBytes)), .init("document_bytes", .integer(documentBytes)),
      .init("database_bytes", .integer(databaseBytes)),
    ]
    let tables = bytes.map {
      [
        JSONValue.Member("codecs", .array($0.codecs.map(\.json))), .init("kinds", .array($0.kinds.map(\.json))),
      ]
    }
    return .object(counts + (tables ?? []) + (repack.map { [.init("repack", $0.json)] } ?? []))
  }
}

/// What `rebuild` found in entries, documents and packs.
public struct RebuildReport: Sendable {
  public let models: Int
  public let objects: Int
  public let names: Int
  public let events: Int
  /// Events that are gone, what could not be read, and whom that hurts.
  public let damage: [String]
  /// What is no damage and still worth a look.
  public let remarks: [String]

  package var json: JSONValue {
    [
      "models": .integer(models), "objects": .integer(objects), "names": .integer(names), "events": .integer(events),
      "damage": .array(damage.map(JSONValue.string)), "remarks": .array(remarks.map(JSONValue.string)),
    ]
  }
}

extension JSONValue {
  init(_ text: String?) { self = text.map(JSONValue.string) ?? .null }
  init(_ number: Double?) { self = number.map(JSONValue.number) ?? .null }
}
