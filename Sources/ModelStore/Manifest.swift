import Checkpoints
import JSON
import Objects
import Tensors

/// A model's files: the document whose digest is the model id.
struct Manifest: Sendable, Equatable {
  /// One tensor of a safetensors file.
  struct TensorEntry: Sendable, Hashable {
    let name: String
    let dtype: DType
    let shape: Shape
    let digest: Digest

    var bytes: Int { shape.byteCount(of: dtype) ?? 0 }

    fileprivate func called(_ name: String) -> TensorEntry {
      TensorEntry(name: name, dtype: dtype, shape: shape, digest: digest)
    }

    fileprivate var json: JSONValue {
      [
        .string(name), .string(dtype.rawValue), .array(shape.dimensions.map(JSONValue.integer)), .string(digest.hex),
      ]
    }
  }

  /// One file. A safetensors file is proved by the digests of its header and tensors; another by its own.
  struct File: Sendable, Equatable {
    let path: String
    let size: Int
    /// The object that holds the file, of a safetensors file its header's JSON.
    let object: Digest
    /// For a safetensors file: the length of its header's JSON.
    let headerSize: Int?
    /// In the order of their data.
    let tensors: [TensorEntry]
    /// Of a safetensors file: its SHA-256, in manifests of version 1 only.
    let flatDigest: Digest?

    /// A file that is no safetensors file.
    init(path: String, size: Int, digest: Digest) {
      (self.path, self.size, object) = (path, size, digest)
      (headerSize, tensors, flatDigest) = (nil, [], nil)
    }

    /// A safetensors file.
    init(
      path: String, size: Int, header: (digest: Digest, size: Int), tensors: [TensorEntry], flatDigest: Digest? = nil
    ) {
      (self.path, self.size, object, headerSize) = (path, size, header.digest, header.size)
      (self.tensors, self.flatDigest) = (tensors, flatDigest)
    }

    var header: (digest: Digest, size: Int)? { headerSize.map { (object, $0) } }
  }

  /// That of manifests that are made now.
  static let version = 2

  /// 1 for those of older stores.
  let version: Int
  /// Sorted by path.
  let files: [File]
  /// The paths of the files whose tensors are the model, sorted.
  let weights: [String]

  /// The tensors of all safetensors files: what is kept, exported and verified.
  var storedTensors: [TensorEntry] { files.flatMap(\.tensors) }
  var bytes: Int { files.reduce(0) { $0 + $1.size } }

  /// The digests of all objects that the files are made of.
  var objects: [Digest] { files.flatMap { [$0.object] + $0.tensors.map(\.digest) } }

  /// The files whose tensors are the model.
  var weightFiles: [File] {
    let names = Set(weights)
    return files.filter { names.contains($0.path) }
  }

  /// The model's tensors, one that several files have alike once. A name that files of several folders have for
  /// different tensors, as in a pipeline, has the folder before it.
  var tensors: [TensorEntry] {
    let files = weightFiles
    if files.count < 2 { return files.first?.tensors ?? [] }
    var first: [String: TensorEntry] = [:]
    var unlike: Set<String> = []
    var isRepeated = false
    for tensor in files.lazy.flatMap(\.tensors) {
      guard let other = first[tensor.name] else {
        first[tensor.name] = tensor
        continue
      }
      isRepeated = true
      if other != tensor { unlike.insert(tensor.name) }
    }
    if !isRepeated { return files.flatMap(\.tensors) }
    var seen: Set<TensorEntry> = []
    return files.flatMap { file in
      file.tensors.map { tensor in
        unlike.contains(tensor.name) ? tensor.called(file.path.folder.joined(tensor.name)) : tensor
      }
    }.filter { seen.insert($0).inserted }
  }

  /// A name that two of the weight files have for different tensors, and the two files; nil where there is none.
  var ambiguity: (tensor: String, first: String, second: String)? {
    let files = weightFiles
    if files.count < 2 { return nil }
    var holders: [String: (path: String, tensor: TensorEntry)] = [:]
    for file in files {
      for tensor in file.tensors {
        if let other = holders.updateValue((file.path, tensor), forKey: tensor.name), other.tensor != tensor {
          return (tensor.name, other.path, file.path)
        }
      }
    }
    return nil
  }

  /// SHA-256 over the sorted lines `name`, dtype, shape, digest of the model's tensors: the same for models that differ
  /// in other files only; in version 1 of the tensors of all files. Of a data set, which has no tensors, that of its
  /// lines: the same for sets that differ in their record only.
  var weightsID: Digest {
    if kind == .dataset, let lines = files.first(where: { $0.path != DataSet.configFile }) { return lines.object }
    let lines = (version == 1 ? storedTensors : tensors).map { tensor in
      let name = String(decoding: JSONValue.string(tensor.name).canonical, as: UTF8.self)
      let shape = tensor.shape.dimensions.map(String.init).joined(separator: ",")
      return "\(name) \(tensor.dtype.rawValue) [\(shape)] \(tensor.digest.hex)\n"
    }
    return Digest(of: Array(lines.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }.joined().utf8))
  }

  var document: Document {
    let files: [JSONValue] = files.map { file in
      var members: [JSONValue.Member] = [.init("path", .string(file.path)), .init("size", .integer(file.size))]
      if let digest = file.headerSize == nil ? file.object : file.flatDigest {
        members.append(.init("sha256", .string(digest.hex)))
      }
      if let header = file.header {
        members.append(.init("header", ["sha256": .string(header.digest.hex), "size": .integer(header.size)]))
        members.append(.init("tensors", .array(file.tensors.map(\.json))))
      }
      return .object(members)
    }
    var members: [JSONValue.Member] = [
      .init("type", "manifest"), .init("version", .integer(version)), .init("files", .array(files)),
    ]
    if version > 1 { members.append(.init("weights", .array(weights.map(JSONValue.string)))) }
    return Document(.object(members))
  }

  /// Reads a manifest document.
  init(_ document: Document) throws(ObjectsError) {
    func wrong(_ reason: String) -> ObjectsError { .documentContent(document: document.digest, reason: reason) }
    guard document.value["type"]?.text == "manifest", let list = document.value["files"]?.elements else {
      throw wrong("not a manifest")
    }
    let version = document.value["version"]?.int ?? 1
    if version > Self.version {
      throw .newerVersion(what: "manifest \(document.digest.short)", found: version, supported: Self.version)
    }
    var files: [File] = []
    do throws(ManifestRefusal) {
      for value in list { files.append(try Self.file(value, version: version)) }
      weights =
        version == 1
        ? WeightFiles(among: files.map(\.path)).paths : try Self.weights(document.value["weights"], of: files)
    } catch {
      throw wrong(error.reason)
    }
    self.version = version
    self.files = files
  }

  /// - Parameter weights: the paths of those whose tensors are the model.
  init(files: [File], weights: [String]) {
    version = Self.version
    self.files = files.sorted { $0.path.precedes($1.path) }
    self.weights = weights.sorted { $0.precedes($1) }
  }

  private static func file(_ value: JSONValue, version: Int) throws(ManifestRefusal) -> File {
    guard let path = value["path"]?.text, let size = value["size"]?.int else {
      throw ManifestRefusal("a file without path or size")
    }
    guard size >= 0, !path.isEmpty, !path.hasPrefix("/"),
      !path.split(separator: "/", omittingEmptySubsequences: false).contains(where: { $0 == ".." || $0.isEmpty })
    else { throw ManifestRefusal("\(path.debugDescription): a path inside the model's folder expected") }
    let digest = value["sha256"]?.text.flatMap { Digest(hex: $0) }
    guard let head = value["header"] else {
      guard let digest else { throw ManifestRefusal("\(path): a file without sha256") }
      return File(path: path, size: size, digest: digest)
    }
    guard let sha = head["sha256"]?.text.flatMap({ Digest(hex: $0) }), let bytes = head["size"]?.int,
      let entries = value["tensors"]?.elements
    else { throw ManifestRefusal("\(path): header without sha256, size or tensors") }
    guard version == 1 ? digest != nil : value["sha256"] == nil else {
      throw ManifestRefusal("\(path): a safetensors file \(version == 1 ? "without" : "with a") sha256")
    }
    var tensors: [TensorEntry] = []
    tensors.reserveCapacity(entries.count)
    for entry in entries {
      guard let tensor = Self.tensor(entry) else { throw ManifestRefusal("\(path): a tensor entry is malformed") }
      tensors.append(tensor)
    }
    return File(path: path, size: size, header: (sha, bytes), tensors: tensors, flatDigest: digest)
  }

  private static func weights(_ value: JSONValue?, of files: [File]) throws(ManifestRefusal) -> [String] {
    guard let list = value?.elements else { throw ManifestRefusal("no weights") }
    let paths = list.compactMap(\.text)
    let known = Set(files.filter { $0.headerSize != nil }.map(\.path))
    guard paths.count == list.count, paths.allSatisfy(known.contains),
      zip(paths, paths.dropFirst()).allSatisfy({ $0.precedes($1) })
    else { throw ManifestRefusal("weights: sorted paths of safetensors files expected") }
    return paths
  }

  private static func tensor(_ entry: JSONValue) -> TensorEntry? {
    guard let fields = entry.elements, fields.count == 4, let name = fields[0].text,
      let dtype = fields[1].text.flatMap(DType.init(rawValue:)), let extents = fields[2].elements,
      let digest = fields[3].text.flatMap({ Digest(hex: $0) })
    else { return nil }
    let dimensions = extents.compactMap(\.int)
    guard dimensions.count == extents.count, dimensions.allSatisfy({ $0 >= 0 }) else { return nil }
    let shape = Shape(dimensions)
    guard shape.byteCount(of: dtype) != nil else { return nil }
    return TensorEntry(name: name, dtype: dtype, shape: shape, digest: digest)
  }
}

/// What is wrong with a manifest.
private struct ManifestRefusal: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}
