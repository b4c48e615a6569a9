/// The folder `entries/`: one file an entry, a thousand sequence numbers a shelf: `entries/12/12345-<sha256>.json`.
/// What a crash has left is among the highest numbers, so that finding it costs the listing of one shelf.
package struct EntryFolder: Sendable {
  /// An entry's place, as its file name says it.
  package struct Name: Sendable, Hashable, Comparable {
    package let sequence: Int
    package let digest: Digest

    package init(sequence: Int, digest: Digest) {
      (self.sequence, self.digest) = (sequence, digest)
    }

    /// By sequence number, then by digest.
    package static func < (a: Name, b: Name) -> Bool { (a.sequence, a.digest) < (b.sequence, b.digest) }
  }

  private let storage: any Storage
  package let path: String
  private let temporary: String
  private static let shelfSize = 1000
  /// Of an entry's file, in bytes: room for half a million names.
  private static let sizeMax = 64 << 20

  /// - Parameter temporary: the store's `tmp/`, in the same file system.
  package init(storage: any Storage, path: String, temporary: String) {
    (self.storage, self.path, self.temporary) = (storage, path, temporary)
  }

  /// Where an entry's file is.
  package func file(of name: Name) -> String { "\(shelf(of: name.sequence))/\(name.sequence)-\(name.digest.hex).json" }

  private func shelf(of sequence: Int) -> String { "\(path)/\(sequence / Self.shelfSize)" }

  /// Writes an entry. Durable when it returns; writing the same one again is harmless.
  package func put(_ entry: Entry) throws {
    let name = entry.name
    try storage.putDurably(
      entry.file.bytes, as: file(of: name), shelf: shelf(of: name.sequence), folder: path,
      draft: "\(temporary)/\(name.digest.hex.prefix(16))-\(UInt64.random(in: 0 ... .max)).json")
  }

  /// Takes back an entry that no transaction has published. The caller holds the database's write lock.
  package func withdraw(_ entry: Entry) throws {
    try storage.remove(file(of: entry.name))
    try storage.syncDirectory(shelf(of: entry.sequence))
  }

  /// Reads an entry and proves it by its digest and its number.
  package func get(_ name: Name) throws -> Entry {
    let path = file(of: name)
    let file = try storage.open(path)
    let bytes = try file.bytes(at: 0, count: try file.size(atMost: Self.sizeMax, path: path), path: path)
    guard Digest(of: bytes) == name.digest else {
      throw ObjectsError.entry(name.digest, reason: "its bytes have the digest \(Digest(of: bytes).short)")
    }
    let entry = try Entry(Document.parse(bytes, expecting: name.digest))
    guard entry.sequence == name.sequence else {
      throw ObjectsError.entry(name.digest, reason: "it says number \(entry.sequence), its file \(name.sequence)")
    }
    return entry
  }

  /// The places of all entries, in their order; and the paths of files that are none.
  package func all() throws -> (names: [Name], strangers: [String]) {
    var found: [Name] = []
    var strangers: [String] = []
    for shelf in try storage.list(path) {
      let isShelf = Int(shelf).map { $0 >= 0 && String($0) == shelf } ?? false
      guard isShelf else {
        strangers.append("\(path)/\(shelf)")
        continue
      }
      guard let files = try storage.listFolder("\(path)/\(shelf)") else {
        strangers.append("\(path)/\(shelf)")
        continue
      }
      for file in files {
        if let name = Name(file: file), String(name.sequence / Self.shelfSize) == shelf {
          found.append(name)
        } else {
          strangers.append("\(path)/\(shelf)/\(file)")
        }
      }
    }
    return (found.sorted(), strangers)
  }

  /// The places of the entries with numbers above `sequence`, in their order. Costs the listing of their shelves.
  package func above(_ sequence: Int) throws -> [Name] {
    let shelves = try storage.list(path).compactMap { Int($0) }.filter { $0 >= (sequence + 1) / Self.shelfSize }
    return try shelves.flatMap { shelf in
      (try storage.listFolder("\(path)/\(shelf)") ?? []).compactMap(Name.init(file:))
        .filter { $0.sequence > sequence && $0.sequence / Self.shelfSize == shelf }
    }.sorted()
  }
}

extension EntryFolder.Name {
  /// Reads `12345-<sha256>.json`; nil for anything else.
  fileprivate init?(file: String) {
    guard file.hasSuffix(".json"), let dash = file.firstIndex(of: "-"),
      let sequence = Int(file[..<dash]), (1...Entry.sequenceMax).contains(sequence), String(sequence) == file[..<dash],
      let digest = Digest(hex: String(file[file.index(after: dash)...].dropLast(5)))
    else { return nil }
    self.init(sequence: sequence, digest: digest)
  }
}

extension Entry {
  /// Its place in `entries/`.
  package var name: EntryFolder.Name { EntryFolder.Name(sequence: sequence, digest: digest) }
}
