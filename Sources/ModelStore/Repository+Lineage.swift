import Lineage
import Objects
import Tensors

extension Repository {
  /// Models that have a name, newest first; with `all`, unnamed ones too.
  public func list(all: Bool = false) throws(RepositoryError) -> [ModelSummary] {
    try door {
      let sides = Dictionary(grouping: try lineage.nameConflicts(), by: \.model).mapValues { $0.map(\.conflictName) }
      let models = try lineage.models().filter { all || !$0.names.isEmpty || sides[$0.model.id] != nil }
      let standings = try standings(of: models.map(\.model))
      let isUnnamed = models.contains { $0.names.isEmpty && $0.model.state != .absent }
      let uses =
        try isUnnamed
        ? HistoryReading(history.entries, pool: pool).lastUses(try lineage.allDerivations()) : [:]
      return models.map {
        let names = $0.names + (sides[$0.model.id] ?? [])
        var summary = summary(
          $0.model, names: names, origin: $0.origin, standings[$0.model.id] ?? Standing())
        if names.isEmpty, $0.model.state != .absent {
          summary.goesAfter = text(ofTime: (uses[$0.model.id] ?? 0) + Self.grace)
        }
        return summary
      }
    }
  }

  /// A model with its files, tensors and parents.
  ///
  /// - Parameter withDigests: computes the SHA-256 of files that is not on record, for which they are read once.
  public func show(
    _ reference: String, withDigests: Bool = false, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ModelDetails {
    try door {
      let model = try resolve(reference)
      guard let row = try lineage.model(model) else { throw LineageError.unknownModel(model) }
      let manifest = try manifest(of: model)
      let derivation = try making(of: model)
      let digests = try withDigests ? allFileDigests(of: model, progress: progress) : fileDigests(of: model)
      return ModelDetails(
        summary: summary(
          row, names: try lineage.names(of: model),
          origin: derivation.map { ModelOrigin(kind: $0.kind, madeAt: $0.madeAt) },
          try standing(of: subject(row))),
        weightsID: row.weightsID.hex,
        files: manifest.files.map {
          .init(
            path: $0.path, bytes: $0.size, sha256: digests[$0.path]?.hex, tensors: $0.tensors.count,
            isWeights: manifest.weights.contains($0.path))
        },
        tensors: manifest.tensors.map {
          .init(name: $0.name, dtype: $0.dtype.rawValue, shape: $0.shape.dimensions, sha256: $0.digest.hex)
        },
        madeBy: derivation?.madeBy, method: try derivation.flatMap { try method(of: $0) },
        parents: try derivation.map { try parents(of: $0) } ?? [],
        packedBytes: try lineage.stored(manifest.objects).frameBytes)
    }
  }

  /// The ancestry of a model, the model first, then breadth first.
  public func log(_ reference: String) throws(RepositoryError) -> LineageReport {
    try door {
      let model = try resolve(reference)
      let rows = Dictionary(grouping: try lineage.ancestors(of: model), by: \.model)
      var queue = [model]
      var seen: Set<Digest> = [model]
      var nodes: [LineageReport.Node] = []
      while !queue.isEmpty {
        let next = queue.removeFirst()
        let derivations = (rows[next] ?? []).sorted { $0.event < $1.event }
        for parent in derivations.flatMap(\.parents) where seen.insert(parent.parent).inserted {
          queue.append(parent.parent)
        }
        let row = try lineage.model(next)
        nodes.append(
          .init(
            id: next.hex, names: try lineage.names(of: next), state: (row?.state ?? .absent).rawValue,
            flags: try row.map { try standing(of: subject($0)).open } ?? [],
            derivations: try derivations.map { row in
              // Imports have nothing more to say, and their sketches are long.
              let document = try row.kind == .import ? nil : Derivation(try documents.get(row.digest))
              return LineageReport.Derivation(
                kind: row.kind.rawValue, madeAt: row.madeAt, madeBy: row.madeBy, tool: row.tool,
                method: document?.method, allowedFlagged: document?.allowedFlagged.map(\.hex) ?? [],
                parents: try parents(of: row))
            }))
      }
      return LineageReport(nodes: nodes)
    }
  }

  /// The heads of the history: one as a rule, none in a new store. Kept outside, they tell whether the store was rolled
  /// back later (`verify(since:)`).
  public func heads() throws(RepositoryError) -> [HeadReference] {
    try door { try lineage.heads().map { HeadReference(sequence: $0.place.sequence, digest: $0.place.entry) } }
  }

  /// What a name has meant, newest first.
  public func nameHistory(_ name: String) throws(RepositoryError) -> [NameEvent] {
    try door {
      let events = try lineage.nameHistory(name)
      if events.isEmpty {
        throw RepositoryError(.notFound, "no name \(name) now or before", hint: "see the names with: stemma list")
      }
      return events.map {
        NameEvent(
          sequence: $0.sequence, name: $0.name, id: $0.model?.hex, madeAt: $0.madeAt, madeBy: $0.madeBy)
      }
    }
  }

  /// Gives a model one more name. With `replacing`, the name may leave another model. Durable when it returns.
  public func tag(
    _ reference: String, as name: String, replacing: Bool = false, permission: Permission = Permission()
  ) throws(RepositoryError) -> String {
    try door {
      try requireWritable()
      try Names.check(name)
      let model = try resolve(reference)
      // A name is a promise that the bytes stay.
      try requirePresent(model)
      if try lineage.conflicts(of: name).isEmpty,
        try lineage.name(name).map({ $0.model == model && $0.name == name }) == true
      {
        return model.hex
      }
      var permission = permission
      // As where they are made.
      if [.mask, .subspace].contains(try manifest(of: model).kind) { permission.allowsFlagged = true }
      let allowed = try passName(name, for: subject(model), permission)
      try rename([Event.Naming(name: name, model: model, replacing: replacing, allowedFlagged: allowed)])
      return model.hex
    }
  }

  /// Takes a name away; the model stays until `collect`. Of a name that two copies gave otherwise one side is taken
  /// away as `NAME@conflict-…`, and the name stays with the other. Durable when it returns.
  ///
  /// - Throws: `notFound`, and `conflict` for a name that two copies gave otherwise.
  public func untag(_ name: String) throws(RepositoryError) {
    try door {
      try requireWritable()
      if let side = try lineage.nameConflicts().first(where: { $0.conflictName == name }) {
        return try rename([try keepingHolder(of: side)])
      }
      try requireDecided(name)
      guard let row = try lineage.name(name) else {
        throw RepositoryError(.notFound, "no name \(name)", hint: "see the names with: stemma list")
      }
      try rename([Event.Naming(name: row.name, model: nil, replacing: true)])
    }
  }

  /// Takes all names of a model away and returns them; its bytes stay until `collect`, and as long as others need them.
  public func remove(_ reference: String) throws(RepositoryError) -> [String] {
    try door {
      try requireWritable()
      let model = try resolve(reference)
      let names = try lineage.names(of: model)
      let sides = try lineage.nameConflicts().filter { $0.model == model }
      for name in names { try requireDecided(name) }
      if names.isEmpty, sides.isEmpty {
        throw RepositoryError(
          .notFound, "model \(model.short) has no name to remove", hint: "unnamed models go with: stemma gc")
      }
      try rename(
        try names.map { Event.Naming(name: $0, model: nil, replacing: true) } + sides.map { try keepingHolder(of: $0) })
      return names + sides.map(\.conflictName)
    }
  }

  /// The decision that a name stays what it is, against one side of a conflict.
  private func keepingHolder(of side: NameRow) throws -> Event.Naming {
    let others = try lineage.conflicts(of: side.name).filter { $0.entry != side.entry }
    guard others.isEmpty else {
      throw RepositoryError(
        .conflict, "name \(side.name): more than two models were given it",
        hint: "decide with: stemma tag MODEL \(side.name) --force")
    }
    let holder = try lineage.name(side.name)
    return Event.Naming(name: holder?.name ?? side.name, model: holder?.model, replacing: true)
  }

  /// Throws `conflict` where a name was given to different models by copies that went on apart.
  func requireDecided(_ name: String) throws {
    guard let side = try lineage.conflicts(of: name).first else { return }
    throw RepositoryError(
      .conflict,
      "name \(name) was given to different models in copies that went on apart; the other is "
        + side.conflictName,
      hint: "decide with: stemma tag MODEL \(name) --force, or: stemma untag \(side.conflictName)")
  }

  private func rename(_ namings: [Event.Naming]) throws {
    var event = Event(.name, madeBy: whoami())
    event.namings = namings
    event.models = namings.compactMap(\.model)
    try publish(event) { _, _ in }
  }

  /// The merge method, or the kind and rank of an adapter; imports have none.
  private func method(of row: DerivationRow) throws -> String? {
    row.kind == .import ? nil : try Derivation(try documents.get(row.digest)).method
  }

  private func summary(
    _ row: ModelRow, names: [String], origin: ModelOrigin?, _ standing: Standing
  ) -> ModelSummary {
    ModelSummary(
      digest: row.id, names: names, state: row.state.rawValue, tensors: row.tensors, bytes: row.bytes,
      kind: origin?.kind.rawValue, madeAt: origin?.madeAt, flags: standing.open, cleared: standing.cleared)
  }

  /// How a model was made, as far as it is known: the first record with parents, else the first.
  func making(of model: Digest) throws -> DerivationRow? {
    let rows = try lineage.derivations(of: model)
    return rows.last { !$0.parents.isEmpty } ?? rows.last
  }

  func parents(of row: DerivationRow) throws -> [LineageReport.Parent] {
    try row.parents.map {
      .init(
        id: $0.parent.hex, name: try lineage.names(of: $0.parent).first, role: $0.role, coefficient: $0.coefficient,
        claimed: $0.claimed, inferred: $0.inferred, share: $0.share)
    }
  }
}
