import Glibc
import Lineage
import Objects

/// The indexes of the packs on disk, on their way into a database.
struct PackIndexes {
  /// A pack, and the frames in it.
  struct Found {
    let digest: Digest
    let path: String
    let size: Int
    let entries: [Pack.Entry]
    /// What is wrong with its index; its frames were found without. Nil where it could be read.
    var fault: String?
  }

  let layout: Layout
  let storage: any Storage

  /// Every file in `packs/` but the markers, and whose pack it is by its name; nil for a stranger.
  func files() throws -> [(path: String, pack: Digest?)] {
    try storage.list(layout.packs).filter { !PacksMarker.isMarker($0) }.flatMap { shelf in
      let folder = "\(layout.packs)/\(shelf)"
      guard let names = try storage.listFolder(folder) else { return [(folder, Digest?.none)] }
      return names.map { name in
        let digest = name.hasSuffix(".pack") && name.hasPrefix(shelf) ? Digest(hex: String(name.dropLast(5))) : nil
        return ("\(folder)/\(name)", digest)
      }
    }
  }

  /// Reads the index of every pack, or its frames where the index is damaged; what cannot be read is told, a line each.
  ///
  /// - Parameters:
  ///   - skips: packs that need not be read.
  ///   - throwing: throws where the disk fails, in place of calling a pack damaged.
  func read(except skips: Set<Digest> = [], throwing: Bool = false) throws -> (packs: [Found], damage: [String]) {
    var packs: [Found] = []
    var damage: [String] = []
    for (path, digest) in try files() {
      guard let digest, !skips.contains(digest) else { continue }
      do {
        let file = try storage.open(path)
        let (entries, fault) = try self.entries(of: file, path)
        packs.append(
          Found(digest: digest, path: path, size: try file.size(), entries: entries, fault: fault))
      } catch {
        if throwing, error is StorageError { throw error }
        damage.append(RepositoryError(translating: error).message)
      }
    }
    return (packs.sorted { $0.digest < $1.digest }, damage)
  }

  /// The frames of a pack, and what is wrong with its index where they were found without.
  private func entries(of file: any StorageFile, _ path: String) throws -> ([Pack.Entry], fault: String?) {
    do { return (try Pack.readIndex(of: file, path: path), nil) } catch let error as ObjectsError {
      // What a newer program wrote is no damage.
      if case .newerVersion = error { throw error }
      return (try Pack.salvage(file, path: path), RepositoryError(translating: error).message)
    }
  }

  /// Of frames those whose every byte is as its checksum says.
  func sound(_ entries: [Pack.Entry], of pack: Found) throws -> [Pack.Entry] {
    let file = try storage.open(pack.path)
    return try entries.filter { entry in
      try readable {
        try Pack.checkFrame(
          of: entry.digest, in: file, path: pack.path, offset: entry.offset, length: entry.length)
        return true
      } ?? false
    }
  }

  /// Writes frames of a pack into a new one, which no row names. Durable when it returns.
  func copy(_ entries: [Pack.Entry], of pack: Found) throws -> Found {
    let writer = try PackWriter(
      storage: storage, path: "\(layout.temporary)/copy-\(getpid())-\(pack.digest.short).pack")
    do {
      let file = try storage.open(pack.path)
      for entry in entries {
        try writer.copyFrame(of: entry.digest, in: file, path: pack.path, offset: entry.offset, length: entry.length)
      }
      let sealed = try writer.seal(into: layout.packs)
      return Found(
        digest: sealed.digest, path: layout.pack(sealed.digest.hex), size: sealed.size, entries: sealed.entries)
    } catch {
      writer.discard()
      throw error
    }
  }

  /// Records packs, and of each object one frame, so that every base comes before its deltas.
  ///
  /// - Returns: the objects recorded, and those whose frames are all on too long a chain.
  func insert(_ packs: [Found], in publication: Publication) throws -> (objects: Set<Digest>, tooDeep: [Digest]) {
    var frames = FrameChoice()
    for pack in packs {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      for entry in pack.entries { frames.add(NewObject(entry, in: id)) }
    }
    let (chosen, tooDeep) = frames.choose()
    for object in chosen { _ = try publication.insertObject(object, depthLimit: Repository.depthLimit) }
    return (Set(chosen.map(\.digest)), tooDeep)
  }

  /// Records the objects of packs that the database does not know, after a crash: bases come first, from whichever
  /// pack.
  func adopt(in publication: Publication) throws {
    // What cannot be read is left to `verify`: it may be of no model at all.
    let packs = try read(except: Set(publication.packs().map(\.digest))).packs
    var waiting: [NewObject] = []
    for pack in packs where pack.fault == nil {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      waiting += pack.entries.map { NewObject($0, in: id) }
    }
    try insert(waiting, in: publication)
  }

  /// Records objects that lie in packs and are not on record, and what these rest on.
  func insertMissing(_ wanted: Set<Digest>, in publication: Publication) throws {
    let packs = try read().packs.filter { $0.fault == nil }
    var frames: [Digest: [(pack: Int, entry: Pack.Entry)]] = [:]
    for (number, pack) in packs.enumerated() {
      for entry in pack.entries { frames[entry.digest, default: []].append((number, entry)) }
    }
    var seen: Set<Digest> = []
    var queue = Array(wanted)
    var missing: [NewObject] = []
    while let next = queue.popLast() {
      guard seen.insert(next).inserted, try publication.object(next) == nil else { continue }
      for (number, entry) in frames[next] ?? [] where try !sound([entry], of: packs[number]).isEmpty {
        let id = try publication.insertPack(packs[number].digest, bytes: packs[number].size)
        missing.append(NewObject(entry, in: id))
        queue += [entry.base].compactMap(\.self)
      }
    }
    try insert(missing, in: publication)
  }

  /// Records objects, bases first; those whose bases are on no record, or whose chains are too long, are left out.
  private func insert(_ objects: [NewObject], in publication: Publication) throws {
    var waiting = objects
    var count: Int
    repeat {
      count = waiting.count
      waiting = try waiting.filter { object in
        do {
          try publication.insertObject(object, depthLimit: Repository.depthLimit)
          return false
        } catch LineageError.missingBase {
          return true
        } catch LineageError.depthExceeded {
          return false
        }
      }
    } while waiting.count < count
  }
}

extension NewObject {
  /// A frame of a pack.
  init(_ entry: Pack.Entry, in pack: Int64) {
    self.init(
      digest: entry.digest, pack: pack, offset: entry.offset, length: entry.length, rawBytes: entry.rawBytes,
      base: entry.base)
  }
}
