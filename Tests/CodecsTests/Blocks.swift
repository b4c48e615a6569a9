import Codecs
import TestSupport

extension SplitMix {
  /// Every byte equally likely.
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) } }

  /// Elements whose lower bytes are random and whose top byte takes few values, as weights have.
  mutating func weights(_ count: Int, width: Int) -> [UInt8] {
    (0..<count).map { index in
      index % width == width - 1 ? UInt8.random(in: 60...62, using: &self) : UInt8.random(in: 0...255, using: &self)
    }
  }
}

/// A block as `BlockCoder.encode` made it.
struct Coded: Equatable {
  let codec: BlockCodec
  let bytes: [UInt8]
}

extension BlockCoder {
  func code(_ block: [UInt8], base: [UInt8]?, _ format: BlockFormat) -> Coded {
    var out = [UInt8](repeating: 0, count: BlockCoder.capacity(for: block.count))
    let (codec, count) = out.withUnsafeMutableBytes { out in
      block.withUnsafeBytes { block in
        guard let base else { return encode(block, base: nil, format: format, into: out) }
        return base.withUnsafeBytes { encode(block, base: $0, format: format, into: out) }
      }
    }
    return Coded(codec: codec, bytes: Array(out[0..<count]))
  }

  func read(_ number: UInt8, _ coded: [UInt8], base: [UInt8]?, _ format: BlockFormat, count: Int) throws -> [UInt8] {
    var out = [UInt8](repeating: 0xa5, count: count)
    try out.withUnsafeMutableBytes { out in
      try coded.withUnsafeBytes { coded in
        guard let base else { return try decode(number, coded, base: nil, format: format, into: out) }
        try base.withUnsafeBytes { try decode(number, coded, base: $0, format: format, into: out) }
      }
    }
    return out
  }
}

/// Every width, as floats and as integers.
let formats = [1, 2, 4, 8].flatMap { width in
  [BlockFormat(width: width, mantissa: [1: 3, 2: 7, 4: 23, 8: 52][width]!), BlockFormat(width: width, mantissa: 0)]
}
