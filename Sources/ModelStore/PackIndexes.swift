import Lineage
import Objects

/// The indexes of the packs on disk, on their way into a database.
struct PackIndexes {
  /// One pack that could be read.
  struct Found {
    let digest: Digest
    let size: Int
    let entries: [Pack.Entry]
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

  /// Reads the index of every pack; what cannot be read is told, a line each.
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
        packs.append(Found(digest: digest, size: try file.size(), entries: try Pack.readIndex(of: file, path: path)))
      } catch {
        if throwing, error is StorageError { throw error }
        damage.append(RepositoryError(translating: error).message)
      }
    }
    return (packs.sorted { $0.digest < $1.digest }, damage)
  }

  /// Records packs, and of each object one frame, so that every base comes before its deltas.
  ///
  /// - Returns: the objects recorded, and those whose frames are all on too long a chain.
  func insert(_ packs: [Found], in publication: Publication) throws -> (objects: Set<Digest>, tooDeep: [Digest]) {
    var frames = FrameChoice()
    for pack in packs {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      for entry in pack.entries {
        frames.add(
          NewObject(
            digest: entry.digest, pack: id, offset: entry.offset, length: entry.length, rawBytes: entry.rawBytes,
            base: entry.base))
      }
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
    for pack in packs {
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      waiting += pack.entries.map {
        NewObject(
          digest: $0.digest, pack: id, offset: $0.offset, length: $0.length, rawBytes: $0.rawBytes, base: $0.base)
      }
    }
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
