import Checkpoints
import JSON
import Objects
import Tensors

/// A model's files: the document whose digest is the model id.
struct Manifest: Sendable, Equatable {
  /// One tensor of a safetensors file.
  struct TensorEntry: Sendable, Equatable {
    let name: String
    let dtype: DType
    let shape: Shape
    let digest: Digest

    var bytes: Int { shape.byteCount(of: dtype) ?? 0 }
  }

  /// One file.
  struct File: Sendable, Equatable {
    let path: String
    let size: Int
    let digest: Digest
    /// For a safetensors file: the object that holds its header's JSON, and that text's length.
    let header: (digest: Digest, size: Int)?
    /// In the order of their data.
    let tensors: [TensorEntry]

    static func == (a: File, b: File) -> Bool {
      a.path == b.path && a.size == b.size && a.digest == b.digest && a.header?.digest == b.header?.digest
        && a.tensors == b.tensors
    }
  }

  /// Sorted by path.
  let files: [File]

  var tensors: [TensorEntry] { files.flatMap(\.tensors) }
  var bytes: Int { files.reduce(0) { $0 + $1.size } }

  /// The digests of all objects that the files are made of.
  var objects: [Digest] {
    files.flatMap { file -> [Digest] in
      if let header = file.header { [header.digest] + file.tensors.map(\.digest) } else { [file.digest] }
    }
  }

  /// SHA-256 over the sorted lines `name`, dtype, shape, digest: the same for models that differ in other files only.
  /// Of a data set, which has no tensors, that of its lines: the same for sets that differ in their record only.
  var weightsID: Digest {
    if kind == .dataset, let lines = files.first(where: { $0.path != DataSet.configFile }) { return lines.digest }
    let lines = tensors.map { tensor in
      let name = String(decoding: JSONValue.string(tensor.name).canonical, as: UTF8.self)
      let shape = tensor.shape.dimensions.map(String.init).joined(separator: ",")
      return "\(name) \(tensor.dtype.rawValue) [\(shape)] \(tensor.digest.hex)\n"
    }
    return Digest(of: Array(lines.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }.joined().utf8))
  }

  var document: Document {
    let files: [JSONValue] = files.map { file in
      var members: [JSONValue.Member] = [
        .init("path", .string(file.path)), .init("size", .integer(file.size)),
        .init("sha256", .string(file.digest.hex)),
      ]
      if let header = file.header {
        members.append(.init("header", ["sha256": .string(header.digest.hex), "size": .integer(header.size)]))
        members.append(
          .init(
            "tensors",
            .array(
              file.tensors.map {
                [
                  .string($0.name), .string($0.dtype.rawValue), .array($0.shape.dimensions.map(JSONValue.integer)),
                  .string($0.digest.hex),
                ]
              })))
      }
      return .object(members)
    }
    return Document(["type": "manifest", "version": 1, "files": .array(files)])
  }

  /// Reads a manifest document.
  init(_ document: Document) throws(ObjectsError) {
    func wrong(_ reason: String) -> ObjectsError { .documentContent(document: document.digest, reason: reason) }
    guard document.value["type"]?.text == "manifest", let list = document.value["files"]?.elements else {
      throw wrong("not a manifest")
    }
    if let version = document.value["version"]?.int, version > 1 {
      throw .newerVersion(what: "manifest \(document.digest.short)", found: version, supported: 1)
    }
    var files: [File] = []
    for value in list {
      guard let path = value["path"]?.text, let size = value["size"]?.int,
        let digest = value["sha256"]?.text.flatMap({ Digest(hex: $0) })
      else { throw wrong("a file without path, size or sha256") }
      guard size >= 0, !path.isEmpty, !path.hasPrefix("/"),
        !path.split(separator: "/", omittingEmptySubsequences: false).contains(where: { $0 == ".." || $0.isEmpty })
      else { throw wrong("\(path.debugDescription): a path inside the model's folder expected") }
      var header: (digest: Digest, size: Int)?
      var tensors: [TensorEntry] = []
      if let head = value["header"] {
        guard let sha = head["sha256"]?.text.flatMap({ Digest(hex: $0) }), let bytes = head["size"]?.int,
          let entries = value["tensors"]?.elements
        else { throw wrong("\(path): header without sha256, size or tensors") }
        header = (sha, bytes)
        tensors.reserveCapacity(entries.count)
        for entry in entries {
          guard let tensor = Self.tensor(entry) else { throw wrong("\(path): a tensor entry is malformed") }
          tensors.append(tensor)
        }
      }
      files.append(File(path: path, size: size, digest: digest, header: header, tensors: tensors))
    }
    self.files = files
  }

  init(files: [File]) {
    self.files = files.sorted { Array($0.path.utf8).lexicographicallyPrecedes(Array($1.path.utf8)) }
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
