import Codecs
import Lineage
import Objects
import Synchronization
import Tensors

/// Turns the pieces of a conveyor into frames in packs, and digests items and files on the way.
///
/// An object that the store holds already, or that came earlier in the same run, is cut out of the pack again.
final class Ingest {
  /// One object to be.
  struct Item {
    let file: Int
    let size: Int
    /// 0 for a file.
    let dtype: UInt8
    let format: BlockFormat
    /// What its blocks are compared with.
    var base: DeltaBase?
    /// The frame that it has. The new one is kept only where it is better, and its blocks are read back.
    var known: KnownFrame?

    /// A tensor of this dtype.
    static func tensor(file: Int, size: Int, dtype: DType, base: DeltaBase?) -> Item {
      Item(file: file, size: size, dtype: dtype.code, format: BlockFormat(dtype), base: base)
    }

    /// An object on record that is coded anew.
    static func recoding(_ recoding: Recoding) -> Item {
      let trailer = recoding.reader.trailer
      return Item(
        file: 0, size: trailer.rawBytes, dtype: trailer.dtype, format: trailer.format, base: recoding.base,
        known: recoding.known)
    }

    /// Plain bytes.
    static func bytes(file: Int, size: Int) -> Item {
      Item(file: file, size: size, dtype: 0, format: .bytes, base: nil)
    }
  }

  /// A pack that is durable but not yet named by a row.
  typealias SealedPack = (digest: Digest, size: Int, entries: [Pack.Entry])

  private let repository: Repository
  private let items: [Item]
  private let itemHashes: [ItemHash]
  private let fileHashes: [ItemHash]
  private var writer: PackWriter?
  private(set) var sealed: [SealedPack] = []
  private var written: Set<Digest> = []
  private var usesBase = false
  /// Of the frame under way.
  private var codedBytes = 0
  /// Objects that were stored before.
  private(set) var known: Set<Digest> = []
  /// What was found of the frames of these.
  private(set) var check = Repository.FrameCheck()
  /// Tensors that were stored before, and objects stored as deltas.
  private(set) var knownItems = 0
  private(set) var deltaItems = 0

  /// - Parameter prefixes: what each file begins with before its first item (the length field of safetensors); none
  ///   where no digests of files are wanted.
  init(repository: Repository, items: [Item], prefixes: [[UInt8]]) {
    self.repository = repository
    self.items = items
    itemHashes = items.map { _ in ItemHash() }
    fileHashes = prefixes.map { ItemHash(prefix: $0) }
  }

  /// The digest of an item whose pieces have all come by.
  func digest(_ item: Int) -> Digest { itemHashes[item].running.finish() }

  /// The digest of a file whose items have all come by.
  func fileDigest(_ file: Int) -> Digest { fileHashes[file].running.finish() }

  /// Checks the frames of objects that were stored before. Those that cannot be read are written anew, alone, from the
  /// items that have them.
  ///
  /// - Parameter fill: puts bytes of an item, from a place on, into a buffer.
  func heal(fill: @escaping (Int, Int, UnsafeMutableRawBufferPointer) throws -> Void) throws {
    check = try repository.checkFrames(of: known)
    if check.damaged.isEmpty { return }
    var left = Set(check.damaged.keys)
    let places = items.indices.filter { left.remove(digest($0)) != nil }
    let again = places.map { index in
      var item = items[index]
      item.base = nil
      return item
    }
    let ingest = Ingest(repository: repository, items: again, prefixes: [])
    ingest.check = check
    try ingest.run(packing: true, progress: nil) { piece, buffer, _ in
      try fill(places[piece.item], piece.range.lowerBound, buffer)
    }
    sealed += ingest.sealed
  }

  /// Runs all items through; `fill` puts the raw bytes of a piece into its buffer.
  func run(
    packing: Bool, progress: ((Int) -> Void)?,
    fill: @escaping (Conveyor.Piece, UnsafeMutableRawBufferPointer, Int) throws -> Void
  ) throws {
    let conveyor = Conveyor(pool: repository.pool, pieceBytes: Frame.blockBytes)
    // Frames and whole files need all in order; digests of items alone run side by side.
    let cut = packing || !fileHashes.isEmpty ? Conveyor.cut : Conveyor.cutInTurn
    let pieces = cut(items.map { ($0.file, $0.size) }, Frame.blockBytes)
    var work = Conveyor.Work(fill: fill)
    if packing {
      work.code = { [unowned self] slot, _ in try code(&slot) }
      work.drain = { [unowned self] slots in for slot in slots { try drain(slot) } }
    }
    work.itemHash = { [itemHashes] in itemHashes[$0] }
    if !fileHashes.isEmpty { work.fileHash = { [fileHashes] in fileHashes[$0] } }
    work.progress = progress
    do {
      try conveyor.run(pieces, work)
      if packing { try seal() }
    } catch {
      writer?.discard()
      throw error
    }
  }

  private func code(_ slot: inout Conveyor.Slot) throws {
    let item = items[slot.piece.item]
    let piece = slot
    let (codec, count) = try repository.spaces.withWorkspace { space in
      func encode(on base: DeltaBase?) throws -> (codec: BlockCodec, count: Int) {
        try space.encode(
          piece.bytes, at: piece.piece.range, on: base, format: item.format, into: piece.coded,
          proving: item.known != nil)
      }
      do { return try encode(on: item.base) } catch {
        // A block of the base that is damaged is of no use to this one, which can do without.
        guard item.base != nil, isDamage(error) else { throw error }
        return try encode(on: nil)
      }
    }
    slot.codec = codec.rawValue
    slot.codedCount = count
    slot.checksum = checksum(slot.codedBytes)
  }

  private func drain(_ slot: Conveyor.Slot) throws {
    let item = items[slot.piece.item]
    let writer = try self.writer ?? makeWriter()
    if slot.piece.isFirst {
      try writer.beginFrame()
      usesBase = false
      codedBytes = 0
    }
    codedBytes += slot.codedCount
    if !slot.piece.range.isEmpty {
      try writer.append(slot.codedBytes, codec: slot.codec, checksum: slot.checksum)
      usesBase = usesBase || BlockCodec(rawValue: slot.codec)?.usesBase == true
    }
    guard slot.piece.isLast else { return }
    let digest = digest(slot.piece.item)
    guard try isWanted(digest, item) else { return try writer.dropFrame() }
    let base = usesBase ? item.base : nil
    try writer.finishFrame(
      dtype: item.dtype, width: item.format.width, blockBytes: Frame.blockBytes, rawBytes: item.size, digest: digest,
      base: base?.digest, castFrom: base?.castFrom ?? 0)
    written.insert(digest)
    deltaItems += usesBase ? 1 : 0
    if writer.size >= Pack.closingBytes { try seal() }
  }

  /// Whether the frame that has just been written, but for its trailer, is to stay.
  private func isWanted(_ digest: Digest, _ item: Item) throws -> Bool {
    if let known = item.known {
      guard digest == known.digest else {
        throw RepositoryError(
          .corrupt, "object \(known.digest.hex): its bytes have the digest \(digest.short)",
          hint: "run: stemma verify --full")
      }
      return known.isWorse(than: codedBytes + (usesBase ? FrameTrailer.baseBytes : 0))
    }
    if written.contains(digest) { return false }
    if !check.damaged.isEmpty {
      guard check.damaged[digest] != nil else {
        throw RepositoryError(.conflict, "a file changed while it was read", hint: "import it again")
      }
      return true
    }
    guard try repository.lineage.object(digest) != nil else { return true }
    known.insert(digest)
    knownItems += item.dtype == 0 ? 0 : 1
    return false
  }

  private func makeWriter() throws -> PackWriter {
    let made = try PackWriter(storage: repository.storage, path: repository.temporaryPath(".pack"))
    writer = made
    return made
  }

  private func seal() throws {
    guard let writer else { return }
    self.writer = nil
    if writer.isEmpty { return writer.discard() }
    do {
      sealed.append(try writer.seal(into: repository.layout.packs))
    } catch {
      writer.discard()
      throw error
    }
  }
}
