import Glibc
import Lineage
import Objects

// How long what lost its name stays.

extension Repository {
  /// Seconds for which `collect` leaves what has no name any more: 14 days.
  public static let grace = 14 * 86_400
  /// A store that nothing was written to for so many seconds, by this machine's clock: a clock may be wrong.
  static let longSilence = 366 * 86_400
}

extension HistoryReading {
  /// When each event was made, in seconds since 1970: the latest time that it or any of those before it says. A clock
  /// that was set back makes nothing older.
  var times: [Digest: Int] {
    var times: [Digest: Int] = [:]
    times.reserveCapacity(entries.count)
    for entry in entries {
      times[entry.digest] = entry.heads.reduce(seconds(since1970: entry.madeAt) ?? 0) { max($0, times[$1] ?? 0) }
    }
    return times
  }

  /// When each model was last made, or was given or lost a name, in seconds since 1970.
  func lastUses(_ derivations: [DerivationRow]) -> [Digest: Int] {
    let times = times
    var uses: [Digest: Int] = [:]
    func use(_ model: Digest, _ entry: Digest) { uses[model] = max(uses[model] ?? 0, times[entry] ?? 0) }
    for row in derivations { use(row.model, row.event.entry) }
    /// What each change of names gave, by entry and name.
    var given: [Digest: [String: Digest]] = [:]
    for entry in entries {
      for naming in entry.names {
        let name = naming.name.lowercased()
        if let model = naming.model {
          use(model, entry.digest)
          given[entry.digest, default: [:]][name] = model
        }
        for replaced in naming.replaces {
          if let model = given[replaced]?[name] { use(model, entry.digest) }
        }
      }
    }
    return uses
  }
}

/// The time that a text as `now()` gives it says, fractions of a second left out; nil for other texts.
func seconds(since1970 text: String) -> Int? {
  let digits = Array(text.utf8)
  guard digits.count >= 19 else { return nil }
  func number(_ range: Range<Int>) -> Int32? {
    var value: Int32 = 0
    for digit in digits[range] {
      guard (48...57).contains(digit) else { return nil }
      value = value * 10 + Int32(digit - 48)
    }
    return value
  }
  guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
    let minute = number(14..<16), let second = number(17..<19)
  else { return nil }
  var parts = tm()
  (parts.tm_year, parts.tm_mon, parts.tm_mday) = (year - 1900, month - 1, day)
  (parts.tm_hour, parts.tm_min, parts.tm_sec) = (hour, minute, second)
  return timegm(&parts)
}

/// A day, as `2026-11-21`.
func day(_ seconds: Int) -> String { String(text(ofTime: seconds).prefix(10)) }
