/// A file of frames with an index at its end, named by the SHA-256 of its own bytes.
package enum Pack {
  package static let version: UInt8 = 1
  /// `STPK`, version, three zero bytes.
  package static let header: [UInt8] = Array("STPK".utf8) + [version, 0, 0, 0]
  /// A pack is closed once it holds this many bytes.
  package static let closingBytes = 1 << 30
  static let entryBytes = 88
  static let tailBytes = 16
  static let tailMagic: [UInt8] = Array("STPKEND1".utf8)

  /// Where an object lies in its pack.
  package struct Entry: Sendable, Equatable {
    package let digest: Digest
    /// Of the frame, in the pack.
    package let offset: Int
    /// Of the whole frame, trailer included.
    package let length: Int
    package let rawBytes: Int
    package let base: Digest?

    package init(digest: Digest, offset: Int, length: Int, rawBytes: Int, base: Digest?) {
      self.digest = digest
      self.offset = offset
      self.length = length
      self.rawBytes = rawBytes
      self.base = base
    }
  }

  /// The size of a pack of so many frames, which have so many bytes together.
  package static func size(frames: Int, frameBytes: Int) -> Int {
    header.count + frameBytes + frames * entryBytes + tailBytes
  }

  /// The index's bytes with its tail.
  static func encodeIndex(_ entries: [Entry]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(entries.count * entryBytes + tailBytes)
    for entry in entries {
      out += entry.digest.bytes
      out.append(little: UInt64(entry.offset))
      out.append(little: UInt64(entry.length))
      out.append(little: UInt64(entry.rawBytes))
      out += entry.base?.bytes ?? [UInt8](repeating: 0, count: 32)
    }
    out.append(little: UInt32(entries.count))
    let sum = out.withUnsafeBytes { checksum($0) }
    out.append(little: sum)
    return out + tailMagic
  }

  /// Reads the index of a pack; checks header, tail, checksum, and that the frames fill the pack without holes.
  package static func readIndex(of file: any StorageFile, path: String) throws -> [Entry] {
    let size = try file.size()
    guard size >= header.count + 4 + tailBytes - 4 else { throw ObjectsError.packHeader(pack: path) }
    let head = try file.bytes(at: 0, count: header.count, path: path)
    guard Array(head[0..<4]) == Array(header[0..<4]), head[5...] == [0, 0, 0] else {
      throw ObjectsError.packHeader(pack: path)
    }
    guard head[4] <= version, head[4] > 0 else {
      throw ObjectsError.newerVersion(what: path, found: Int(head[4]), supported: Int(version))
    }
    let tail = try file.bytes(at: size - tailBytes, count: tailBytes, path: path)
    guard Array(tail[8...]) == tailMagic else { throw ObjectsError.packIndex(pack: path, reason: "no end mark") }
    let (count, sum) = tail.withUnsafeBytes { raw in
      var fields = FieldReader(raw)
      return (Int(fields.integer(UInt32.self)!), fields.integer(UInt32.self)!)
    }
    let start = size - tailBytes - count * entryBytes
    guard start >= header.count else { throw ObjectsError.packIndex(pack: path, reason: "count beyond the file") }
    let index = try file.bytes(at: start, count: count * entryBytes + 4, path: path)
    guard index.withUnsafeBytes({ checksum($0) }) == sum else {
      throw ObjectsError.packIndex(pack: path, reason: "checksum does not fit")
    }
    return try index.withUnsafeBytes { try entries(in: $0, count: count, end: start, path: path) }
  }

  private static func entries(
    in bytes: UnsafeRawBufferPointer, count: Int, end: Int, path: String
  ) throws -> [Entry] {
    var fields = FieldReader(bytes)
    var at = header.count
    let none = Digest([UInt8](repeating: 0, count: 32))!
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    for _ in 0..<count {
      let digest = fields.digest()!
      let offset = fields.integer(UInt64.self)!
      let length = fields.integer(UInt64.self)!
      let rawBytes = fields.integer(UInt64.self)!
      let base = fields.digest()!
      guard offset == UInt64(at), length <= UInt64(end - at), rawBytes < 1 << 62 else {
        throw ObjectsError.packIndex(pack: path, reason: "frames overlap or leave holes")
      }
      entries.append(
        Entry(
          digest: digest, offset: at, length: Int(length), rawBytes: Int(rawBytes), base: base == none ? nil : base))
      at += Int(length)
    }
    guard at == end else { throw ObjectsError.packIndex(pack: path, reason: "frames do not fill the pack") }
    return entries
  }

  /// Reads and checks the header and trailer of the frame at an entry's place. Costs three small reads.
  package static func readTrailer(
    in file: any StorageFile, offset: Int, length: Int, object: Digest?, path: String
  ) throws -> FrameTrailer {
    func damaged(_ reason: String) -> ObjectsError {
      .frameTrailer(object: object, pack: path, offset: offset, reason: reason)
    }
    guard length >= Frame.header.count + Frame.tailBytes else { throw damaged("frame of \(length) bytes") }
    let head = try file.bytes(at: offset, count: Frame.header.count, path: path)
    guard head == Frame.header else {
      if Array(head[0..<4]) == Array(Frame.header[0..<4]), head[4] > Frame.version, head[5...] == [0, 0, 0] {
        throw ObjectsError.newerVersion(what: "a frame in \(path)", found: Int(head[4]), supported: Int(Frame.version))
      }
      throw ObjectsError.frameHeader(object: object, pack: path, offset: offset)
    }
    let tail = try file.bytes(at: offset + length - Frame.tailBytes, count: Frame.tailBytes, path: path)
    guard Array(tail[8...]) == Frame.tailMagic else { throw damaged("no end mark") }
    let (sum, size) = tail.withUnsafeBytes { raw in
      var fields = FieldReader(raw)
      return (fields.integer(UInt32.self)!, Int(fields.integer(UInt32.self)!))
    }
    guard size <= length - Frame.header.count - Frame.tailBytes else { throw damaged("length beyond the frame") }
    let bytes = try file.bytes(at: offset + length - Frame.tailBytes - size, count: size, path: path)
    guard bytes.withUnsafeBytes({ checksum($0) }) == sum else { throw damaged("checksum does not fit") }
    let trailer: FrameTrailer
    switch bytes.withUnsafeBytes({ FrameTrailer.parse($0, frameBytes: length) }) {
    case .success(let parsed): trailer = parsed
    case .failure(let reason): throw damaged(reason.text)
    }
    if let object, object != trailer.digest { throw damaged("holds object \(trailer.digest.short)") }
    return trailer
  }
}

extension Pack {
  /// Reads and checks a frame's header, trailer and every block, and hands the coded blocks over in order; decodes
  /// nothing. Has one of them in memory at a time.
  ///
  /// - Throws: `ObjectsError` where something is damaged, `StorageError` where the disk fails.
  @discardableResult
  package static func checkFrame(
    of object: Digest, in file: any StorageFile, path: String, offset: Int, length: Int,
    _ body: (_ coded: UnsafeRawBufferPointer, _ block: FrameTrailer.Block) throws -> Void = { _, _ in }
  ) throws -> FrameTrailer {
    let trailer = try readTrailer(in: file, offset: offset, length: length, object: object, path: path)
    for (index, block) in trailer.blocks.enumerated() {
      let coded = try file.bytes(at: offset + trailer.offsets[index], count: block.length, path: path)
      let sum = coded.withUnsafeBytes { checksum($0) }
      guard sum == block.checksum else {
        throw ObjectsError.blockChecksum(
          object: object, pack: path, block: index, expected: block.checksum, found: sum)
      }
      try coded.withUnsafeBytes { try body($0, block) }
    }
    return trailer
  }
}

extension StorageFile {
  /// Exactly `count` bytes at `offset`, or `ObjectsError.truncated`.
  package func bytes(at offset: Int, count: Int, path: String) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let found = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
      guard found == count else {
        throw ObjectsError.truncated(path: path, offset: offset, wanted: count, available: found)
      }
      initialized = count
    }
  }
}
