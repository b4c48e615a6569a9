import Foundation
import Glibc
import JSON
import Objects

/// The work folder of a search: what is searched (`search.json`), and a line for each candidate (`candidates.jsonl`).
///
/// A line is durable before the next candidate is made. A search that was killed is run again and takes its
/// candidates' losses from here; a last line that was cut off is dropped.
final class SearchLog {
  let folder: String
  /// The candidates on record, in their order.
  private(set) var entries: [JSONValue] = []
  /// What is searched, after `begin`.
  private(set) var search: [JSONValue.Member] = []
  private let lock: StoreLock
  private let file: LocalFile
  private var end = 0

  /// Makes the folder, or takes up one that no other search is using.
  init(folder path: String) throws {
    folder = absolute(path)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    guard let lock = try StoreLock(path: "\(folder)/lock", exclusive: true, patience: 1) else {
      throw RepositoryError(
        .conflict, "\(path): a work folder of its own expected, found another search at work in it",
        hint: "wait for it, or name another folder with --work")
    }
    self.lock = lock
    let lines = "\(folder)/candidates.jsonl"
    file = try LocalFile(lines, flags: O_RDWR | O_CREAT | O_CLOEXEC, operation: "open")
    let bytes = try file.bytes(at: 0, count: try file.size(), path: lines)
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast() {
      guard let entry = try? JSONValue.parse(Array(line)), entry["candidate"]?.int == entries.count else {
        throw RepositoryError(
          .corrupt, "\(lines), line \(entries.count + 1): candidate \(entries.count) expected, found something else",
          hint: "remove the folder to search anew")
      }
      entries.append(entry)
      end += line.count + 1
    }
  }

  /// Says what is searched; where that is not what the folder holds, it is a conflict that names the first difference.
  func begin(_ search: JSONValue) throws {
    self.search = search.members ?? []
    let path = "\(folder)/search.json"
    if exists(path) {
      let local = try LocalFile(path, flags: O_RDONLY | O_CLOEXEC, operation: "open")
      let held = try? JSONValue.parse(try local.bytes(at: 0, count: try local.size(), path: path))
      // Compared as text: whole numbers come back as integers.
      for member in self.search where held?[member.key]?.canonical != member.value.canonical {
        throw RepositoryError(
          .conflict, "\(folder): it holds a search with another '\(member.key)' than the one asked for",
          hint: "see \(path); name another folder with --work, or remove this one")
      }
      return
    }
    guard entries.isEmpty else {
      throw RepositoryError(.corrupt, "\(folder): candidates found, but no search.json that says of what")
    }
    try write(Array((search.pretty() + "\n").utf8), as: "search.json")
  }

  /// Adds a candidate. Durable when it returns.
  func append(_ entry: JSONValue) throws {
    let line = entry.compact + [0x0A]
    try line.withUnsafeBytes { try file.write($0, at: end) }
    end += line.count
    try file.truncate(to: end)
    try file.sync()
    entries.append(entry)
  }

  /// Writes a file whole or not at all.
  func write(_ bytes: [UInt8], as name: String) throws {
    let draft = "\(folder)/.\(name).partial"
    let file = try LocalFile(draft, flags: O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, operation: "create")
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    try file.sync()
    try LocalStorage().rename(draft, to: "\(folder)/\(name)")
    try LocalStorage().syncDirectory(folder)
  }
}
