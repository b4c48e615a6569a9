internal import GRDB
package import Objects

extension Publication {
  /// Records a pack that is durable on disk, or finds it; its id.
  ///
  /// - Parameter bytes: the size of its file.
  package func insertPack(_ digest: Digest, bytes: Int) throws -> Int64 {
    try connection.run("INSERT OR IGNORE INTO packs (digest, bytes) VALUES (?, ?)", [digest.blob, bytes])
    let id = try connection.one("SELECT id FROM packs WHERE digest = ?", [digest.blob]) { try $0.int(0) }
    guard let id else { throw LineageError.corrupt(detail: "pack \(digest.short) that cannot be recorded") }
    return Int64(id)
  }

  /// Records an object after proving that its base chain is on record, ends, and has at most `depthLimit` steps.
  ///
  /// - Returns: false when the digest was on record already; that row stays as it is.
  /// - Throws: `.missingBase`, `.cycle`, `.depthExceeded`.
  @discardableResult
  package func insertObject(_ object: NewObject, depthLimit: Int) throws -> Bool {
    guard case .none = try base(of: object.digest) else { return false }
    let depth = try provenDepth(of: object, limit: depthLimit)
    let values: [Connection.Value] = [
      object.digest.blob, object.pack, object.offset, object.length, object.rawBytes, object.base?.blob, depth,
    ]
    try connection.run(
      """
      INSERT INTO objects (digest, pack, offset, length, raw_bytes, base, depth) VALUES (?, ?, ?, ?, ?, ?, ?)
      """, values)
    return true
  }

  /// Says that the frame of an object on record, unchanged, now lies in another pack.
  package func moveObject(_ object: Digest, to pack: Int64, offset: Int) throws {
    let changed = try connection.run(
      "UPDATE objects SET pack = ?, offset = ? WHERE digest = ?", [pack, offset, object.blob])
    guard changed == 1 else { throw LineageError.dangling(detail: "no object \(object.short) to move") }
  }

  /// Says that an object has another frame, whose base may be another, after proving that its new chain is on record,
  /// ends, and that neither it nor what rests on it has more than `depthLimit` steps. The frame it had becomes garbage.
  ///
  /// - Parameter known: the row as it was when the new frame was begun.
  /// - Returns: false where the object has another frame by now, or none; nothing has changed then.
  /// - Throws: `.missingBase`, `.cycle`, `.depthExceeded`, before anything has changed.
  package func replaceFrame(of known: ObjectRow, by object: NewObject, depthLimit: Int) throws -> Bool {
    // Its depth may be another: what it rests on may have a new frame too.
    guard let row = try self.object(object.digest), (row.pack, row.offset) == (known.pack, known.offset) else {
      return false
    }
    let depth = try provenDepth(of: object, limit: depthLimit)
    if depth != row.depth { try setDepths(above: object.digest, at: depth, limit: depthLimit) }
    try connection.run(
      "UPDATE objects SET pack = ?, offset = ?, length = ?, base = ?, depth = ? WHERE digest = ?",
      [object.pack, object.offset, object.length, object.base?.blob, depth, object.digest.blob])
    return true
  }

  /// Counts anew the steps of all that rests on an object which has so many itself.
  private func setDepths(above object: Digest, at depth: Int, limit: Int) throws {
    // One step more than allowed is enough to see that it is too many, and ends a circle.
    let above = """
      WITH RECURSIVE above (digest, depth) AS (
        VALUES (?, ?) UNION
        SELECT o.digest, a.depth + 1 FROM above a CROSS JOIN objects o ON o.base = a.digest WHERE a.depth <= ?)
      """
    let values: [Connection.Value] = [object.blob, depth, limit]
    guard try connection.count("\(above) SELECT max(depth) FROM above", values) <= limit else {
      throw LineageError.depthExceeded(object: object, limit: limit)
    }
    try connection.run(
      "\(above) UPDATE objects SET depth = a.depth FROM above a WHERE objects.digest = a.digest AND a.digest <> ?",
      values + [object.blob])
  }

  /// Drops object rows; their frames become garbage. A base may go only with all of its deltas.
  ///
  /// - Throws: `.dangling` from `publish` when a delta stays behind.
  package func deleteObjects(_ digests: some Sequence<Digest>) throws {
    for digest in digests { try connection.run("DELETE FROM objects WHERE digest = ?", [digest.blob]) }
  }

  /// Drops packs.
  ///
  /// - Throws: `.dangling` when one still holds an object on record.
  package func deletePacks(_ ids: some Sequence<Int64>) throws {
    for id in ids { try connection.run("DELETE FROM packs WHERE id = ?", [id]) }
  }

  /// The steps from an object down to one that stands alone, walked and not believed.
  private func provenDepth(of object: NewObject, limit: Int) throws -> Int {
    var depth = 0
    var next = object.base
    while let step = next {
      depth += 1
      if step == object.digest { throw LineageError.cycle(object: object.digest) }
      if depth > limit { throw LineageError.depthExceeded(object: object.digest, limit: limit) }
      guard case .some(let base) = try base(of: step) else {
        throw LineageError.missingBase(object: object.digest, base: step)
      }
      next = base
    }
    return depth
  }

  /// The base of an object, which may be none; nothing when the object is not on record.
  private func base(of digest: Digest) throws -> Digest?? {
    try connection.one("SELECT base FROM objects WHERE digest = ?", [digest.blob]) { try $0.optionalDigest(0) }
  }
}
