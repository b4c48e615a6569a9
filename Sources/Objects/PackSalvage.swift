internal import Glibc

extension Pack {
  /// The frames of a pack whose index cannot be read: found by the marks at their ends, and proven by the checksums of
  /// their trailers. Blocks are not checked (`checkFrame` does). Reads the file once; in the order of the file.
  ///
  /// A frame whose trailer is damaged or cut off is not found.
  package static func salvage(_ file: any StorageFile, path: String) throws -> [Entry] {
    let size = try file.size()
    let window = 4 << 20
    let mark = Frame.tailMagic
    var found: [Entry] = []
    var start = 0
    while start + mark.count <= size {
      let bytes = try file.bytes(at: start, count: min(window, size - start), path: path)
      for place in places(of: mark, in: bytes) {
        guard let entry = try frame(endingAt: start + place + mark.count, in: file, path: path) else { continue }
        // A frame may hold the bytes of other packs, which are no frames of this one.
        while let last = found.last, last.offset >= entry.offset { found.removeLast() }
        if let last = found.last, last.offset + last.length > entry.offset { continue }
        found.append(entry)
      }
      // A mark may lie across the edge.
      start += bytes.count == window ? window - (mark.count - 1) : bytes.count
    }
    return found
  }

  /// Where a mark begins, in order.
  private static func places(of mark: [UInt8], in bytes: [UInt8]) -> [Int] {
    bytes.withUnsafeBytes { bytes in
      var found: [Int] = []
      var at = 0
      while at + mark.count <= bytes.count,
        let hit = memchr(bytes.baseAddress! + at, Int32(mark[0]), bytes.count - at - (mark.count - 1))
      {
        let place = UnsafeRawPointer(hit) - bytes.baseAddress!
        if memcmp(hit, mark, mark.count) == 0 { found.append(place) }
        at = place + 1
      }
      return found
    }
  }

  /// The frame that ends at a place; nil where none does.
  private static func frame(endingAt end: Int, in file: any StorageFile, path: String) throws -> Entry? {
    guard end - Frame.tailBytes >= header.count + Frame.header.count else { return nil }
    let tail = try file.bytes(at: end - Frame.tailBytes, count: Frame.tailBytes, path: path)
    let (sum, size) = tail.withUnsafeBytes { raw in
      var fields = FieldReader(raw)
      return (fields.integer(UInt32.self)!, Int(fields.integer(UInt32.self)!))
    }
    let start = end - Frame.tailBytes - size
    guard start >= header.count + Frame.header.count else { return nil }
    let bytes = try file.bytes(at: start, count: size, path: path)
    guard bytes.withUnsafeBytes({ checksum($0) }) == sum,
      case .success(let trailer) = bytes.withUnsafeBytes({ FrameTrailer.parse($0, frameBytes: nil) })
    else { return nil }
    let length = trailer.offsets.last! + size + Frame.tailBytes
    guard end - length >= header.count,
      try file.bytes(at: end - length, count: Frame.header.count, path: path) == Frame.header
    else { return nil }
    return Entry(
      digest: trailer.digest, offset: end - length, length: length, rawBytes: trailer.rawBytes, base: trailer.base)
  }
}
