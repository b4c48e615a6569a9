internal import Glibc
internal import JSON

/// One file of a checkpoint.
package struct CheckpointFile: Sendable, Equatable {
  /// From the folder on, with `/` between names.
  package let path: String
  package let size: Int
  package let stamp: FileStamp
  /// Present for safetensors files; every other file is opaque.
  package let header: SafetensorsHeader?
}

/// A folder that holds a model, looked through and found fit to take.
package struct CheckpointFolder: Sendable {
  /// As given to `scan`.
  package let path: String
  /// Sorted by the bytes of their paths.
  package let files: [CheckpointFile]
  /// What is not part of the model, sorted: `.git`, `.cache/huggingface`, `.stemma` and empty folders. The paths of
  /// folders end in `/`.
  package let leftOut: [String]

  /// Those whose tensors are the model.
  package let weights: WeightFiles
  /// Remarks on indexes that were passed over.
  package let remarks: [String]

  /// Lists the files of a checkpoint, reads its safetensors headers and finds those that are the model, by its shard
  /// index where it has one. Links are followed.
  ///
  /// - Parameter weights: the safetensors file or the index that is the model; nil for the rule of `WeightFiles`.
  /// - Throws: a `CheckpointError` for the first thing found wrong.
  package static func scan(_ path: String, weights: String? = nil) throws(CheckpointError) -> CheckpointFolder {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw errno == ENOENT || errno == ENOTDIR ? .folder(path: path, .missing) : .failed(path)
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .folder(path: path, .notAFolder) }
    var walk = FolderWalk(root: path)
    try walk.enter("", status)
    guard !walk.found.isEmpty else { throw .folder(path: path, .noFiles) }

    let found = walk.found.sorted { $0.path.precedes($1.path) }
    if let snapshot = hubSnapshot(among: found.map(\.path)) { throw .folder(path: path, .hubCache(snapshot: snapshot)) }
    try requireSafetensors(found.map(\.path), in: path)
    var files: [CheckpointFile] = []
    for (name, stamp) in found {
      let header = name.hasSuffix(".safetensors") ? try SafetensorsHeader.read(path.joined(name)) : nil
      files.append(CheckpointFile(path: name, size: stamp.size, stamp: stamp, header: header))
    }
    let (chosen, remarks) = try ShardSets(root: path, files: files).weights(chosen: weights)
    return CheckpointFolder(
      path: path, files: files, leftOut: walk.leftOut.sorted { $0.precedes($1) }, weights: chosen,
      remarks: try remarks + WeightFiles.gaps(among: chosen.paths) + pointers(among: files, in: path))
  }

  /// A snapshot, where the folder is `models--…` of the Hub's cache: links to files in `blobs/` would be taken twice.
  private static func hubSnapshot(among paths: [String]) -> String? {
    guard paths.contains(where: { $0.hasPrefix("blobs/") }), paths.contains(where: { $0.hasPrefix("refs/") }),
      let file = paths.first(where: { $0.hasPrefix("snapshots/") })
    else { return nil }
    return file.split(separator: "/").prefix(2).joined(separator: "/")
  }

  /// Remarks on pointers of Git LFS that lie where files should be.
  private static func pointers(among files: [CheckpointFile], in root: String) throws(CheckpointError) -> [String] {
    let mark = Array("version https://git-lfs.github.com/spec/".utf8)
    var remarks: [String] = []
    for file in files where file.header == nil && (mark.count...1024).contains(file.size) {
      if try ReadFile(root.joined(file.path)).bytes(at: 0, count: mark.count) == mark {
        remarks.append("\(file.path) is a pointer of Git LFS, not the file itself: fetch it with: git lfs pull")
      }
    }
    return remarks
  }

  /// The files whose tensors are the model.
  package var weightFiles: [CheckpointFile] { files.filter { weights.paths.contains($0.path) } }

  /// The adapter in the folder, its configuration read and checked against its tensors; nil where it holds a model.
  ///
  /// - Throws: `CheckpointError.adapter`.
  package func adapter() throws(CheckpointError) -> Adapter? {
    guard Adapter.isAdapter(files.map(\.path)),
      let header = files.first(where: { $0.path == Adapter.weightsFile })?.header
    else { return nil }
    let place = path.joined(Adapter.configFile)
    return try Adapter(
      config: AdapterConfig(parsing: text(Adapter.configFile), path: place), tensors: header.tensors.map(\.outline),
      path: path.joined(Adapter.weightsFile))
  }

  /// The mask in the folder, its configuration read and checked against the form of its bits, which are not read; nil
  /// where it holds none.
  ///
  /// - Throws: `CheckpointError.named`.
  package func mask() throws(CheckpointError) -> Mask? {
    guard Mask.isMask(files.map(\.path)) else { return nil }
    return try Mask(parsing: text(Mask.configFile), bits: outlines(of: Mask.bitsFile), path: path)
  }

  /// The subspace in the folder, in the same way.
  ///
  /// - Throws: `CheckpointError.named`.
  package func subspace() throws(CheckpointError) -> Subspace? {
    guard Subspace.isSubspace(files.map(\.path)) else { return nil }
    return try Subspace(parsing: text(Subspace.configFile), bases: outlines(of: Subspace.basisFile), path: path)
  }

  /// The data set in the folder, its configuration read and checked against the files, whose lines are not read; nil
  /// where it holds none.
  ///
  /// - Throws: `CheckpointError.named`.
  package func dataSet() throws(CheckpointError) -> DataSet? {
    let paths = files.map(\.path)
    guard DataSet.isDataSet(paths) else { return nil }
    return try DataSet(parsing: text(DataSet.configFile), files: paths, path: path)
  }

  private func text(_ name: String) throws(CheckpointError) -> [UInt8] {
    let file = try ReadFile(path.joined(name))
    return try file.bytes(at: 0, count: file.stamp.size)
  }

  private func outlines(of name: String) -> [TensorOutline] {
    (files.first { $0.path == name }?.header?.tensors ?? []).map(\.outline)
  }

  private static func requireSafetensors(_ names: [String], in path: String) throws(CheckpointError) {
    if DataSet.isDataSet(names) { return }
    let isModel = names.contains { $0.hasSuffix(".safetensors") && !$0.contains("/") }
    if names.contains(Adapter.configFile), !isModel {
      let pickle = names.first { ["adapter_model.bin", "adapter_model.pt"].contains($0) }
      throw .adapter(path: path, pickle.map { .onlyPickle(file: $0) } ?? .noWeights)
    }
    if names.contains(where: { $0.hasSuffix(".safetensors") }) { return }
    let pickle = names.first { name in
      [".bin", ".pt", ".pth", ".ckpt", ".pkl"].contains { name.hasSuffix($0) } && !name.isTrainingState
    }
    throw .folder(path: path, pickle.map { .onlyPickles(example: $0) } ?? .noSafetensors)
  }
}

/// The walk through a folder and those inside it.
private struct FolderWalk {
  let root: String
  private(set) var found: [(path: String, stamp: FileStamp)] = []
  private(set) var leftOut: [String] = []
  /// The folders that are open now, outermost first, as device and inode.
  private var open: [(UInt64, UInt64)] = []

  init(root: String) {
    self.root = root
  }

  /// Takes everything in the folder `relative` (empty for the root).
  mutating func enter(_ relative: String, _ status: stat) throws(CheckpointError) {
    let identity = (UInt64(status.st_dev), UInt64(status.st_ino))
    guard !open.contains(where: { $0 == identity }) else {
      throw .folder(path: root.joined(relative), .folderLoop)
    }
    open.append(identity)
    var composed: [String: String] = [:]
    let names = try names(in: relative)
    for name in names {
      if let other = composed.updateValue(name, forKey: name) {
        throw .folder(path: root.joined(relative.joined(name)), .namesAlike(other: other))
      }
      try take(relative.joined(name), name)
    }
    if names.isEmpty, !relative.isEmpty { leftOut.append(relative + "/") }
    open.removeLast()
  }

  private mutating func take(_ relative: String, _ name: String) throws(CheckpointError) {
    let full = root.joined(relative)
    var status = stat()
    guard stat(full, &status) == 0 else {
      let isDangling = errno == ENOENT
      let isLoop = errno == ELOOP
      if isDangling || isLoop { throw .folder(path: full, isLoop ? .folderLoop : .danglingLink) }
      throw .failed(full)
    }
    let kind = status.st_mode & S_IFMT
    if name == ".git" || name == ".stemma" || "/\(relative)".hasSuffix("/.cache/huggingface") {
      leftOut.append(kind == S_IFDIR ? relative + "/" : relative)
      return
    }
    switch kind {
    case S_IFREG: found.append((relative, FileStamp(status)))
    case S_IFDIR: try enter(relative, status)
    case S_IFIFO: throw .folder(path: full, .specialFile(kind: "pipe"))
    case S_IFSOCK: throw .folder(path: full, .specialFile(kind: "socket"))
    default: throw .folder(path: full, .specialFile(kind: "device"))
    }
  }

  /// The names in a folder, sorted by their bytes.
  private func names(in relative: String) throws(CheckpointError) -> [String] {
    let full = root.joined(relative)
    guard let folder = opendir(full) else { throw .failed(full) }
    defer { closedir(folder) }
    let offset = MemoryLayout<dirent>.offset(of: \dirent.d_name) ?? 0
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(folder) else { break }
      // The record may be shorter than `dirent`, so that its name is read in place.
      let start = UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: UInt8.self)
      let bytes = UnsafeBufferPointer(start: start, count: strlen(start))
      if bytes.elementsEqual(".".utf8) || bytes.elementsEqual("..".utf8) { continue }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw .folder(path: full.joined(String(decoding: bytes, as: UTF8.self)), .nameNotUTF8)
      }
      guard !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
        throw .folder(path: full.joined(name), .nameWithControlCharacters)
      }
      names.append(name)
    }
    guard errno == 0 else { throw .failed(full) }
    return names.sorted { $0.precedes($1) }
  }
}

extension String {
  /// By bytes, unlike `<`.
  package func precedes(_ other: String) -> Bool {
    utf8.lexicographicallyPrecedes(other.utf8)
  }

  /// This folder's path and a path inside it; either may be empty.
  package func joined(_ inner: String) -> String {
    if isEmpty || inner.isEmpty { return self + inner }
    return hasSuffix("/") ? self + inner : self + "/" + inner
  }

  /// The part before the last `/`, empty where there is none.
  package var folder: String {
    utf8.lastIndex(of: UInt8(ascii: "/")).map { String(self[..<$0]) } ?? ""
  }

  /// The part after the last `/`.
  var lastName: Substring {
    utf8.lastIndex(of: UInt8(ascii: "/")).map { self[utf8.index(after: $0)...] } ?? self[...]
  }

  /// True for pickles that trainers leave beside the weights.
  fileprivate var isTrainingState: Bool {
    ["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt"].contains(lastName)
      || lastName.hasPrefix("rng_state") || lastName.hasPrefix("random_states")
  }
}
