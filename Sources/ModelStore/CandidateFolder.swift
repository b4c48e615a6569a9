import Checkpoints
import Foundation
import Glibc
import Merging
import Objects
import Tensors

/// A model folder that is made once and whose weights are then rewritten in place: same files, same sizes.
///
/// It lies in shared memory where that has room. Its name comes from the work folder of the search, so that what a
/// killed one left behind is taken away by the next.
final class CandidateFolder {
  let path: String
  private let layout: FusedLayout
  private let files: [LocalFile]
  private let conveyor: Conveyor
  private let spaces = WorkspaceShelf()

  /// - Parameters:
  ///   - path: what is there goes.
  ///   - texts: the files that are no weights.
  init(at path: String, layout: FusedLayout, texts: [(path: String, bytes: [UInt8])], pool: WorkerPool) throws {
    self.path = path
    self.layout = layout
    conveyor = Conveyor(pool: pool, pieceBytes: Frame.blockBytes)
    Self.remove(path)
    // For this user alone: weights are not everybody's.
    guard mkdir(path, 0o700) == 0 else { throw StorageError(operation: "make folder", path: path, code: errno) }
    func create(_ name: String, size: Int, _ start: [UInt8]) throws -> LocalFile {
      let file = try LocalFile("\(path)/\(name)", flags: O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, operation: "create")
      try file.truncate(to: size)
      try start.withUnsafeBytes { try file.write($0, at: 0) }
      return file
    }
    for text in texts { _ = try create(text.path, size: text.bytes.count, text.bytes) }
    files = try layout.shards.map {
      try create($0.path, size: $0.size, SafetensorsHeader.fileStart($0.headerBytes))
    }
  }

  /// Computes all weights anew.
  func write(_ model: FusedModel) throws {
    var places: [(file: Int, tensor: Int, offset: Int, size: Int)] = []
    for (index, shard) in layout.shards.enumerated() {
      var offset = 8 + shard.headerBytes.count
      for tensor in shard.tensors {
        let size = model.plan.tensors[tensor].bytesToWrite
        places.append((index, tensor, offset, size))
        offset += size
      }
    }
    let (targets, spaces, files) = (places, spaces, files)
    var work = Conveyor.Work(fill: { piece, buffer, _ in
      try spaces.withWorkspace {
        try model.produce(tensor: targets[piece.item].tensor, from: piece.range.lowerBound, into: buffer, $0)
      }
    })
    work.drain = { slots in
      for slot in slots where !slot.piece.range.isEmpty {
        let place = targets[slot.piece.item]
        try files[place.file].write(slot.bytes, at: place.offset + slot.piece.range.lowerBound)
      }
    }
    try conveyor.run(Conveyor.cut(places.map { ($0.file, $0.size) }, pieceBytes: Frame.blockBytes), work)
  }

  /// Takes a folder away, if it is there.
  static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  /// Where the folder of a search is to be: in shared memory, else where it is given, else refused for want of room.
  ///
  /// - Parameters:
  ///   - work: the work folder.
  ///   - other: a folder on a disk, such as the store's `tmp`.
  static func place(for work: String, bytes: Int, other: String) throws -> String {
    let name = "stemma-\(getuid())-\(Digest(of: absolute(work).utf8).hex.prefix(16))"
    let memory = "/dev/shm"
    for folder in [memory, other] { remove("\(folder)/\(name)") }
    // Room for what others need of the memory, too.
    if let free = freeBytes(at: memory), free / 2 >= bytes, access(memory, W_OK) == 0 { return "\(memory)/\(name)" }
    if let free = freeBytes(at: other), free < bytes {
      throw RepositoryError(.io, "\(other): \(bytes) bytes needed for a candidate, \(free) bytes free")
    }
    return "\(other)/\(name)"
  }
}
