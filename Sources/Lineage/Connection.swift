internal import Foundation
internal import GRDB
internal import Objects

/// A connection inside a transaction. Opaque outside this target: it only carries queries.
package struct Connection {
  let database: Database
  /// Stores whose withdrawals and clearing evaluations count.
  let trusted: Set<StoreID>

  /// The same as a list of SQL.
  var trustedList: String { "(" + trusted.map { "'\($0.hex)'" }.sorted().joined(separator: ", ") + ")" }

  /// A value for one `?` of a statement.
  typealias Value = (any DatabaseValueConvertible)?

  /// Runs a statement that gives no rows; the number of rows it changed.
  @discardableResult
  func run(_ sql: String, _ values: [Value] = []) throws -> Int {
    try translatingErrors {
      try database.cachedStatement(sql: sql).execute(arguments: StatementArguments(values))
      return database.changesCount
    }
  }

  /// Hands each row to `take` while the statement runs.
  func each(_ sql: String, _ values: [Value] = [], _ take: (Row) throws -> Void) throws {
    try translatingErrors {
      let cursor = try Row.fetchCursor(
        database.cachedStatement(sql: sql), arguments: StatementArguments(values))
      while let row = try cursor.next() { try take(row) }
    }
  }

  /// All rows of a query, decoded.
  func all<T>(_ sql: String, _ values: [Value] = [], _ decode: (Row) throws -> T) throws -> [T] {
    var found: [T] = []
    try each(sql, values) { found.append(try decode($0)) }
    return found
  }

  /// The only row of a query, decoded, or nil.
  func one<T>(_ sql: String, _ values: [Value] = [], _ decode: (Row) throws -> T) throws -> T? {
    try all(sql, values, decode).first
  }
}

extension Digest {
  /// As it is stored.
  var blob: Data { Data(bytes) }
}

// A damaged file may hold any type in any column, so each read checks what it finds.
extension Row {
  func int(_ index: Int) throws -> Int {
    guard case .int64(let value) = storage(index) else { throw wrongType(index, "an integer") }
    return Int(value)
  }

  func text(_ index: Int) throws -> String {
    guard case .string(let value) = storage(index) else { throw wrongType(index, "text") }
    return value
  }

  func real(_ index: Int) throws -> Double? {
    switch storage(index) {
    case .null: nil
    case .double(let value): value
    default: throw wrongType(index, "a real number")
    }
  }

  func bytes(_ index: Int) throws -> [UInt8] {
    guard case .blob(let value) = storage(index) else { throw wrongType(index, "a blob") }
    return [UInt8](value)
  }

  func digest(_ index: Int) throws -> Digest {
    guard let digest = try optionalDigest(index) else { throw wrongType(index, "a digest") }
    return digest
  }

  /// Read in place: lists read tens of thousands.
  func optionalDigest(_ index: Int) throws -> Digest? {
    if hasNull(atIndex: index) { return nil }
    guard let digest = try withUnsafeData(atIndex: index, { $0?.withUnsafeBytes { Digest($0) } }) else {
      throw wrongType(index, "a digest")
    }
    return digest
  }

  func choice<T: RawRepresentable<String>>(_ index: Int, _ type: T.Type) throws -> T {
    guard let value = T(rawValue: try text(index)) else { throw wrongType(index, "one of the known words") }
    return value
  }

  func isNull(_ index: Int) -> Bool { storage(index) == .null }

  private func storage(_ index: Int) -> DatabaseValue.Storage { (self[index] as DatabaseValue).storage }

  private func wrongType(_ index: Int, _ expected: String) -> LineageError {
    .corrupt(detail: "column \(Array(columnNames)[index]) that is not \(expected)")
  }
}
