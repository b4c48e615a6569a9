import Glibc
import Tensors

/// A way at work on some tensors, again and again: what it makes of them and how long it takes.
final class Measurement {
  /// Wall seconds, and the share of the threads' time in which they had a processor.
  struct Time {
    let wall: Double
    let busy: Double
  }

  let name: String
  /// After so many rounds it is enough, whatever time they took.
  let mostRounds: Int
  private let way: any Way
  private let material: Material
  private let pieces: [Stretch]
  /// Where the coded form of each piece lies.
  private let places: [Range<Int>]
  private let counts: UnsafeMutableBufferPointer<Int>
  private let codecs: UnsafeMutableBufferPointer<UInt8>
  /// By number of threads.
  private(set) var encodes: [Int: [Time]] = [:]
  private(set) var decodes: [Int: [Time]] = [:]

  init(_ name: String, _ way: any Way, _ tensors: [Stretch], of material: Material, mostRounds: Int = .max) {
    self.name = name
    self.way = way
    self.material = material
    self.mostRounds = mostRounds
    // Large pieces first, so that no thread is left with one when the others are done.
    pieces = tensors.flatMap(way.pieces).sorted { ($1.count, $0.start) < ($0.count, $1.start) }
    var end = 0
    places = pieces.map { piece in
      let start = end
      end += (way.room(for: piece.count) + 63) & ~63
      return start..<end
    }
    counts = .allocate(capacity: pieces.count)
    counts.initialize(repeating: 0)
    codecs = .allocate(capacity: pieces.count)
    codecs.initialize(repeating: 0)
  }

  deinit {
    counts.deallocate()
    codecs.deallocate()
  }

  /// Bytes that the coded forms of all pieces need.
  var room: Int { places.last?.upperBound ?? 0 }

  /// Whether there are so many rounds of this many threads, and so many seconds: four times as many where even the
  /// shortest rounds had to wait for processors.
  func isEnough(threads: Int, rounds: Int, seconds: Double) -> Bool {
    let times = [encodes[threads] ?? [], decodes[threads] ?? []]
    guard times[0].count < mostRounds else { return true }
    let spent = times.joined().reduce(0) { $0 + $1.wall }
    let isQuiet = times.allSatisfy { ($0.min { $0.wall < $1.wall }?.busy ?? 0) >= 0.9 }
    return times[0].count >= rounds && spent >= (isQuiet ? seconds : 4 * seconds)
  }

  /// Codes all pieces, decodes them, and throws unless their bytes are back.
  func round(_ pool: WorkerPool, coded: UnsafeMutableRawBufferPointer) throws {
    encodes[pool.width, default: []].append(
      try timed(pool) { index, worker in
        let out = UnsafeMutableRawBufferPointer(rebasing: coded[places[index]])
        (codecs[index], counts[index]) = try way.encode(pieces[index], of: material, worker: worker, into: out)
      })
    memset(material.out.baseAddress!, 0xA5, material.out.count)
    decodes[pool.width, default: []].append(
      try timed(pool) { index, worker in
        let bytes = UnsafeRawBufferPointer(rebasing: coded[places[index]].prefix(counts[index]))
        try way.decode(bytes, codec: codecs[index], pieces[index], of: material, worker: worker)
      })
    for piece in pieces {
      let (found, expected) = (material.place(of: piece), material.bytes(of: piece))
      guard memcmp(found.baseAddress!, expected.baseAddress!, piece.count) == 0 else {
        throw Problem("\(name): other bytes came back at \(piece.start)")
      }
    }
  }

  private func timed(_ pool: WorkerPool, _ body: (Int, Int) throws -> Void) throws -> Time {
    let (wall, busy) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID))
    try pool.run(pieces.count, body)
    let taken = seconds(CLOCK_MONOTONIC) - wall
    return Time(wall: taken, busy: (seconds(CLOCK_PROCESS_CPUTIME_ID) - busy) / taken / Double(pool.width))
  }

  /// Pieces and bytes by the codec's number, of the last round.
  var coded: [UInt8: (pieces: Int, bytes: Int)] {
    zip(codecs, counts).reduce(into: [:]) { sums, piece in
      let sum = sums[piece.0] ?? (0, 0)
      sums[piece.0] = (sum.pieces + 1, sum.bytes + piece.1)
    }
  }
}

private func seconds(_ clock: clockid_t) -> Double {
  var time = timespec()
  clock_gettime(clock, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
