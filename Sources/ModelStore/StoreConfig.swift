import Foundation
import Glibc
import Objects

/// What a store says of itself: the file `config.yml`, and the marker of its `packs/`.
struct StoreConfig: Sendable, Equatable {
  let format: Int
  /// Stores of format 1 have none.
  let store: StoreID?

  /// Reads the file.
  ///
  /// - Throws: `notFound` where there is none, `io` where it cannot be read, `corrupt`, and `unsupported` for a newer
  ///   format.
  static func read(_ layout: Layout) throws -> StoreConfig {
    guard exists(layout.config) || errno == EACCES else {
      guard layout.isStore else {
        throw RepositoryError(.notFound, "\(layout.root): no store there", hint: "make one with: stemma init")
      }
      throw RepositoryError(.corrupt, "\(layout.config) is missing", hint: "make it again with: stemma rebuild")
    }
    guard let text = try? String(contentsOfFile: layout.config, encoding: .utf8) else {
      throw RepositoryError(.io, "\(layout.config): cannot be read", hint: "check who may read it")
    }
    func value(_ key: String) -> String? {
      let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix(key + ":") }
      return line.map { $0.dropFirst(key.utf8.count + 1).trimmingCharacters(in: .whitespaces) }
    }
    guard let format = value("format").flatMap({ Int($0) }) else {
      throw RepositoryError(.corrupt, "\(layout.config): a line `format: \(Layout.formatVersion)` expected, none found")
    }
    guard format <= Layout.formatVersion else {
      throw RepositoryError(
        .unsupported, "\(layout.root): store format \(format), this program reads up to \(Layout.formatVersion)",
        hint: "use a newer stemma")
    }
    if format < 2 { return StoreConfig(format: format, store: nil) }
    guard let store = value("store").flatMap(StoreID.init(hex:)) else {
      throw RepositoryError(
        .corrupt, "\(layout.config): a line `store:` with 32 hex digits expected, none found",
        hint: "every file in entries/ says the store's id; or restore config.yml from a backup")
    }
    return StoreConfig(format: format, store: store)
  }

  /// The store's id as the marker in `packs/` says it, or all entries: for a store of format 2 whose file is gone. Nil
  /// where they do not say one.
  static func recovered(_ layout: Layout, _ storage: any Storage) throws -> StoreID? {
    let markers = try PacksMarker(layout: layout, storage: storage).found()
    if markers.count == 1 { return markers[0] }
    let folder = EntryFolder(storage: storage, path: layout.entries, temporary: layout.temporary)
    let stores = Set(try folder.all().names.compactMap { try? folder.get($0).store })
    return stores.count == 1 ? stores.first : nil
  }

  /// Writes the file. Durable when it returns.
  static func write(_ store: StoreID, _ layout: Layout, _ storage: any Storage) throws {
    let text = """
      # A Stemma store. Do not edit: files here are checked by digest.
      format: \(Layout.formatVersion)
      store: \(store.hex)

      """
    try storage.replaceDurably(
      layout.config, by: Array(text.utf8), folder: layout.root,
      draft: "\(layout.temporary)/config-\(UInt64.random(in: 0 ... .max)).yml")
  }
}

/// The empty-handed files `store-<id>` in `packs/`: they say whose packs these are, so that no store takes the packs of
/// another for its own, and deletes them.
struct PacksMarker {
  let layout: Layout
  let storage: any Storage

  private func path(of store: StoreID) -> String { "\(layout.packs)/\(Self.prefix)\(store.hex)" }
  private static let prefix = "store-"

  /// Whether a name in `packs/` is that of a marker.
  static func isMarker(_ name: String) -> Bool { id(name) != nil }

  private static func id(_ name: String) -> StoreID? {
    name.hasPrefix(prefix) ? StoreID(hex: String(name.dropFirst(prefix.utf8.count))) : nil
  }

  /// The stores whose markers are there.
  func found() throws -> [StoreID] { try storage.list(layout.packs).compactMap(Self.id) }

  /// Makes the marker of a store. Durable when it returns.
  func put(_ store: StoreID) throws {
    if exists(path(of: store)) { return }
    let text = "These packs belong to the Stemma store \(store.hex).\n"
    try storage.replaceDurably(
      path(of: store), by: Array(text.utf8), folder: layout.packs,
      draft: "\(layout.temporary)/marker-\(UInt64.random(in: 0 ... .max))")
  }

  /// Throws `conflict` where the packs bear the marker of another store.
  func check(_ store: StoreID) throws {
    let others = try found().filter { $0 != store }
    guard let other = others.first else { return }
    let isShared = try !found().contains(store)
    throw RepositoryError(
      .conflict,
      isShared
        ? "\(layout.packs): refused, these are the packs of another store, \(other.hex)"
        : "\(layout.packs): refused, it also bears the mark of another store, \(other.hex)",
      hint: isShared
        ? "give this store a packs folder of its own; gc of one store would delete what the other needs"
        : "where its files were copied here, make both one store with: stemma rebuild")
  }

  /// Takes away the markers of other stores, whose files were copied here.
  ///
  /// - Throws: `conflict` where the store's own marker is not among them: then these are the packs of the other.
  func unite(_ store: StoreID) throws {
    let stores = try found()
    let others = stores.filter { $0 != store }
    if others.isEmpty { return try put(store) }
    guard stores.contains(store) else { return try check(store) }
    for other in others { try storage.remove(path(of: other)) }
    try storage.syncDirectory(layout.packs)
  }
}

/// Stores whose withdrawals, allowances and clearing evaluations count here: the file `trust.yml`, which belongs to
/// this machine. It is no part of the history and no rebuild touches it.
enum TrustFile {
  /// The trusted stores; none where there is no file, or where it cannot be read.
  ///
  /// - Throws: `invalidInput` where a line is neither a comment nor `- <store id>`.
  static func read(_ layout: Layout) throws -> Set<StoreID> {
    // Who cannot read it trusts nobody else: nothing is lifted for him.
    guard let text = try? String(contentsOfFile: layout.trust, encoding: .utf8) else { return [] }
    var found: Set<StoreID> = []
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let words = line.prefix { $0 != "#" }.trimmingCharacters(in: .whitespaces)
      if words.isEmpty || words == "stores:" || words == "stores: []" { continue }
      guard words.hasPrefix("- "), let id = StoreID(hex: words.dropFirst(2).trimmingCharacters(in: .whitespaces)) else {
        throw RepositoryError(
          .invalidInput, "\(layout.trust) line \(number + 1): `- ` and a store id of 32 hex digits expected")
      }
      found.insert(id)
    }
    return found
  }

  /// Writes the file. Durable when it returns.
  static func write(_ stores: Set<StoreID>, _ layout: Layout, _ storage: any Storage) throws {
    let lines = stores.sorted().map { "- \($0.hex)\n" }.joined()
    let draft = "\(layout.temporary)/trust-\(UInt64.random(in: 0 ... .max)).yml"
    let text =
      "# Stores whose withdrawals, allowances and evaluations count here.\nstores:\(stores.isEmpty ? " []" : "")\n"
    try storage.replaceDurably(layout.trust, by: Array((text + lines).utf8), folder: layout.root, draft: draft)
  }
}
