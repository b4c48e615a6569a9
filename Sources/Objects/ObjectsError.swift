/// The ways in which stored bytes can be wrong.
package enum ObjectsError: Error, Sendable, Equatable {
  case packHeader(pack: String)
  case packIndex(pack: String, reason: String)
  case frameHeader(object: Digest?, pack: String, offset: Int)
  case frameTrailer(object: Digest?, pack: String, offset: Int, reason: String)
  case blockChecksum(object: Digest, pack: String, block: Int, expected: UInt32, found: UInt32)
  case truncated(path: String, offset: Int, wanted: Int, available: Int)
  case documentMissing(Digest)
  case documentDigest(expected: Digest, found: Digest)
  case documentContent(document: Digest, reason: String)
  case entry(Digest, reason: String)
  case newerVersion(what: String, found: Int, supported: Int)
}

extension ObjectsError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .packHeader(let pack): "\(pack): not a pack: bad magic or reserved bytes at offset 0"
    case .packIndex(let pack, let reason): "\(pack): pack index is damaged: \(reason)"
    case .frameHeader(let object, let pack, let offset):
      "\(pack): frame header at offset \(offset)\(Self.of(object)) is damaged"
    case .frameTrailer(let object, let pack, let offset, let reason):
      "\(pack): frame trailer at offset \(offset)\(Self.of(object)) is damaged: \(reason)"
    case .blockChecksum(let object, let pack, let block, let expected, let found):
      "\(pack): block \(block) of object \(object.short) is damaged: checksum \(expected) expected, \(found) found"
    case .truncated(let path, let offset, let wanted, let available):
      "\(path): \(wanted) bytes expected at offset \(offset), \(available) found"
    case .documentMissing(let document): "document \(document) is missing"
    case .documentDigest(let expected, let found):
      "document \(expected) is damaged: its bytes have the digest \(found)"
    case .documentContent(let document, let reason): "document \(document): \(reason)"
    case .entry(let entry, let reason): "event \(entry.short): its entry is damaged: \(reason)"
    case .newerVersion(let what, let found, let supported):
      "\(what) has format version \(found); this program reads up to \(supported)"
    }
  }

  private static func of(_ object: Digest?) -> String {
    object.map { " of object \($0.short)" } ?? ""
  }
}
