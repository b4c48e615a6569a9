internal import Glibc

package import JSON

/// An immutable JSON object in RFC 8785 form, named by the SHA-256 of its bytes.
package struct Document: Sendable, Equatable {
  package let digest: Digest
  package let bytes: [UInt8]
  package let value: JSONValue

  /// Makes the document of a value. `type` and `version` members are expected in every value.
  package init(_ value: JSONValue) {
    self.value = value
    bytes = value.canonical
    digest = Digest(of: bytes)
  }

  private init(digest: Digest, bytes: [UInt8], value: JSONValue) {
    self.digest = digest
    self.bytes = bytes
    self.value = value
  }

  /// Reads a document back: its bytes must have the digest it is named by, and be a JSON object.
  package static func parse(_ bytes: [UInt8], expecting digest: Digest) throws(ObjectsError) -> Document {
    let found = Digest(of: bytes)
    guard found == digest else { throw .documentDigest(expected: digest, found: found) }
    guard let value = try? JSONValue.parse(bytes), value.members != nil else {
      throw .documentContent(document: digest, reason: "not a JSON object")
    }
    return Document(digest: digest, bytes: bytes, value: value)
  }
}

/// The folder `documents/`: one file a document, under the first two digits of its digest.
package struct DocumentFolder: Sendable {
  private let storage: any Storage
  package let path: String
  private let temporary: String
  /// Of a document's file, in bytes.
  private static let sizeMax = 1 << 30

  /// - Parameter temporary: the store's `tmp/`, in the same file system.
  package init(storage: any Storage, path: String, temporary: String) {
    self.storage = storage
    self.path = path
    self.temporary = temporary
  }

  /// Where a document's file is.
  package func file(of digest: Digest) -> String {
    "\(path)/\(digest.hex.prefix(2))/\(digest.hex).json"
  }

  /// Writes a document. Durable when it returns; writing the same one again is harmless.
  package func put(_ document: Document) throws {
    try storage.putDurably(
      document.bytes, as: file(of: document.digest), shelf: "\(path)/\(document.digest.hex.prefix(2))", folder: path,
      draft: "\(temporary)/\(document.digest.hex.prefix(16))-\(UInt64.random(in: 0 ... .max)).json")
  }

  /// Reads a document and proves it by its digest.
  package func get(_ digest: Digest) throws -> Document {
    let path = file(of: digest)
    let file: any StorageFile
    do { file = try storage.open(path) } catch  where error.code == ENOENT {
      throw ObjectsError.documentMissing(digest)
    }
    let size = try file.size(atMost: Self.sizeMax, path: path)
    return try Document.parse(try file.bytes(at: 0, count: size, path: path), expecting: digest)
  }

  /// The digests of all documents, sorted; and the names of files that are none.
  package func all() throws -> (digests: [Digest], strangers: [String]) {
    var digests: [Digest] = []
    var strangers: [String] = []
    for shelf in try storage.list(path) {
      guard let names = try storage.listFolder("\(path)/\(shelf)") else {
        strangers.append("\(path)/\(shelf)")
        continue
      }
      for name in names {
        if name.hasSuffix(".json"), let digest = Digest(hex: String(name.dropLast(5))), name.hasPrefix(shelf) {
          digests.append(digest)
        } else {
          strangers.append("\(path)/\(shelf)/\(name)")
        }
      }
    }
    return (digests, strangers)
  }
}

extension Storage {
  /// Writes a file whose name stands for its bytes. Durable when it returns; where it is there already with these
  /// bytes, only its name is made durable, and where it has others it is written anew.
  ///
  /// - Parameters:
  ///   - shelf: the folder of the file, made where it is missing.
  ///   - folder: the folder of the shelf.
  ///   - draft: a new path in the same file system, where the bytes are written first.
  func putDurably(_ bytes: [UInt8], as path: String, shelf: String, folder: String, draft: String) throws {
    if let known = try? open(path), (try? known.size()) == bytes.count,
      (try? known.bytes(at: 0, count: bytes.count, path: path)) == bytes
    {
      try syncDirectory(shelf)
      return
    }
    try makeDirectory(shelf)
    try syncDirectory(folder)
    try replaceDurably(path, by: bytes, folder: shelf, draft: draft)
  }

  /// Writes a file anew: it has its old bytes or the new ones, whatever happens. Durable when it returns.
  package func replaceDurably(_ path: String, by bytes: [UInt8], folder: String, draft: String) throws {
    let file = try create(draft)
    do {
      try bytes.withUnsafeBytes { try file.write($0, at: 0) }
      try file.sync()
      try rename(draft, to: path)
      try syncDirectory(folder)
    } catch {
      try? remove(draft)
      throw error
    }
  }
}
