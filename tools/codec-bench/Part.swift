import JSON
import Tensors

/// What all ways made of tensors of one dtype, or of several.
struct Part {
  struct Seconds {
    var shortest: Double
    var median: Double
    var busy: Double
  }

  struct Result {
    var coded: [UInt8: (pieces: Int, bytes: Int)]
    /// By number of threads.
    var encode: [Int: Seconds]
    var decode: [Int: Seconds]
  }

  let raw: Int
  let elements: Int
  let results: [(name: String, result: Result)]

  init(_ tensors: [Stretch], _ measurements: [Measurement]) {
    raw = tensors.reduce(0) { $0 + $1.count }
    elements = tensors.reduce(0) { $0 + $1.count * 8 / $1.dtype.bits }
    results = measurements.map { way in
      let (encode, decode) = (way.encodes.mapValues(Self.seconds), way.decodes.mapValues(Self.seconds))
      return (way.name, Result(coded: way.coded, encode: encode, decode: decode))
    }
  }

  private init(raw: Int, elements: Int, results: [(name: String, result: Result)]) {
    self.raw = raw
    self.elements = elements
    self.results = results
  }

  /// Both in sum: of ways that took both.
  static func + (left: Self, right: Self) -> Self {
    let results = left.results.compactMap { name, one -> (name: String, result: Result)? in
      guard let other = right.results.first(where: { $0.name == name })?.result else { return nil }
      let coded = one.coded.merging(other.coded) { ($0.pieces + $1.pieces, $0.bytes + $1.bytes) }
      return (
        name,
        Result(
          coded: coded, encode: one.encode.merging(other.encode, uniquingKeysWith: +),
          decode: one.decode.merging(other.decode, uniquingKeysWith: +))
      )
    }
    return Part(raw: left.raw + right.raw, elements: left.elements + right.elements, results: results)
  }

  private static func seconds(_ times: [Measurement.Time]) -> Seconds {
    let sorted = times.sorted { $0.wall < $1.wall }
    return Seconds(shortest: sorted[0].wall, median: sorted[sorted.count / 2].wall, busy: sorted[0].busy)
  }

  var json: JSONValue {
    ["raw": .integer(raw), "elements": .integer(elements), "ways": .object(results.map { .init($0, $1.json) })]
  }
}

extension Part.Seconds {
  static func + (left: Self, right: Self) -> Self {
    let shortest = left.shortest + right.shortest
    return Self(
      shortest: shortest, median: left.median + right.median,
      busy: (left.busy * left.shortest + right.busy * right.shortest) / shortest)
  }

  fileprivate var json: JSONValue {
    ["shortest": .number(shortest), "median": .number(median), "busy": .number(busy)]
  }
}

extension Part.Result {
  fileprivate var json: JSONValue {
    let codecs = coded.sorted { $0.key < $1.key }.map { number, sum in
      JSONValue.Member("\(number)", ["pieces": .integer(sum.pieces), "bytes": .integer(sum.bytes)])
    }
    return [
      "bytes": .integer(coded.values.reduce(0) { $0 + $1.bytes }), "codecs": .object(codecs),
      "encode": timesByThreads(encode), "decode": timesByThreads(decode),
    ]
  }
}

private func timesByThreads(_ times: [Int: Part.Seconds]) -> JSONValue {
  .object(times.sorted { $0.key < $1.key }.map { .init("\($0.key)", $0.value.json) })
}
