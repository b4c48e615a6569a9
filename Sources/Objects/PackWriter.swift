/// Writes one pack in one pass, into a temporary file that is renamed when it is sealed.
///
/// Frames are written one at a time: `beginFrame`, `append` a block each, then `finishFrame` or `dropFrame` (which cuts
/// the file back: the object turned out to be stored already). Not for use from two threads at once.
package final class PackWriter {
  private let storage: any Storage
  private let file: any StorageFile
  private let path: String
  private var digest = RunningDigest()
  private var frameStart = 0
  private var digestAtFrameStart = RunningDigest()
  private var blocks: [FrameTrailer.Block] = []
  private(set) var entries: [Pack.Entry] = []
  /// Bytes written so far.
  package private(set) var size = 0

  /// Makes `path` (in the store's `tmp/`) and writes the pack's header.
  package init(storage: any Storage, path: String) throws {
    self.storage = storage
    self.path = path
    file = try storage.create(path)
    do { try write(Pack.header) } catch {
      discard()
      throw error
    }
  }

  /// True once nothing has been written beyond the header.
  package var isEmpty: Bool { entries.isEmpty }

  /// Starts a frame.
  package func beginFrame() throws {
    frameStart = size
    digestAtFrameStart = digest
    blocks.removeAll(keepingCapacity: true)
    try write(Frame.header)
  }

  /// Writes the next coded block of the frame.
  package func append(_ coded: UnsafeRawBufferPointer, codec: UInt8, checksum sum: UInt32) throws {
    try write(coded)
    blocks.append(FrameTrailer.Block(codec: codec, length: coded.count, checksum: sum))
  }

  /// Writes the trailer; the frame now belongs to the pack.
  ///
  /// - Parameter castFrom: the dtype number of the base where its elements were cast to `dtype`, else 0.
  package func finishFrame(
    dtype: UInt8, width: Int, blockBytes: Int, rawBytes: Int, digest object: Digest, base: Digest?, castFrom: UInt8 = 0
  ) throws {
    let trailer = FrameTrailer(
      dtype: dtype, width: width, blockBytes: blockBytes, rawBytes: rawBytes, digest: object, base: base,
      castFrom: castFrom, blocks: blocks)
    try write(trailer.encoded())
    entries.append(
      Pack.Entry(digest: object, offset: frameStart, length: size - frameStart, rawBytes: rawBytes, base: base))
  }

  /// Writes the frame of another pack again, to the same bytes, and checks its trailer and every block on the way. Has
  /// one coded block in memory at a time.
  package func copyFrame(
    of object: Digest, in file: any StorageFile, path: String, offset: Int, length: Int
  ) throws {
    try beginFrame()
    let trailer = try Pack.checkFrame(of: object, in: file, path: path, offset: offset, length: length) {
      coded, block in
      try append(coded, codec: block.codec, checksum: block.checksum)
    }
    try finishFrame(
      dtype: trailer.dtype, width: trailer.width, blockBytes: trailer.blockBytes, rawBytes: trailer.rawBytes,
      digest: object, base: trailer.base, castFrom: trailer.castFrom)
  }

  /// Takes back what was written since `beginFrame`.
  package func dropFrame() throws {
    try file.truncate(to: frameStart)
    size = frameStart
    digest = digestAtFrameStart
  }

  /// Writes the index, syncs, and renames the file to `<folder>/ab/<sha256>.pack`. Durable when it returns.
  package func seal(into folder: String) throws -> (digest: Digest, size: Int, entries: [Pack.Entry]) {
    try write(Pack.encodeIndex(entries))
    try file.sync()
    let name = digest.finish()
    let shelf = "\(folder)/\(name.hex.prefix(2))"
    try storage.makeDirectory(shelf)
    try storage.syncDirectory(folder)
    try storage.rename(path, to: "\(shelf)/\(name.hex).pack")
    try storage.syncDirectory(shelf)
    return (name, size, entries)
  }

  /// Removes the temporary file.
  package func discard() {
    try? storage.remove(path)
  }

  private func write(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try write($0) }
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    guard bytes.count > 0 else { return }
    try file.write(bytes, at: size)
    digest.update(bytes)
    size += bytes.count
  }
}
