import Foundation
import Glibc
import Lineage
import Objects
import Tensors

extension Repository {
  /// Copies the whole store into a folder, which then is a store itself; returns the bytes copied.
  ///
  /// The database is copied first, as one transaction sees it; packs and documents that it names never change, and are
  /// compared with their digests on the way. Into a folder with a backup of this store only what is new is copied, and
  /// what the store has no more goes; a run that was cut off is taken up again. The folder's database is replaced when
  /// all that it names is there.
  ///
  /// - Throws: `conflict` where the folder has something else, or a backup with events that this store has not.
  public func backup(to path: String) throws(RepositoryError) -> Int {
    try door {
      let backup = Layout(root: absolute(path) + "/.stemma")
      if backup.isStore { return try update(backup) }
      let output = try OutputFolder(target: path)
      do {
        let bytes = try copyStore(to: output)
        try output.publish()
        return bytes
      } catch {
        output.discard()
        throw error
      }
    }
  }

  /// What a backup has besides the database: sources and paths below its `.stemma`, and the text of its `heads`.
  private func backupFiles(of copy: LineageDatabase) throws -> (files: [(source: String, path: String)], heads: String)
  {
    var sources = [layout.config]
    for path in [layout.policy, layout.trust] where exists(path) { sources.append(path) }
    for marker in try storage.list(layout.packs) where PacksMarker.isMarker(marker) {
      sources.append("\(layout.packs)/\(marker)")
    }
    sources += try copy.packs().map { layout.pack($0.digest.hex) }
    // Events of unknown kinds have documents that no row names.
    var needed = try copy.snapshot { try $0.referencedDocuments() }
    let present = Set(try documents.all().digests)
    for event in try copy.events() {
      let path = history.entries.file(of: event.place.name)
      // What is missing here is missing there, and told there too.
      guard exists(path) else { continue }
      sources.append(path)
      let entry = try history.entries.get(event.place.name)
      needed.formUnion((entry.refers + [entry.document].compactMap(\.self)).filter(present.contains))
    }
    sources += needed.sorted().map(documents.file)
    sources += layout.formerDatabases.kept
    let missing = try history.namedHeads().filter { !exists(history.entries.file(of: $0)) }
    let heads = try (copy.heads().map(\.place.name) + missing).map { "\($0.sequence) \($0.digest.hex)\n" }.joined()
    return (sources.map { ($0, String($0.dropFirst(layout.root.utf8.count + 1))) }, heads)
  }

  private func copyStore(to output: OutputFolder) throws -> Int {
    let database = try output.place(of: ".stemma/stemma.sqlite")
    try lineage.backup(to: database)
    let copy = try LineageDatabase(path: database, readOnly: true)
    let (files, heads) = try backupFiles(of: copy)
    try copy.close()
    try output.create(".stemma/lock", size: 0)
    try output.create(".stemma/heads", size: heads.utf8.count)
    try Array(heads.utf8).withUnsafeBytes { try output.write(".stemma/heads", $0, at: 0) }
    var total = try storage.open(database).size()
    for (source, path) in files {
      let target = ".stemma/\(path)"
      total += try read(source) { bytes, at, size in
        if at == 0 { try output.create(target, size: size) }
        try output.write(target, bytes, at: at)
      }
    }
    for folder in ["packs", "documents", "entries", "tmp"] { try output.makeFolder(".stemma/\(folder)") }
    try output.syncAll()
    return total
  }

  /// Reads a file of the store a block at a time and compares it with the digest that its name says; its size.
  private func read(
    _ path: String, _ body: (_ bytes: UnsafeRawBufferPointer, _ at: Int, _ size: Int) throws -> Void
  ) throws -> Int {
    try pool.checkInterruption()
    let file = try storage.open(path)
    let size = try file.size()
    var hash = RunningDigest()
    try spaces.withWorkspace { space in
      var at = 0
      repeat {
        try pool.checkInterruption()
        let buffer = space.buffer(41, count: min(1 << 20, size - at))
        guard try file.read(into: buffer, at: at) == buffer.count else {
          throw ObjectsError.truncated(path: path, offset: at, wanted: buffer.count, available: 0)
        }
        hash.update(UnsafeRawBufferPointer(buffer))
        try body(UnsafeRawBufferPointer(buffer), at, size)
        at += buffer.count
      } while at < size
    }
    // Packs, documents and entries have it at the end of their names.
    let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
    if let digest = Digest(hex: String(name.suffix(64))), hash.finish() != digest {
      throw RepositoryError(
        .corrupt, "\(path): its bytes have the digest \(hash.finish().short)", hint: RepositoryError.verifyHint)
    }
    return size
  }

  /// Brings a backup up to date.
  private func update(_ backup: Layout) throws -> Int {
    guard try StoreConfig.read(backup).store == history.store else {
      throw RepositoryError(
        .conflict, "\(backup.root): a backup of this store expected, found another store", hint: "choose another folder"
      )
    }
    let lock = try Self.exclusiveLock(backup)
    return try withExtendedLifetime(lock) {
      for folder in backup.folders { try storage.makeDirectory(folder) }
      let draft = "\(backup.temporary)/backup-\(getpid()).sqlite"
      try? storage.remove(draft)
      defer { try? storage.remove(draft) }
      try lineage.backup(to: draft)
      let copy = try LineageDatabase(path: draft, readOnly: true)
      let (files, heads) = try backupFiles(of: copy)
      try copy.close()
      let wanted = Set(files.map(\.path))
      let theirs = try self.files(of: backup)
      if let strange = theirs.first(where: { $0.hasPrefix("entries/") && !wanted.contains($0) }) {
        throw RepositoryError(
          .conflict, "\(backup.root)/\(strange): an event of this store expected, found one that it has not",
          hint: "somebody wrote into the backup, or this store is older; choose another folder")
      }
      var total = try storage.open(draft).size()
      for (source, path) in files { total += try copyNew(source, to: path, in: backup) }
      try storage.replaceDurably(
        backup.heads, by: Array(heads.utf8), folder: backup.root, draft: "\(backup.temporary)/heads-\(getpid())")
      // What is in its WAL goes into the file that is replaced.
      if let database = try? LineageDatabase(path: backup.database) { try? database.close() }
      for suffix in ["-wal", "-shm"] { try? storage.remove(backup.database + suffix) }
      try storage.rename(draft, to: backup.database)
      try storage.syncDirectory(backup.root)
      // Nothing names these any more.
      try unlink(theirs.filter { !$0.hasPrefix("entries/") && !wanted.contains($0) }.map { "\(backup.root)/\($0)" })
      return total
    }
  }

  /// The packs, documents and entries in a store's folder, by their paths in it.
  private func files(of layout: Layout) throws -> [String] {
    try ["packs", "documents", "entries"].flatMap { folder in
      try storage.list("\(layout.root)/\(folder)").flatMap { shelf in
        (try storage.listFolder("\(layout.root)/\(folder)/\(shelf)") ?? []).map { "\(folder)/\(shelf)/\($0)" }
      }
    }
  }

  /// Copies a file that a backup has not, or has with another size. Durable when it returns; the bytes copied.
  private func copyNew(_ source: String, to path: String, in backup: Layout) throws -> Int {
    let target = "\(backup.root)/\(path)"
    if let there = try? storage.open(target), try there.size() == storage.open(source).size(), path.contains("/") {
      return 0
    }
    let draft = "\(backup.temporary)/\(getpid())-\((path as NSString).lastPathComponent)"
    try? storage.remove(draft)
    do {
      let file = try storage.create(draft)
      let size = try read(source) { bytes, at, _ in try file.write(bytes, at: at) }
      try file.sync()
      let folder = (target as NSString).deletingLastPathComponent
      try storage.makeDirectory(folder)
      try storage.rename(draft, to: target)
      try storage.syncDirectory(folder)
      return size
    } catch {
      try? storage.remove(draft)
      throw error
    }
  }
}
