@testable import Codecs

/// What must hold of the codecs for any bytes: they decode or throw, every path alike, and whatever was decoded before.
final class CodecChecks {
  /// What decoding gave.
  enum Outcome: Equatable {
    case bytes([UInt8])
    case refused(CodecError)
  }

  // Used for one input after another, where others are new.
  private let coder = BlockCoder()
  private let changes = NibbleCoder.paths.map { ChangeCodec(path: $0) }
  private let nibbles = NibbleCoder.paths.map { NibbleCoder(path: $0) }

  /// What does not hold of an input; nil where all does.
  func fault(_ input: FuzzedBlock) -> String? {
    switch input.kind {
    case .coded: return outcome(input.payload, input).fault
    case .damages:
      guard var coded = code(input) else { return nil }
      input.damage(&coded)
      return outcome(coded, input).fault
    case .block:
      guard let coded = code(input) else { return nil }
      let (found, fault) = outcome(coded, input)
      return fault ?? (found == .bytes(input.block) ? roundTrip(input) : "codec \(input.codec) gives another block")
    }
  }

  // MARK: Decoding

  /// What decoding gives, and what does not hold of it.
  func outcome(_ coded: [UInt8], _ input: FuzzedBlock) -> (found: Outcome, fault: String?) {
    guard input.codec != FuzzedBlock.nibbles else { return halves(coded, input.count) }
    let found = decode(coded, input, coder)
    var others = [("a new coder", decode(coded, input, BlockCoder(), isSecond: true))]
    if input.codec == BlockCodec.change.rawValue {
      for (path, codec) in zip(NibbleCoder.paths, changes) {
        others.append(("path \(path)", decode(coded, input, coder, codec, isSecond: true)))
      }
    }
    return (found, others.first { $0.1 != found }.map { "codec \(input.codec): \($0.0) gives \($0.1), not \(found)" })
  }

  private func decode(
    _ coded: [UInt8], _ input: FuzzedBlock, _ coder: BlockCoder, _ changes: ChangeCodec? = nil, isSecond: Bool = false
  ) -> Outcome {
    Self.outcome(input.count, isSecond) { out throws(CodecError) in
      try Self.with(coded) { coded throws(CodecError) in
        try Self.with(input.base) { base throws(CodecError) in
          if let changes {
            try changes.decode(coded!, base: base, format: input.format, coder: coder, into: out)
          } else {
            try coder.decode(input.codec, coded!, base: base, format: input.format, into: out)
          }
        }
      }
    }
  }

  /// The same of a plane of halves of bytes.
  private func halves(_ coded: [UInt8], _ count: Int) -> (found: Outcome, fault: String?) {
    let all = (nibbles + NibbleCoder.paths.map { NibbleCoder(path: $0) }).enumerated().map { place, coder in
      Self.outcome(count, place > 0) { out throws(CodecError) in
        try Self.with(coded) { coded throws(CodecError) in
          if !coder.decode(coded!, into: out) { throw .planeTable(reason: "no halves") }
        }
      }
    }
    return (all[0], all.first { $0 != all[0] }.map { "a path of halves gives \($0), not \(all[0])" })
  }

  /// Decodes into memory of exactly that size, which holds other bytes before.
  private static func outcome(
    _ count: Int, _ isSecond: Bool, _ decode: (UnsafeMutableRawBufferPointer) throws(CodecError) -> Void
  ) -> Outcome {
    let out = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { out.deallocate() }
    out.initializeMemory(as: UInt8.self, repeating: isSecond ? 0x5A : 0xA5)
    do throws(CodecError) {
      try decode(out)
      return .bytes(Array(out))
    } catch {
      return .refused(error)
    }
  }

  /// Gives a copy in memory of exactly that size, where a sanitizer sees what lies outside.
  private static func with(
    _ bytes: [UInt8]?, _ use: (UnsafeRawBufferPointer?) throws(CodecError) -> Void
  ) throws(CodecError) {
    guard let bytes else { return try use(nil) }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    try use(UnsafeRawBufferPointer(copy))
  }

  // MARK: Encoding

  /// The block of an input, coded by the codec that it names; nil where that does not apply.
  func code(_ input: FuzzedBlock) -> [UInt8]? {
    let (block, format) = (input.block, input.format)
    switch input.codec {
    case 1: return made(block) { block, _, out in PlaneCodec.encode(block, format: format, coder: coder, into: out) }
    case 2:
      return made(block, input.base) { block, base, out in
        DeltaCodec.encode(block, base: base!, format: format, coder: coder, into: out)
      }
    case 4:
      guard ChangeCodec.applies(to: format) else { return nil }
      return made(block, input.base, room: 2 * block.count + 8192) { block, base, out in
        changes[0].encode(block, base: base!, format: format, coder: coder, into: out)
      }
    case 5: return made(block) { block, _, out in NarrowCodec.encode(block, format: format, coder: coder, into: out) }
    case 6:
      return made(block, input.base, room: 2 * block.count + 8192) { block, base, out in
        PrunedCodec.encode(block, base: base!, format: format, coder: coder, into: out)
      }
    case FuzzedBlock.nibbles:
      return made(block, room: 2 * block.count + 4096) { block, _, out in nibbles[0].encode(block, into: out) }
    case 3: return block == input.base ? [] : nil
    case 0: return block
    default: return nil
    }
  }

  /// What does not hold of the encoders: what they choose comes back, every path writes the same.
  private func roundTrip(_ input: FuzzedBlock) -> String? {
    let (block, format) = (input.block, input.format)
    guard block.count > 0 else { return nil }
    for base in [input.base, nil] {
      var codec = BlockCodec.raw
      let coded = made(block, base) { block, base, out in
        let made = coder.encode(block, base: base, format: format, into: out)
        codec = made.codec
        return made.count
      }
      guard let coded, coded.count <= block.count else { return "\(codec) makes more than the block" }
      let back = Self.outcome(block.count, true) { out throws(CodecError) in
        try Self.with(coded) { coded throws(CodecError) in
          try Self.with(base) { base throws(CodecError) in
            try coder.decode(codec.rawValue, coded!, base: base, format: format, into: out)
          }
        }
      }
      guard back == .bytes(block) else { return "\(codec) gives \(back) back" }
    }
    guard input.codec == BlockCodec.change.rawValue else { return nil }
    let all = (changes + [ChangeCodec()]).map { codec in
      made(block, input.base, room: 2 * block.count + 8192) { block, base, out in
        codec.encode(block, base: base!, format: format, coder: coder, into: out)
      }
    }
    return all.allSatisfy { $0 == all[0] } ? nil : "paths write different changes"
  }

  private func made(
    _ block: [UInt8], _ base: [UInt8]? = nil, room: Int? = nil,
    _ encode: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?, UnsafeMutableRawBufferPointer) -> Int?
  ) -> [UInt8]? {
    // Without a byte there is nothing to code; `BlockCoder` says so by itself.
    guard block.count > 0 else { return nil }
    let out = UnsafeMutableRawBufferPointer.allocate(
      byteCount: room ?? BlockCoder.capacity(for: block.count), alignment: 1)
    defer { out.deallocate() }
    let count = block.withUnsafeBytes { block in
      guard let base else { return encode(block, nil, out) }
      return base.withUnsafeBytes { encode(block, $0, out) }
    }
    return count.map { Array(out[..<$0]) }
  }
}
