internal import Glibc

/// What this process may use of its machine: what a container (cgroup), `taskset` and `ulimit` leave of it.
package enum Machine {
  /// Processors, at least one: those that this process may run on, and no more than the quota of its cgroups gives.
  package static func cores() -> Int {
    // A mask in hex digits, with commas.
    let mask = field("Cpus_allowed:", of: text("/proc/self/status")) ?? ""
    let allowed = mask.compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount }
    let cores = allowed > 0 ? allowed : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let quotas = folders.compactMap { folder in
      quota(text(folder + "/cpu.max"))
        ?? quota([text(folder + "/cpu.cfs_quota_us"), text(folder + "/cpu.cfs_period_us")].compacted)
    }
    return max(1, ([cores] + quotas).min()!)
  }

  /// Bytes that this process may still take; nil where nothing limits it but the machine.
  ///
  /// Of address space what RLIMIT_AS leaves; of each cgroup what its limit leaves of memory that cannot be given back.
  package static func freeMemory() -> Int? {
    var free: [Int] = []
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, let bytes = Int(exactly: limit.rlim_cur),
      let pages = text("/proc/self/statm")?.split(separator: " ").first.flatMap({ Int($0) })
    {
      free.append(bytes - pages * Int(sysconf(Int32(_SC_PAGESIZE))))
    }
    for folder in folders {
      let found = text(folder + "/memory.max") ?? text(folder + "/memory.limit_in_bytes")
      guard let limit = found.flatMap(number), limit < 1 << 50 else { continue }
      let statistics = text(folder + "/memory.stat")
      let used = field("anon ", of: statistics) ?? field("total_rss ", of: statistics)
      free.append(limit - (used.flatMap(number) ?? 0))
    }
    return free.min().map { max(0, $0) }
  }

  /// Throws where so many bytes more are not to be had.
  ///
  /// - Parameter purpose: what they are for, as in "to store it".
  /// - Throws: `NoMemory`.
  package static func requireMemory(_ bytes: Int, _ purpose: String) throws {
    if let free = freeMemory(), free < bytes { throw NoMemory(purpose: purpose, needed: bytes, free: free) }
  }

  /// The cores that a quota and its period give, in the two texts of a cgroup; nil for none.
  static func quota(_ text: String?) -> Int? {
    let words = (text ?? "").split { $0 == " " || $0 == "\n" }.compactMap { Int($0) }
    guard words.count == 2, words[0] > 0, words[1] > 0 else { return nil }
    return max(1, words[0] / words[1])
  }

  /// The folders of this process's cgroups, and of those that they are in.
  private static let folders: [String] = {
    var found: [String] = []
    for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
      // Number, controllers, path.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[1].isEmpty || parts[1].contains("memory") || parts[1].contains("cpu") else {
        continue
      }
      let root = "/sys/fs/cgroup" + (parts[1].isEmpty ? "" : "/\(parts[1])")
      var path = parts[2] == "/" ? "" : String(parts[2])
      while true {
        found.append(root + path)
        guard let slash = path.lastIndex(of: "/") else { break }
        path = String(path[..<slash])
      }
    }
    return found
  }()

  /// What follows a word at the beginning of a line, without spaces around it.
  private static func field(_ name: String, of text: String?) -> String? {
    text?.split(separator: "\n").first { $0.hasPrefix(name) }.map { line in
      String(line.dropFirst(name.count).drop { $0 == " " || $0 == "\t" })
    }
  }

  private static func number(_ text: String) -> Int? {
    Int(text.prefix { $0.isNumber })
  }

  /// A small file's text; nil where it cannot be read.
  private static func text(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = read(file, &bytes, bytes.count)
    return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
  }
}

extension [String?] {
  /// The texts, if all are there, with a space between.
  fileprivate var compacted: String? { allSatisfy { $0 != nil } ? compactMap { $0 }.joined(separator: " ") : nil }
}

/// Memory that is not to be had.
package struct NoMemory: Error, Equatable, CustomStringConvertible {
  let purpose: String
  package let needed: Int
  package let free: Int

  package var description: String {
    "\((needed + 999_999) / 1_000_000) MB of memory expected \(purpose), found \(free / 1_000_000) MB that may be used"
  }
}
