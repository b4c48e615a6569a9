import Checkpoints
import Foundation
import Glibc
import Objects
import Tensors

extension Repository {
  /// Writes a model's files into a new or empty folder, every byte proved by digest before the folder gets its name.
  ///
  /// On a throw nothing is left behind.
  ///
  /// - Parameters:
  ///   - patterns: writes only the files whose path one of these globs matches; all where there are none.
  ///   - permission: whether the model may be flagged.
  public func export(
    _ reference: String, to path: String, files patterns: [String] = [], permission: Permission = Permission(),
    progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ExportReport {
    try door {
      let model = try resolve(reference)
      let allowed = try pass(model, "to export it", permission)
      let reader = try ModelReader(model, in: self)
      let files = try self.files(of: reader, matching: patterns)
      let bytes = files.reduce(0) { $0 + $1.size }
      let items = try exportItems(of: reader, files: files)
      let output = try OutputFolder(target: path)
      do {
        if let free = freeBytes(at: (output.target as NSString).deletingLastPathComponent),
          free < bytes
        {
          throw RepositoryError(.io, "\(path): \(bytes) bytes needed, \(free) bytes free")
        }
        try recordExport(model, to: output.target, passing: allowed)
        try write(items, of: files, to: output, progress: progress)
        try output.publish()
      } catch {
        output.discard()
        throw error
      }
      return ExportReport(id: model.hex, path: output.target, files: files.count, bytes: bytes)
    }
  }

  /// The files of a model that one of the globs matches, each of which must match some; all where there are none.
  private func files(of reader: ModelReader, matching patterns: [String]) throws -> [Manifest.File] {
    let all = reader.manifest.files
    if patterns.isEmpty { return all }
    for pattern in patterns where !all.contains(where: { fnmatch(pattern, $0.path, 0) == 0 }) {
      let label = try label(reader.model)
      throw RepositoryError(
        .notFound, "model \(label) has no file that matches \(pattern)",
        hint: "see its files with: stemma show \(label)")
    }
    return all.filter { file in patterns.contains { fnmatch($0, file.path, 0) == 0 } }
  }

  /// One object of an export.
  struct ExportItem {
    let file: Int
    /// In the file.
    let offset: Int
    let size: Int
    let digest: Digest
    /// For messages.
    let label: String
    let bytes: TensorBytes
  }

  /// What files of a model are made of. Throws `corrupt` where the manifest and the objects do not fit together.
  func exportItems(of reader: ModelReader, files: [Manifest.File]) throws -> [ExportItem] {
    var items: [ExportItem] = []
    for (index, file) in files.enumerated() {
      func stored(_ digest: Digest, _ offset: Int, _ size: Int, _ label: String) throws {
        let object = try requireObject(digest, size: size, label)
        items.append(
          ExportItem(
            file: index, offset: offset, size: size, digest: digest, label: label, bytes: .frame(object)))
      }
      guard let header = file.header else {
        try stored(file.object, 0, file.size, file.path)
        continue
      }
      try stored(header.digest, 8, header.size, "\(file.path): header")
      var offset = 8 + header.size
      for tensor in file.tensors {
        items.append(
          ExportItem(
            file: index, offset: offset, size: tensor.bytes, digest: tensor.digest, label: tensor.name,
            bytes: try reader.open(tensor)))
        offset += tensor.bytes
      }
      guard offset == file.size else {
        throw RepositoryError(.corrupt, "\(file.path): \(file.size) bytes expected, its tensors make \(offset)")
      }
    }
    return items
  }

  private func write(
    _ items: [ExportItem], of files: [Manifest.File], to output: OutputFolder,
    progress: (@Sendable (Int, Int) -> Void)?
  ) throws {
    for file in files {
      try output.create(file.path, size: file.size)
      if let header = file.header {
        let field = SafetensorsHeader.lengthField(header.size)
        try field.withUnsafeBytes { try output.write(file.path, $0, at: 0) }
      }
    }
    let total = files.reduce(0) { $0 + $1.size }
    try stream(items, progress: progress.map { report in { report($0, total) } }) { item, offset, bytes in
      try output.write(files[item.file].path, bytes, at: item.offset + offset)
    }
  }

  /// Produces all items block by block on all workers, hands each block to `sink`, those of an item in order, and
  /// proves every item by its digest. A block may reach the sink before its item is proved.
  ///
  /// - Parameter files: what digests each file, where whole files are wanted too.
  func stream(
    _ items: [ExportItem], files: [ItemHash] = [], progress: ((Int) -> Void)?,
    sink: (ExportItem, _ offset: Int, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let hashes = items.map { _ in ItemHash() }
    try withoutActuallyEscaping(sink) { sink in
      let conveyor = Conveyor(pool: pool, pieceBytes: Frame.blockBytes)
      // Whole files are digested in order; items alone run side by side.
      let cut = files.isEmpty ? Conveyor.cutInTurn : Conveyor.cut
      let pieces = cut(items.map { ($0.file, $0.size) }, Frame.blockBytes)
      var work = Conveyor.Work(fill: { [spaces] piece, buffer, _ in
        guard buffer.count > 0 else { return }
        try spaces.withWorkspace { try items[piece.item].bytes.read(at: piece.range.lowerBound, into: buffer, $0) }
      })
      work.drain = { slots in
        for slot in slots where !slot.piece.range.isEmpty {
          try sink(items[slot.piece.item], slot.piece.range.lowerBound, slot.bytes)
        }
      }
      work.itemHash = { hashes[$0] }
      if !files.isEmpty { work.fileHash = { files[$0] } }
      work.digested = { index in
        let found = hashes[index].running.finish()
        guard found == items[index].digest else {
          throw RepositoryError(
            .corrupt, "\(items[index].label): digest \(items[index].digest.short) expected, \(found.short) found",
            hint: "run: stemma verify")
        }
      }
      work.progress = progress
      try conveyor.run(pieces, work)
    }
  }
}
