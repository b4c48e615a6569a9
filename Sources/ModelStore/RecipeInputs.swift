import Checkpoints
import Objects
import Tensors

/// What a reference of a recipe stands for.
enum RecipeInput {
  /// A checkpoint folder, by its absolute path.
  case folder(String)
  case model(Digest)
}

extension Repository {
  /// Finds what a reference of a recipe stands for: `./x`, `../x` and `/x` are folders, all else is a name or an id.
  ///
  /// Where a folder in `directory` has the name of a model, both must be the same, or it is a conflict.
  /// - Parameter reading: proves by the digests of all bytes that they are; else they only may not differ in what a
  ///   plan rests on.
  func recipeInput(_ reference: String, relativeTo directory: String, reading: Bool) throws -> RecipeInput {
    let path = Self.path(reference, relativeTo: directory)
    if Self.isPath(reference) { return .folder(path) }
    let folder = try? CheckpointFolder.scan(path)
    let model: Digest
    do {
      model = try resolve(reference)
    } catch let error as RepositoryError where error.kind == .notFound && folder != nil {
      throw RepositoryError(.notFound, error.message, hint: "for the folder write ./\(reference)")
    }
    guard let folder else { return .model(model) }
    let isAlike = try manifest(of: model).isAlike(folder)
    guard try isAlike && (!reading || modelID(of: ImportSource(folder: folder)) == model) else {
      throw RepositoryError(
        .conflict, "\(reference): one model expected, found two: \(model.short) in the store, and another in \(path)",
        hint: "for the folder write ./\(reference), for the model \(model.short)")
    }
    return .model(model)
  }

  /// The id that an import would give. Reads all of the source and stores nothing.
  private func modelID(of source: ImportSource) throws -> Digest {
    let items = source.items.map { item in
      item.tensor.map { .tensor(file: item.file, size: item.size, dtype: $0.dtype, base: nil) }
        ?? Ingest.Item.bytes(file: item.file, size: item.size)
    }
    let ingest = Ingest(repository: self, items: items, prefixes: [])
    try ingest.run(packing: false, progress: nil) { piece, buffer, _ in
      try source.read(item: piece.item, at: piece.range.lowerBound, into: buffer)
    }
    let manifest = source.manifest(ingest)
    return manifest.document.digest
  }

  static func isPath(_ reference: String) -> Bool {
    [".", ".."].contains(reference) || ["./", "../", "/"].contains { reference.hasPrefix($0) }
  }

  static func path(_ reference: String, relativeTo directory: String) -> String {
    reference.hasPrefix("/") ? reference : absolute(directory + "/" + reference)
  }
}

extension Manifest {
  /// Whether a folder has the same files by name, size, tensor names, dtypes and shapes.
  fileprivate func isAlike(_ folder: CheckpointFolder) -> Bool {
    guard files.map(\.path) == folder.files.map(\.path), files.map(\.size) == folder.files.map(\.size) else {
      return false
    }
    return zip(files, folder.files).allSatisfy { file, other in
      file.tensors.elementsEqual(other.header?.tensors ?? []) {
        $0.name == $1.name && $0.dtype == $1.dtype && $0.shape == $1.shape
      }
    }
  }
}
