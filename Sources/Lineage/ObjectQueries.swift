internal import GRDB
package import Objects

private let columns = """
  SELECT o.digest, o.pack, p.digest, o.offset, o.length, o.raw_bytes, o.base, o.depth
  FROM objects o CROSS JOIN packs p ON p.id = o.pack
  """

private func objectRow(_ row: Row) throws -> ObjectRow {
  ObjectRow(
    digest: try row.digest(0), pack: Int64(try row.int(1)), packDigest: try row.digest(2), offset: try row.int(3),
    length: try row.int(4), rawBytes: try row.int(5), base: try row.optionalDigest(6), depth: try row.int(7))
}

/// How many digests one statement asks for; the statement is prepared once.
private let batchSize = 256
private let batchQuery =
  "SELECT count(*), coalesce(sum(length), 0) FROM objects WHERE digest IN ("
  + Array(repeating: "?", count: batchSize).joined(separator: ", ") + ")"

extension LineageReading {
  /// The object with this digest, or nil.
  package func object(_ digest: Digest) throws -> ObjectRow? {
    try withConnection { try $0.one(columns + " WHERE o.digest = ?", [digest.blob], objectRow) }
  }

  /// How many of `digests` are on record, and the bytes of their frames; each counts once.
  package func stored(_ digests: some Sequence<Digest>) throws -> (count: Int, frameBytes: Int) {
    let wanted = Set(digests).sorted()
    return try withConnection { connection in
      var found = (count: 0, frameBytes: 0)
      for start in stride(from: 0, to: wanted.count, by: batchSize) {
        let batch = wanted[start..<min(start + batchSize, wanted.count)]
        var values: [Connection.Value] = batch.map(\.blob)
        // The last digest fills the places that are left.
        while values.count < batchSize { values.append(values[values.count - 1]) }
        try connection.each(batchQuery, values) { row in
          found.count += try row.int(0)
          found.frameBytes += try row.int(1)
        }
      }
      return found
    }
  }

  /// Hands every object to `body`, in the order in which frames lie in packs; `body` must not query meanwhile.
  package func forEachObject(_ body: (ObjectRow) throws -> Void) throws {
    try withConnection { connection in
      try connection.each(columns + " ORDER BY o.pack, o.offset") { try body(try objectRow($0)) }
    }
  }

  /// The objects of one pack, in the order in which their frames lie in it.
  package func objects(inPack pack: Int64) throws -> [ObjectRow] {
    try withConnection { try $0.all(columns + " WHERE o.pack = ? ORDER BY o.offset", [pack], objectRow) }
  }

  /// The deltas made directly against `base`.
  package func deltas(on base: Digest) throws -> [ObjectRow] {
    try withConnection { try $0.all(columns + " WHERE o.base = ? ORDER BY o.digest", [base.blob], objectRow) }
  }

  /// Every pack, oldest first.
  package func packs() throws -> [PackRow] {
    try withConnection { connection in
      try connection.all("SELECT id, digest, bytes FROM packs ORDER BY id") { row in
        PackRow(id: Int64(try row.int(0)), digest: try row.digest(1), bytes: try row.int(2))
      }
    }
  }
}
