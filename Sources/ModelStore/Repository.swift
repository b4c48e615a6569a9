import Foundation
import Glibc
import Lineage
import Objects
import Synchronization
import SystemPackage
import Tensors

/// Workers to use: as many as were asked for, else as many as there are cores, at most 16, and as memory lasts for. One
/// file's digest is one chain, so more would wait; and each has buffers of its own.
func defaultWorkers(_ threads: Int?) -> Int {
  if let threads { return max(1, threads) }
  let memory = Machine.freeMemory().map { $0 / (24 << 20) } ?? .max
  return max(1, min(16, Machine.cores(), memory))
}

/// A store of checkpoints and their lineage: the folder `.stemma`.
///
/// Start reading here. Each verb is an extension in a file of its own (`Repository+Import.swift` …). Every verb is
/// synchronous, may be called from any thread, and holds the store's shared lock from `init` on; `collect` alone takes
/// the exclusive one. Errors are `RepositoryError`.
public final class Repository: Sendable {
  let layout: Layout
  let storage: any Storage
  let lineage: LineageDatabase
  let documents: DocumentFolder
  let history: History
  let pool: WorkerPool
  let spaces = WorkspaceShelf()
  let packFiles: PackFiles
  let lock: Mutex<StoreLock?>
  /// Which file the database is: `rebuild` puts another in its place.
  private let databaseFile: UInt64?
  /// Steps that a chain of deltas may have.
  static let depthLimit = 4
  /// Written into every derivation.
  static let tool = "stemma 0.1.0"

  /// Opens the store at the path of a `.stemma` folder.
  /// - Parameter threads: workers; nil for as many as the machine has cores.
  public convenience init(at path: String, threads: Int? = nil) throws(RepositoryError) {
    try self.init(at: path, threads: threads, storage: LocalStorage())
  }

  /// The same on another disk and with other migrations, for tests.
  init(
    at path: String, threads: Int?, storage: any Storage,
    migrations: [(name: String, sql: String)] = LineageDatabase.shipped
  ) throws(RepositoryError) {
    let layout = Layout(root: path)
    self.layout = layout
    self.storage = storage
    pool = WorkerPool(width: defaultWorkers(threads))
    documents = DocumentFolder(storage: storage, path: layout.documents, temporary: layout.temporary)
    packFiles = PackFiles(storage: storage, layout: layout)
    let opened = try door { try Self.open(layout, storage: storage, migrations: migrations) }
    lock = Mutex(opened.lock)
    databaseFile = fileNumber(layout.database)
    (lineage, history) = (opened.lineage, opened.history)
  }

  /// Stops the work under way as soon as a block is done; it throws, and leaves no partial output.
  public func interrupt() { pool.interrupt() }

  /// Makes an empty store: `.stemma` in the folder at `path`, which is made too. Returns the `.stemma` folder's path.
  public static func create(at path: String) throws(RepositoryError) -> String {
    try door {
      let root = absolute(path) + "/.stemma"
      let layout = Layout(root: root)
      if exists(layout.config) { throw RepositoryError(.conflict, "\(root): there is a store already") }
      let storage = LocalStorage()
      if let store = try StoreConfig.recovered(layout, storage) {
        throw RepositoryError(
          .conflict, "\(root): there is a store already, \(store.hex); its config.yml is missing",
          hint: "make the file again with: stemma rebuild")
      }
      guard root.utf8.count <= Layout.rootBytesMax else {
        throw RepositoryError(
          .invalidInput, "\(root): a path of at most \(Layout.rootBytesMax) bytes expected, found \(root.utf8.count)",
          hint: "make the store in a folder with a shorter path")
      }
      let isNew = !exists(root)
      do {
        try makeFolders(absolute(path))
        for folder in [root] + layout.folders { try storage.makeDirectory(folder) }
        try refuseNetworkDisk(root)
        let database = try LineageDatabase(path: layout.database)
        try database.migrate()
        try database.close()
        // Made here, so that users who cannot write find it when the store has just been made.
        _ = try sharedLock(layout)
        let store = StoreID.random()
        try PacksMarker(layout: layout, storage: storage).put(store)
        try StoreConfig.write(store, layout, storage)
      } catch {
        if isNew { try? FileManager.default.removeItem(atPath: root) }
        throw error
      }
      Reserve(layout: layout).make()
      return root
    }
  }

  /// Finds the `.stemma` folder: the one given, or `STEMMA_STORE`, or in `directory` or a folder above it, like git.
  public static func locate(explicit: String?, from directory: String) throws(RepositoryError) -> String {
    let given = explicit ?? ProcessInfo.processInfo.environment["STEMMA_STORE"].flatMap { $0.isEmpty ? nil : $0 }
    if let given {
      let path = absolute(given)
      for candidate in [path, path + "/.stemma"] where Layout(root: candidate).isStore { return candidate }
      throw RepositoryError(.notFound, "\(given): no store there", hint: "make one with: stemma init \(given)")
    }
    var folder = absolute(directory)
    while true {
      let candidate = folder == "/" ? "/.stemma" : folder + "/.stemma"
      if Layout(root: candidate).isStore { return candidate }
      guard folder != "/", let slash = folder.lastIndex(of: "/") else { break }
      folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
    }
    throw RepositoryError(
      .notFound, "no store here or in any folder above \(directory)",
      hint: "make one with: stemma init, or name one with --store")
  }

  /// Throws `conflict` where another process has put another database in the place of the one that is open.
  func requireSameDatabase() throws {
    if let databaseFile, databaseFile == fileNumber(layout.database) { return }
    throw RepositoryError(
      .conflict, "\(layout.database): another process has made the database anew meanwhile; nothing was changed",
      hint: "run the command again")
  }

  /// A path for a new file in `tmp/`.
  func temporaryPath(_ suffix: String) -> String {
    "\(layout.temporary)/\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))\(suffix)"
  }

  /// Opens a stored object, or nil where no pack here holds it.
  func openObject(_ digest: Digest) throws -> ObjectReader? {
    guard let row = try lineage.object(digest) else { return nil }
    let base = try row.base.map { base in
      guard let reader = try openObject(base) else {
        throw RepositoryError(.corrupt, "object \(digest.short) is a delta on \(base.short), which is not stored")
      }
      return reader
    }
    let (file, path) = try packFiles.open(row.packDigest)
    return try ObjectReader(
      file: file, path: path, offset: row.offset, length: row.length, object: digest, base: base)
  }

  /// Reads a whole small object and proves it by its digest.
  func readObject(_ digest: Digest) throws -> [UInt8] {
    guard let reader = try openObject(digest) else {
      throw RepositoryError(.corrupt, "object \(digest.short) is not in any pack")
    }
    let bytes = try [UInt8](unsafeUninitializedCapacity: reader.size) { buffer, count in
      try spaces.withWorkspace { try reader.read(at: 0, into: UnsafeMutableRawBufferPointer(buffer), $0) }
      count = reader.size
    }
    guard Digest(of: bytes) == digest else {
      throw RepositoryError(.corrupt, "object \(digest.short): its bytes have the digest \(Digest(of: bytes).short)")
    }
    return bytes
  }
}

/// Pack files that are open, so that each is opened once.
final class PackFiles: Sendable {
  private let storage: any Storage
  private let layout: Layout
  private let open = Mutex<[Digest: any StorageFile]>([:])

  init(storage: any Storage, layout: Layout) {
    self.storage = storage
    self.layout = layout
  }

  /// The open file of a pack and its path.
  func open(_ pack: Digest) throws -> (any StorageFile, String) {
    let path = layout.pack(pack.hex)
    return try open.withLock { files in
      if let file = files[pack] { return (file, path) }
      if files.count >= 256 { files.removeAll() }
      let file: any StorageFile
      do {
        file = try storage.open(path)
      } catch let error as StorageError where error.code == ENOENT {
        throw RepositoryError(
          .corrupt, "\(path): pack expected, no file found", hint: RepositoryError.verifyHint)
      }
      files[pack] = file
      return (file, path)
    }
  }

  /// Forgets all, before packs are replaced.
  func closeAll() { open.withLock { $0.removeAll() } }
}
