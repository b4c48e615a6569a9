import Glibc
import JSON
import Tensors

private let usage = """
  CodecBench TUNE [--base BASE] [--threads 1,2] [--rounds 3] [--seconds 1.5] [--only ours,bitx,zstd-3,zstd-19,fm-delta]

  Codes the tensors of TUNE that BASE has with the same name, dtype and shape (without BASE, all of them) in each way,
  decodes them and compares; the ways take turns. Prints one JSON object: of each dtype and in sum bytes, and the
  shortest and median seconds of at least so many rounds, repeated until they took so many seconds, or four times as
  many where other work has the processors. `busy` is the share of the shortest round in which its threads had one.
  zstd-19 has one round, in the first number of threads.
  """

/// Measures the block codecs against other ways on a pair of checkpoints, in one process; see `tools/bench-codec`.
@main
struct CodecBench {
  private static let names = ["ours", "bitx", "zstd-3", "zstd-19", "fm-delta"]
  private var folders: [String] = []
  private var base: String?
  private var threads = [1]
  private var rounds = 3
  private var seconds = 1.5
  private var only = Self.names

  static func main() {
    do {
      let report = try CodecBench(CommandLine.arguments.dropFirst()).report()
      print(report.pretty())
    } catch {
      let message = Array("codec-bench: \(error)\n".utf8)
      write(STDERR_FILENO, message, message.count)
      exit(1)
    }
  }

  private init(_ arguments: ArraySlice<String>) throws {
    var rest = arguments
    while let word = rest.popFirst() {
      guard word.hasPrefix("--") else {
        folders.append(word)
        continue
      }
      guard let value = rest.popFirst() else { throw Problem("\(word) needs a value\n\(usage)") }
      switch word {
      case "--base": base = value
      case "--threads": threads = value.split(separator: ",").compactMap { Int($0) }
      case "--rounds": rounds = Int(value) ?? 0
      case "--seconds": seconds = Double(value) ?? -1
      case "--only": only = value.split(separator: ",").map(String.init)
      default: throw Problem("no option \(word)\n\(usage)")
      }
    }
    let isRight =
      folders.count == 1 && !threads.isEmpty && threads.allSatisfy { $0 >= 1 } && rounds >= 1 && seconds >= 0
      && Set(only).isSubset(of: Self.names)
    guard isRight else { throw Problem(usage) }
  }

  private func report() throws -> JSONValue {
    let material = try Material(tune: folders[0], base: base)
    let dtypes = Set(material.tensors.map(\.dtype)).sorted { $0.code < $1.code }
    let parts = try dtypes.map { dtype in
      let tensors = material.tensors.filter { $0.dtype == dtype }
      return (dtype, Part(tensors, try measured(tensors, of: material)))
    }
    let total = parts.dropFirst().reduce(parts[0].1) { $0 + $1.1 }
    return [
      "tune": .string(folders[0]), "base": base.map { .string($0) } ?? .null, "left_out": .integer(material.leftOut),
      "dtypes": .object(parts.map { .init($0.rawValue, $1.json) }), "total": total.json,
    ]
  }

  /// The ways in turn on tensors of one dtype, until each has enough.
  private func measured(_ tensors: [Stretch], of material: Material) throws -> [Measurement] {
    let workers = threads.max() ?? 1
    let isPaired = material.base != nil && tensors[0].dtype.codingMantissa > 0 && [2, 4].contains(tensors[0].width)
    let ways: [Measurement] = only.compactMap { name in
      let (way, most): (any Way, Int)
      switch name {
      case "ours": (way, most) = (StemmaWay(workers: workers), .max)
      case "zstd-3": (way, most) = (ZstdWay(workers: workers, level: 3), .max)
      case "zstd-19": (way, most) = (ZstdWay(workers: workers, level: 19), 1)
      case "bitx" where isPaired: (way, most) = (BitXWay(workers: workers, material: material), .max)
      case "fm-delta" where isPaired: (way, most) = (FMDeltaWay(), rounds)
      default: return nil
      }
      return Measurement(name, way, tensors, of: material, mostRounds: most)
    }
    let coded = UnsafeMutableRawBufferPointer.allocate(byteCount: ways.map(\.room).max() ?? 0, alignment: 64)
    defer { coded.deallocate() }
    memset(coded.baseAddress!, 0, coded.count)
    let pools = threads.map { WorkerPool(width: $0) }
    var isDone = false
    while !isDone {
      isDone = true
      for way in ways {
        for pool in way.mostRounds == 1 ? [pools[0]] : pools
        where !way.isEnough(threads: pool.width, rounds: rounds, seconds: seconds) {
          try way.round(pool, coded: coded)
          isDone = false
        }
      }
    }
    return ways
  }
}
