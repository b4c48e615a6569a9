import Lineage
import Objects

/// The rules of names (DESIGN: segments of `[A-Za-z0-9][A-Za-z0-9._-]*` joined by `/`, an optional `:tag`).
enum Names {
  static let bytesMax = 200

  /// Throws `invalidInput` where the text is no name, or reads as a model id.
  static func check(_ name: String) throws {
    func refuse(_ why: String) -> RepositoryError {
      RepositoryError(
        .invalidInput, "`\(name)` is no name: \(why)",
        hint: "use letters, digits, '.', '_', '-', with '/' between parts and one ':tag' at the end")
    }
    if name.utf8.count > bytesMax { throw refuse("\(name.utf8.count) bytes, at most \(bytesMax) allowed") }
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2 else { throw refuse("more than one ':'") }
    let segments = parts[0].split(separator: "/", omittingEmptySubsequences: false) + parts.dropFirst()
    for segment in segments {
      guard let first = segment.utf8.first else { throw refuse("an empty part") }
      guard isAlphanumeric(first) else { throw refuse("a part must begin with a letter or digit") }
      guard segment.utf8.allSatisfy({ isAlphanumeric($0) || [0x2E, 0x5F, 0x2D].contains($0) }) else {
        throw refuse("a character that names do not have")
      }
    }
    if name.utf8.count >= 8, name.utf8.count <= 64, isHex(name) {
      throw refuse("it reads as a model id")
    }
  }

  static func isValid(_ name: String) -> Bool { (try? check(name)) != nil }

  static func isHex(_ text: String) -> Bool {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }
}

extension Repository {
  /// The model that a name, a model id or a unique prefix of one (≥ 8 hex digits) stands for.
  func resolve(_ reference: String) throws -> Digest {
    if let row = try lineage.name(reference) { return row.model }
    if reference.contains("@conflict-"),
      let row = try lineage.nameConflicts().first(where: { $0.conflictName.lowercased() == reference.lowercased() })
    {
      return row.model
    }
    if reference.utf8.count >= 8, reference.utf8.count <= 64, Names.isHex(reference) {
      let found = try lineage.resolve(prefix: reference)
      if found.count == 1 { return found[0] }
      if found.count > 1 {
        let ids = found.map(\.short).joined(separator: ", ")
        throw RepositoryError(
          .conflict, "\(reference) is the beginning of \(found.count) model ids: \(ids)",
          hint: "give more digits")
      }
    }
    throw RepositoryError(.notFound, "no model \(reference)", hint: try suggestion(for: reference))
  }

  /// Throws where of a model only the lineage is left.
  func requirePresent(_ model: Digest) throws {
    if try lineage.model(model)?.state == .absent {
      throw RepositoryError(
        .notFound, "model \(try label(model)): its bytes expected in the store, found only its lineage",
        hint: "import it again")
    }
  }

  /// The manifest of a model.
  func manifest(of model: Digest) throws -> Manifest {
    try Manifest(try documents.get(model))
  }

  /// A model's first name, or the short form of its id.
  func label(_ model: Digest) throws -> String {
    try lineage.names(of: model).first ?? model.short
  }

  /// The same as `resolve`; nil where there is none.
  func known(_ reference: String) throws -> Digest? {
    do {
      return try resolve(reference)
    } catch let error as RepositoryError where error.kind == .notFound {
      return nil
    }
  }

  private func suggestion(for reference: String) throws -> String {
    let names = try lineage.allNames().map(\.name)
    let near = names.filter { $0.lowercased().hasPrefix(reference.lowercased().prefix(3)) }.prefix(3)
    if !near.isEmpty { return "did you mean \(near.joined(separator: ", "))?" }
    return "see the names with: stemma list"
  }
}
