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

extension Repository {
  /// The SHA-256 of whole files as far as they are known, by path: from the manifest, and for safetensors files from
  /// what made the model. Those of a merge that nobody imported are not.
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
    return found
  }

  /// The same, and those that are not known are computed: such files are read or made once.
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
    try recordFileDigests(found, of: model)
    return known.merging(found) { first, _ in first }
  }

  /// Where digests that were computed will be kept; nothing keeps them yet, so that they are computed every time.
  func recordFileDigests(_ found: [String: Digest], of model: Digest) throws {}
}
