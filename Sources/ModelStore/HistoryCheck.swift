import Foundation
import JSON
import Lineage
import Objects
import Tensors

/// What is wrong with a history: events that are gone, changed, put in afterwards or not in the database.
struct HistoryCheck {
  let reading: HistoryReading
  /// Events that a database knows: that of the store, or the one that the last rebuild replaced.
  let known: [EventRow]
  /// What the file `heads` says.
  let namedHeads: [EntryFolder.Name]

  /// Reads the entries of a store whose database knows these events. Others may write meanwhile: an entry is there
  /// before a row or the file `heads` names it, so these are read first.
  ///
  /// - Parameter throwing: throws where the disk fails, in place of calling an entry damaged.
  init(_ history: History, known: [EventRow], pool: WorkerPool, throwing: Bool = false) throws {
    let heads = try history.namedHeads()
    self.known = known
    reading = try HistoryReading(history.entries, pool: pool, throwing: throwing)
    // One that its writer took back meanwhile is named no longer.
    let later = try history.namedHeads()
    namedHeads = heads.filter(later.contains)
  }

  /// Damage, a line each.
  func faults() -> [String] {
    let present = Set(reading.entries.map(\.digest))
    let unreadable = Set(reading.damaged.map(\.name.digest))
    let rows = Dictionary(known.map { ($0.place.entry, $0) }, uniquingKeysWith: { first, _ in first })
    var faults = reading.damaged.map { name, reason in
      "event \(name.sequence)\(Self.text(rows[name.digest])): \(reason)"
    }
    var missing: [Digest: Entry?] = [:]
    for entry in reading.entries {
      for head in entry.heads where !present.contains(head) && !unreadable.contains(head) {
        if missing[head] == nil { missing[head] = entry }
      }
    }
    for row in known where !present.contains(row.place.entry) && !unreadable.contains(row.place.entry) {
      if missing[row.place.entry] == nil { missing.updateValue(nil, forKey: row.place.entry) }
    }
    for head in namedHeads where !present.contains(head.digest) && !unreadable.contains(head.digest) {
      if missing[head.digest] == nil { missing.updateValue(nil, forKey: head.digest) }
    }
    let sequences = Dictionary(namedHeads.map { ($0.digest, $0.sequence) }, uniquingKeysWith: { first, _ in first })
    let lines = missing.map { digest, child in
      let sequence = rows[digest]?.place.sequence ?? sequences[digest]
      return (sequence ?? child?.sequence ?? 0, line(digest, rows[digest], sequence, child))
    }
    faults += lines.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.1)
    return faults + misplaced() + misnamed()
  }

  /// An event that is gone, with those around it.
  private func line(_ digest: Digest, _ row: EventRow?, _ sequence: Int?, _ child: Entry?) -> String {
    let what = sequence.map { "event \($0)\(Self.text(row))" } ?? "an event (\(digest.short))"
    let limit = sequence ?? child?.sequence ?? .max
    let before = reading.entries.last { $0.sequence < limit && $0.digest != child?.digest }
    let lower = before.map { "event \($0.sequence) (\(Self.text($0)))" } ?? "the beginning"
    guard let child else { return "\(what) is missing: it came after \(lower), and nothing here was made upon it" }
    return "\(what) is missing: it stood between \(lower) and event \(child.sequence) (\(Self.text(child)))"
  }

  /// Entries whose number is not above those of the entries that they were made upon.
  private func misplaced() -> [String] {
    let sequences = Dictionary(
      reading.entries.map { ($0.digest, $0.sequence) }, uniquingKeysWith: { first, _ in first })
    return reading.entries.compactMap { entry in
      guard let head = entry.heads.compactMap({ sequences[$0] }).max(), head >= entry.sequence else { return nil }
      return
        "event \(entry.sequence) (\(Self.text(entry))): a number above \(head) expected, that of what it was made upon"
    }
  }

  /// Entries that change what is no name.
  private func misnamed() -> [String] {
    reading.entries.flatMap { entry in
      entry.names.filter { !Names.isValid($0.name) }.map { naming in
        "event \(entry.sequence) (\(entry.kind), \(entry.madeAt)): it changes \(naming.name.quoted), which is no name"
      }
    }
  }

  /// What is no damage and still worth a look, a line each.
  func remarks() -> [String] {
    var remarks: [String] = []
    let heads = reading.heads
    if heads.count > 1 {
      let last = heads[heads.count - 1]
      remarks += heads.dropLast().map { head in
        "event \(head.sequence) (\(Self.text(head))) lies beside event \(last.sequence) (\(Self.text(last))), "
          + "which was "
          + "made without it: two copies of the store went on apart, or it was put in afterwards; "
          + "the next event joins them"
      }
    }
    let times = Dictionary(reading.entries.map { ($0.digest, $0.madeAt) }, uniquingKeysWith: { first, _ in first })
    let format = ISO8601DateFormatter()
    func date(_ text: String) -> Date? { format.date(from: text.prefix(19) + "Z") }
    let odd = reading.entries.filter { entry in
      guard let before = entry.heads.compactMap({ times[$0] }).max(), before > entry.madeAt else { return false }
      // Clocks of several machines differ by seconds.
      guard let a = date(before), let b = date(entry.madeAt) else { return true }
      return a.timeIntervalSince(b) > 3600
    }
    if let first = odd.first {
      remarks.append(
        "\(odd.count) \(odd.count == 1 ? "event says" : "events say") an earlier time than one before, first event "
          + "\(first.sequence) (\(Self.text(first))): a clock was wrong; order does not come from clocks")
    }
    return remarks
  }

  private static func text(_ row: EventRow?) -> String {
    row.map { " (\($0.kind), \($0.madeAt) by \($0.madeBy))" } ?? ""
  }

  /// What an event was, for people: its kind, what names it changed, when.
  static func text(_ entry: Entry) -> String {
    let names = entry.names.prefix(3).map(\.name) + (entry.names.count > 3 ? ["…"] : [])
    return ([entry.kind] + (names.isEmpty ? [] : [names.joined(separator: ", ")]) + [entry.madeAt]).joined(
      separator: ", ")
  }
}
