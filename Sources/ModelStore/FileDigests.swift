import Checkpoints
import JSON
import Lineage
import Objects

extension Derivation {
  /// A safetensors file and the SHA-256 of all its bytes. The manifest proves them by the digests of the header and the
  /// tensors; this one is for those who compare whole files.
  struct FileDigest: Sendable, Equatable {
    let path: String
    let digest: Digest

    init(path: String, digest: Digest) { (self.path, self.digest) = (path, digest) }

    /// Reads `[path, sha256]`.
    init?(_ value: JSONValue) {
      guard let fields = value.elements, fields.count == 2, let path = fields[0].text,
        let digest = fields[1].text.flatMap({ Digest(hex: $0) })
      else { return nil }
      self.init(path: path, digest: digest)
    }

    var json: JSONValue { [.string(path), .string(digest.hex)] }
  }
}

/// The SHA-256 of whole files of a model, computed after it was made: the document of an event `digests`.
struct FileDigests: Sendable {
  static let version = 1

  let model: Digest
  let files: [Derivation.FileDigest]

  init(model: Digest, files: [Derivation.FileDigest]) { (self.model, self.files) = (model, files) }

  var document: Document {
    Document([
      "type": "digests", "version": .integer(Self.version), "model": .string(model.hex),
      "files": .array(files.map(\.json)),
    ])
  }

  init(_ document: Document) throws(ObjectsError) {
    let value = document.value
    guard value["type"]?.text == "digests", let version = value["version"]?.int, let model = value["model"]?.digest,
      let list = value["files"]?.elements
    else { throw .documentContent(document: document.digest, reason: "no digests with version, model and files") }
    guard version <= Self.version else {
      throw .newerVersion(what: "digests \(document.digest.short)", found: version, supported: Self.version)
    }
    let files = list.compactMap(Derivation.FileDigest.init)
    guard files.count == list.count else {
      throw .documentContent(document: document.digest, reason: "files: pairs of a path and 64 hex digits expected")
    }
    self.init(model: model, files: files)
  }
}

extension Repository {
  /// The SHA-256 of whole files as far as they are known, by path: from the manifest, and for safetensors files from
  /// what made the model or from what was computed since. Those of a merge that nobody asked for are not.
  func fileDigests(of model: Digest) throws -> [String: Digest] {
    let manifest = try manifest(of: model)
    var found: [String: Digest] = [:]
    for file in manifest.files { found[file.path] = file.headerSize == nil ? file.object : file.flatDigest }
    let lacking = Set(manifest.files.map(\.path).filter { found[$0] == nil })
    if lacking.isEmpty { return found }
    for row in try lineage.derivations(of: model) {
      for file in try Derivation(documents.get(row.digest)).files where lacking.contains(file.path) {
        found[file.path] = file.digest
      }
    }
    for row in try lineage.fileDigests(of: model) {
      for file in try FileDigests(documents.get(row.document)).files where lacking.contains(file.path) {
        found[file.path] = file.digest
      }
    }
    return found
  }

  /// The same, and those that are not known are computed: such files are read or made once. A store that can be written
  /// keeps them.
  func allFileDigests(of model: Digest, progress: (@Sendable (Int, Int) -> Void)? = nil) throws -> [String: Digest] {
    let known = try fileDigests(of: model)
    let reader = try ModelReader(model, in: self)
    let files = reader.manifest.files.filter { known[$0.path] == nil }
    if files.isEmpty { return known }
    let items = try exportItems(of: reader, files: files)
    let total = items.reduce(0) { $0 + $1.size }
    let hashes = files.map { ItemHash(prefix: SafetensorsHeader.lengthField($0.headerSize ?? 0)) }
    try stream(items, files: hashes, progress: progress.map { report in { report($0, total) } }) { _, _, _ in }
    var found: [String: Digest] = [:]
    for (file, hash) in zip(files, hashes) { found[file.path] = hash.running.finish() }
    if !Self.isReadOnly(layout) { try record(found, of: model) }
    return known.merging(found) { first, _ in first }
  }

  private func record(_ found: [String: Digest], of model: Digest) throws {
    let files = found.sorted { $0.key < $1.key }.map { Derivation.FileDigest(path: $0.key, digest: $0.value) }
    let document = FileDigests(model: model, files: files).document
    var event = Event(.digests, madeBy: whoami())
    event.document = document
    event.models = [model]
    try publish(event) { try $0.insertFileDigests(document.digest, of: model, event: $1) }
  }
}
