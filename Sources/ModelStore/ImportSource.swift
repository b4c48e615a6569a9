import Checkpoints
import Glibc
import Objects
import Synchronization
import Tensors

/// A scanned checkpoint folder, cut into the objects that it will become: for a safetensors file its header's text and
/// each tensor in the order of the data; any other file whole.
final class ImportSource {
  /// One object to be.
  struct Item {
    let file: Int
    /// Where its bytes begin in the file.
    let offset: Int
    let size: Int
    let tensor: TensorRecord?
  }

  let folder: CheckpointFolder
  let items: [Item]
  /// The 8 length bytes of safetensors files; nothing for others.
  let prefixes: [[UInt8]]
  private let open = Mutex<[Int: LocalFile]>([:])

  init(folder: CheckpointFolder) {
    self.folder = folder
    var items: [Item] = []
    for (index, file) in folder.files.enumerated() {
      if let header = file.header {
        items.append(Item(file: index, offset: 8, size: header.headerBytes.count, tensor: nil))
        for tensor in header.tensors {
          items.append(
            Item(file: index, offset: header.dataStart + tensor.begin, size: tensor.byteCount, tensor: tensor))
        }
      } else {
        items.append(Item(file: index, offset: 0, size: file.size, tensor: nil))
      }
    }
    self.items = items
    prefixes = folder.files.map { $0.header.map { SafetensorsHeader.lengthField($0.headerBytes.count) } ?? [] }
  }

  var bytes: Int { folder.files.reduce(0) { $0 + $1.size } }

  /// Fills the buffer from an item; a file cut short meanwhile is a conflict.
  func read(item: Int, at start: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    let item = items[item]
    let file = try handle(item.file)
    let found = try file.read(into: buffer, at: item.offset + start)
    guard found == buffer.count else { throw changed(folder.files[item.file].path) }
  }

  /// Throws where a file is no longer what was scanned.
  func refuseChanges() throws {
    for file in folder.files {
      guard let stamp = try? FileStamp(path: path(of: file)), stamp == file.stamp else { throw changed(file.path) }
    }
  }

  /// The manifest, once all digests are known.
  func manifest(_ ingest: Ingest) -> Manifest {
    let digest = ingest.digest
    var files: [Manifest.File] = []
    var next = 0
    for file in folder.files {
      guard let header = file.header else {
        files.append(.init(path: file.path, size: file.size, digest: digest(next)))
        next += 1
        continue
      }
      let first = next + 1
      let tensors = header.tensors.enumerated().map { position, tensor in
        Manifest.TensorEntry(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: digest(first + position))
      }
      files.append(
        .init(
          path: file.path, size: file.size, header: (digest(next), header.headerBytes.count), tensors: tensors))
      next = first + tensors.count
    }
    return Manifest(files: files, weights: folder.weights.paths)
  }

  /// The SHA-256 of each safetensors file, for the record.
  func fileDigests(_ ingest: Ingest) -> [Derivation.FileDigest] {
    folder.files.indices.filter { folder.files[$0].header != nil }.map {
      .init(path: folder.files[$0].path, digest: ingest.fileDigest($0))
    }
  }

  /// Samples the tensors that sketches are made of.
  func sketch() throws -> Sketch {
    let tensors = items.indices.filter { isWeight(items[$0]) }
    let chosen = Sketch.choose(
      tensors.map { (items[$0].tensor!.name, items[$0].tensor!.dtype, items[$0].tensor!.shape) })
    var entries: [Sketch.Entry] = []
    for (index, key) in chosen {
      let item = tensors[index]
      let tensor = items[item].tensor!
      let width = tensor.dtype.bits / 8
      var values: [UInt16] = []
      try withUnsafeTemporaryAllocation(byteCount: width, alignment: 8) { buffer in
        for position in Sketch.positions(in: items[item].size / width) {
          try read(item: item, at: position * width, into: buffer)
          values.append(Sketch.value(of: UnsafeRawBufferPointer(buffer), tensor.dtype))
        }
      }
      entries.append(Sketch.Entry(key: key, values: values))
    }
    return Sketch(entries: entries)
  }

  /// True for a tensor of the model.
  func isWeight(_ item: Item) -> Bool {
    item.tensor != nil && folder.weights.paths.contains(folder.files[item.file].path)
  }

  private func path(of file: CheckpointFile) -> String { folder.path + "/" + file.path }

  private func handle(_ index: Int) throws -> LocalFile {
    try open.withLock { files in
      if let file = files[index] { return file }
      if files.count >= 64 { files.removeAll() }
      let file = try LocalFile(path(of: folder.files[index]), flags: O_RDONLY | O_CLOEXEC, operation: "open")
      files[index] = file
      return file
    }
  }

  private func changed(_ path: String) -> RepositoryError {
    RepositoryError(
      .conflict, "\(path) changed while it was read", hint: "wait until it is written, then import again")
  }
}
