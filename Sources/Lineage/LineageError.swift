internal import GRDB
package import Objects

/// What can go wrong in the lineage database. Codes are SQLite's extended result codes.
package enum LineageError: Error, Sendable, Equatable {
  /// `name` cannot be given: `existing` (the spelling on record) already names `model`.
  case nameConflict(name: String, existing: String, model: Digest)
  /// The base chain of `object` comes back to it.
  case cycle(object: Digest)
  /// The base chain of `object` would be longer than `limit` steps.
  case depthExceeded(object: Digest, limit: Int)
  /// `object` is a delta whose chain names `base`, which is not on record.
  case missingBase(object: Digest, base: Digest)
  /// No such model is on record.
  case unknownModel(Digest)
  /// A row would name something that is not there, or something still named would go.
  case dangling(detail: String)
  /// The database was written by a later version of the program.
  case newerFormat(found: Int, supported: Int)
  /// Another process kept the database for the whole busy timeout.
  case locked(detail: String)
  /// The database cannot be written by this process.
  case readOnly(detail: String)
  /// No space is left for the database.
  case diskFull(detail: String)
  /// Reading, writing or opening the file failed.
  case io(code: Int, detail: String)
  /// The file is damaged or is not a lineage database.
  case corrupt(detail: String)
  /// SQLite refused for a reason that this program did not expect.
  case unexpected(code: Int, detail: String)
}

extension LineageError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .nameConflict(let name, let existing, let model):
      existing == name
        ? "name \(name): free or already this model expected, found model \(model.short)"
        : "name \(name): a name in one spelling expected, found \(existing) for model \(model.short)"
    case .cycle(let object):
      "object \(object.short): a base chain that ends expected, found the object in its own chain"
    case .depthExceeded(let object, let limit):
      "object \(object.short): a base chain of at most \(limit) steps expected, found a longer one"
    case .missingBase(let object, let base):
      "object \(object.short): base \(base.short) expected on record, found none"
    case .unknownModel(let model): "model \(model.short): expected on record, found none"
    case .dangling(let detail): "lineage database: every row expected to name things on record, found \(detail)"
    case .newerFormat(let found, let supported):
      "lineage database: format \(supported) or older expected, found format \(found)"
    case .locked(let detail): "lineage database: expected free, found it in use by another process (\(detail))"
    case .readOnly(let detail): "lineage database: expected writable, found it read-only (\(detail))"
    case .diskFull(let detail): "lineage database: free disk space expected, found none (\(detail))"
    case .io(let code, let detail): "lineage database: \(Self.text(ofIO: code)): \(detail) (SQLite's code \(code))"
    case .corrupt(let detail): "lineage database: a sound database expected, found \(detail)"
    case .unexpected(let code, let detail): "lineage database: \(detail) (code \(code))"
    }
  }
}

extension LineageError {
  /// What an error of SQLite's reading and writing means.
  private static func text(ofIO code: Int) -> String {
    switch code {
    case 4874, 4618: "there is no room on the disk for the file of its shared memory"
    case 266, 522: "the disk failed to read it"
    case 778, 1034, 1290, 1546: "the disk failed to write it, or is full"
    case _ where code & 0xFF == 14: "it cannot be opened"
    case _ where code & 0xFF == 3: "this user may not use it"
    default: "it cannot be read or written"
    }
  }
}

/// Runs `body`; an error of SQLite comes out as a `LineageError`, any other as it is.
func translatingErrors<T>(_ body: () throws -> T) throws -> T {
  do {
    return try body()
  } catch let error as DatabaseError {
    throw LineageError(error)
  }
}

extension LineageError {
  init(_ error: DatabaseError) {
    let code = Int(error.extendedResultCode.rawValue)
    let detail = error.message ?? "no message"
    switch error.resultCode {
    case .SQLITE_FULL: self = .diskFull(detail: detail)
    case .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH: self = .io(code: code, detail: detail)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt(detail: detail)
    case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(detail: detail)
    case .SQLITE_READONLY: self = .readOnly(detail: detail)
    case .SQLITE_CONSTRAINT where error.extendedResultCode == .SQLITE_CONSTRAINT_FOREIGNKEY:
      self = .dangling(detail: detail)
    default: self = .unexpected(code: code, detail: detail)
    }
  }
}
