internal import GRDB
package import Objects

/// Whatever can answer questions: the database (a fresh view for each), a snapshot, or a publication under way.
package protocol LineageReading {
  /// Runs `body` on a connection whose view does not change meanwhile.
  func withConnection<T>(_ body: (Connection) throws -> T) throws -> T
}

extension LineageDatabase: LineageReading {
  package func withConnection<T>(_ body: (Connection) throws -> T) throws -> T {
    let result = Result {
      try translatingErrors { try store.read { try body(Connection(database: $0, trusted: trusted)) } }
    }
    if let frozen, frozen != FileState(path) {
      throw LineageError.locked(detail: "\(path) was written while it was read")
    }
    return try result.get()
  }
}

/// One unchanging view of the database.
package struct Snapshot: LineageReading {
  let connection: Connection

  package func withConnection<T>(_ body: (Connection) throws -> T) throws -> T { try body(connection) }
}

/// Reads a number from one row of a query.
extension Connection {
  func count(_ sql: String, _ values: [Value] = []) throws -> Int { try one(sql, values) { try $0.int(0) } ?? 0 }
}

extension LineageReading {
  /// How much is on record; reads every object row.
  package func counts() throws -> LineageCounts {
    try withConnection { connection in
      var counts = LineageCounts()
      try connection.each("SELECT state, count(*) FROM models GROUP BY state") { row in
        switch try row.choice(0, ModelState.self) {
        case .stored: counts.storedModels = try row.int(1)
        case .virtual: counts.virtualModels = try row.int(1)
        case .absent: counts.absentModels = try row.int(1)
        }
      }
      counts.derivations = try connection.count("SELECT count(*) FROM derivations")
      counts.names = try connection.count("SELECT count(*) FROM names")
      try connection.each("SELECT count(*), coalesce(sum(bytes), 0) FROM packs") { row in
        counts.packs = try row.int(0)
        counts.packBytes = try row.int(1)
      }
      let objects = """
        SELECT count(*), count(base), coalesce(sum(length), 0), coalesce(sum(raw_bytes), 0),
          coalesce(max(depth), 0) FROM objects
        """
      try connection.each(objects) { row in
        counts.objects = try row.int(0)
        counts.deltas = try row.int(1)
        counts.frameBytes = try row.int(2)
        counts.rawBytes = try row.int(3)
        counts.deepest = try row.int(4)
      }
      return counts
    }
  }

  /// Every document that a row names: manifests, derivations, recipes, evaluations, advisories and what was said about
  /// them.
  package func referencedDocuments() throws -> Set<Digest> {
    let sql = """
      SELECT id FROM models UNION ALL SELECT digest FROM derivations
      UNION ALL SELECT recipe FROM derivations WHERE recipe IS NOT NULL
      UNION ALL SELECT digest FROM evaluations
      UNION ALL SELECT digest FROM advisories UNION ALL SELECT document FROM withdrawals
      UNION ALL SELECT document FROM allowances UNION ALL SELECT document FROM file_digests
      """
    return try withConnection { connection in
      var found: Set<Digest> = []
      try connection.each(sql) { found.insert(try $0.digest(0)) }
      return found
    }
  }
}
