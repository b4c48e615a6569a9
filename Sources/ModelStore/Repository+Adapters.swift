import Checkpoints
import JSON
import Lineage
import Objects
import Tensors

/// An adapter and the stored base that it changes.
struct AdapterLink {
  let adapter: Adapter
  let base: Digest
  /// True where the base was found by the adapter's own configuration.
  let isFound: Bool
}

extension Repository {
  /// Finds the base of an adapter and proves by names and shapes that the two fit.
  ///
  /// - Parameter declared: the base that the user gave; nil takes the name that the configuration has, if the store
  ///   knows it. An adapter means nothing without its base, so that it is refused where there is none.
  func link(_ adapter: Adapter, to declared: Digest?, path: String) throws -> AdapterLink {
    guard let base = try declared ?? named(by: adapter) else {
      let named = adapter.config.base.map { "'\($0)', which the store does not have" } ?? "none"
      throw RepositoryError(
        .notFound, "\(path): the base of the adapter expected, \(Adapter.configFile) names \(named)",
        hint: "import the base, then give its name with --base")
    }
    let manifest = try manifest(of: base)
    guard manifest.kind == .model else {
      throw RepositoryError(
        .invalidInput,
        "\(path): a model expected as the adapter's base, found the \(manifest.kind.rawValue) \(try label(base))")
    }
    _ = try adapter.applied(
      to: manifest.tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: $0.shape) }, path: path)
    return AdapterLink(adapter: adapter, base: base, isFound: declared == nil)
  }

  /// The model that an adapter's configuration names; nil where the store has none of that name.
  private func named(by adapter: Adapter) throws -> Digest? {
    guard let name = adapter.config.base else { return nil }
    do {
      return try resolve(name)
    } catch let error as RepositoryError where error.kind == .notFound {
      return nil
    }
  }

  /// Stores an adapter's files and records that they belong to its base.
  ///
  /// - Parameter extraction: how its factors were found, and the fine-tuned model that they were found in.
  func importAdapter(
    _ source: ImportSource, link: AdapterLink, extraction: (record: JSONValue, from: Digest)? = nil, name: String?,
    madeBy: String, permission: Permission = Permission(), progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> ImportReport {
    let ingest = try ingest(source, base: nil, progress: progress)
    try source.refuseChanges()
    let manifest = source.manifest(ingest)
    let model = manifest.document.digest
    let isKnown = try lineage.model(model)?.state == .stored
    let isNew = try extraction != nil || !isKnown || linkedBase(of: model) != link.base
    var derivation = Derivation(
      kind: extraction == nil ? "adapter" : "extract", model: model,
      madeAt: now(), madeBy: madeBy, tool: Self.tool,
      parents: [.init(role: "base", model: link.base, coefficient: nil, claimed: false, reference: nil)]
        + (extraction.map {
          [.init(role: "fine-tune", model: $0.from, coefficient: nil, claimed: false, reference: nil)]
        } ?? []))
    derivation.method = link.adapter.summary
    derivation.extraction = extraction?.record
    derivation.files = source.fileDigests(ingest)
    let added = try publishStored(
      manifest, ingest, by: derivation, name: name, sketch: nil, isKnown: isKnown, isNew: isNew,
      permission: permission)
    return ImportReport(
      id: model.hex, name: name, names: try lineage.names(of: model), alreadyStored: isKnown, bytesRead: source.bytes,
      bytesAdded: added,
      base: try label(link.base), baseID: link.base.hex, baseChoice: link.isFound ? "named" : "declared",
      baseNote: "an adapter of it: \(link.adapter.summary)", tensors: manifest.tensors.count,
      tensorsKnown: ingest.knownItems, tensorsDelta: ingest.deltaItems, leftOut: source.folder.leftOut,
      remarks: source.folder.remarks)
  }
}
