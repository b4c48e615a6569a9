internal import CKernels

/// The change of each element from the base's, in tokens, raw bits and escapes.
///
/// A fine-tune moves weights by about as much whatever their size, so a change in units of the weight's last place
/// depends on the weight's exponent, which the base tells, and on how much the weights around it move, of which the
/// block stores one number for 128. Both together choose among 41 tables. `BlockCodecs.md` has the format and what was
/// tried.
final class ChangeCodec {
  static let lanes = 64
  private static let statesBytes = 4 * lanes
  private static let headBytes = 18
  private static let padding = 8
  /// Elements that are worked on at once: a multiple of groups and lanes.
  private static let tile = 4096
  private static let group = Int(CK_CHANGE_GROUP)

  private let path: Int32
  private let slots = UnsafeMutablePointer<UInt32>.allocate(capacity: ChangeTables.contexts * ChangeTables.scale)
  /// Contexts whose slots are those of a context without a table.
  private var blank = [Bool](repeating: false, count: ChangeTables.contexts)
  private let buffers = ChangeBuffers()

  /// - Parameter path: which of the processor's ways to take (`NibbleCoder.paths`).
  init(path: Int32 = NibbleCoder.paths.upperBound) { self.path = path }

  deinit { slots.deallocate() }

  /// Whether changes of such elements can be coded.
  static func applies(to format: BlockFormat) -> Bool {
    switch format.width {
    case 1: [0, 2, 3].contains(format.mantissa)
    case 2: [0, 7, 10].contains(format.mantissa)
    case 4: [0, 23].contains(format.mantissa)
    default: false
    }
  }

  // MARK: Encoding

  /// Nil where the result does not fit `out`, or the block is no whole number of elements.
  func encode(
    _ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer, format: BlockFormat, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard block.count % format.width == 0 else { return nil }
    let narrow = coder.narrow(block.count / 4)
    guard let type = NarrowType.narrow(block, format: format, into: narrow.block) else {
      return encode(block, base: base, format: format, form: 0, coder: coder, into: out)
    }
    type.round(base, into: narrow.base)
    return encode(
      UnsafeRawBufferPointer(narrow.block), base: UnsafeRawBufferPointer(narrow.base), format: type.format,
      form: type.rawValue, coder: coder, into: out)
  }

  private func encode(
    _ block: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer, format: BlockFormat, form: UInt8, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) -> Int? {
    let (width, mantissa, n) = (Int32(format.width), Int32(format.mantissa), block.count / format.width)
    let room = buffers.coding(n, width: format.width, tile: Self.tile)
    let scales = UnsafeMutableBufferPointer(start: room.scales, count: (n + Self.group - 1) / Self.group)
    ck_change_scales(block.baseAddress, base.baseAddress, n, width, mantissa, scales.baseAddress)
    let least = Self.limit(scales)
    let counts = UnsafeMutableBufferPointer(
      start: room.counts, count: ChangeTables.contexts * ChangeTables.tokens)
    counts.update(repeating: 0)
    var (rawEnd, escapeEnd) = (0, 0)
    for start in stride(from: 0, to: n, by: Self.tile) {
      let (count, at) = (min(Self.tile, n - start), start * format.width)
      let scale = scales.baseAddress! + start / Self.group
      let (x, b) = (block.baseAddress! + at, base.baseAddress! + at)
      let (contexts, tokens) = (room.contexts + start, room.tokens + start)
      ck_change_contexts(b, scale, count, width, mantissa, contexts, room.bits)
      ck_change_split(x, b, scale, contexts, room.bits, count, width, mantissa, tokens, room.raw)
      escapeEnd = ck_change_escape_put(
        x, b, contexts, room.bits, count, width, mantissa, tokens, room.escapes, escapeEnd, 8 * room.streamBytes)
      guard escapeEnd >= 0 else { return nil }
      rawEnd = ck_raw_put(path, room.bits, room.raw, count, max(2, width), room.rawBits, rawEnd)
      ck_change_count(contexts, tokens, count, counts.baseAddress)
    }
    let tables = ChangeTables(counted: UnsafeBufferPointer(counts))
    let words = ck_rans_encode(
      path, room.tokens, room.contexts, n, Self.codes(tables), ChangeTables.tokens, room.wordsEnd, n, room.states,
      Self.lanes)
    let side = tables.bytes
    let parts = Self.statesBytes + 2 * words + (rawEnd + 7) / 8 + (escapeEnd + 7) / 8 + Self.padding
    guard words >= 0, Self.headBytes + parts + scales.count + side.count + 2 * PlaneTable.entryBytes <= out.count else {
      return nil
    }
    for index in scales.indices {
      room.bytes[index] = Self.byte(scales[index], least)
    }
    var writer = ByteWriter(out)
    writer.put(form)
    writer.put(0 as UInt8)
    writer.put(Int16(least))
    writer.put(UInt32(words))
    writer.put(UInt32((rawEnd + 7) / 8))
    writer.put(UInt32((escapeEnd + 7) / 8))
    writer.put(UInt16(side.count))
    PlaneTable.put(UnsafeRawBufferPointer(start: room.bytes, count: scales.count), coder: coder, into: &writer)
    side.withUnsafeBytes { PlaneTable.put($0, coder: coder, into: &writer) }
    writer.put(UnsafeRawBufferPointer(start: room.states, count: Self.statesBytes))
    writer.put(UnsafeRawBufferPointer(start: room.wordsEnd - words, count: 2 * words))
    writer.put(UnsafeRawBufferPointer(start: room.rawBits, count: (rawEnd + 7) / 8))
    writer.put(UnsafeRawBufferPointer(start: room.escapes, count: (escapeEnd + 7) / 8))
    writer.put(0 as UInt64)
    return writer.count
  }

  private static let equal = Int16.min
  private static let relative = Int16(CK_CHANGE_RELATIVE)
  /// The first byte of a relative scale, which is of -10 half octaves.
  private static let firstRelative = 128

  /// What is stored of a scale.
  private static func byte(_ scale: Int16, _ least: Int) -> UInt8 {
    if scale == equal { return 0 }
    return UInt8(scale >= relative / 2 ? Int(scale - relative) + 10 + firstRelative : Int(scale) - least + 1)
  }

  private static func scale(_ byte: UInt8, _ least: Int) -> Int16 {
    if byte == 0 { return equal }
    return byte >= firstRelative ? relative + Int16(Int(byte) - firstRelative - 10) : Int16(least + Int(byte) - 1)
  }

  /// Brings the scales within 126 of the largest and returns the least there is.
  private static func limit(_ scales: UnsafeMutableBufferPointer<Int16>) -> Int {
    guard let largest = scales.lazy.filter({ $0 != equal && $0 < relative / 2 }).max() else { return 0 }
    var least = Int(largest)
    for index in scales.indices where scales[index] != equal && scales[index] < relative / 2 {
      scales[index] = max(scales[index], largest - 126)
      least = min(least, Int(scales[index]))
    }
    return least
  }

  /// Of each token of each context its frequency and, in the upper half, the sum of those before it.
  private static func codes(_ tables: ChangeTables) -> [UInt32] {
    var codes: [UInt32] = []
    codes.reserveCapacity(ChangeTables.contexts * ChangeTables.tokens)
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: ChangeTables.tokens) { frequencies in
      for context in 0..<ChangeTables.contexts {
        tables.frequencies(context, into: frequencies.baseAddress!)
        codes += FrequencyTable.codes(frequencies)
      }
    }
    return codes
  }

  // MARK: Decoding

  /// Fills `out` exactly, or throws.
  func decode(
    _ coded: UnsafeRawBufferPointer, base: UnsafeRawBufferPointer?, format: BlockFormat, coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    let base = try format.checked(base, for: out)
    guard Self.applies(to: format) else { throw .change(reason: "elements of \(format.width) bytes") }
    if coded.first == 0 { return try decode(coded, base, format, coder, into: out) }
    guard let type = coded.first.flatMap(NarrowType.init) else { throw .change(reason: "no known form") }
    guard format == .f32 else { throw .change(reason: "narrowed, but not from F32") }
    let narrow = coder.narrow(out.count / 4)
    type.round(base, into: narrow.base)
    try decode(coded, UnsafeRawBufferPointer(narrow.base), type.format, coder, into: narrow.block)
    type.widen(UnsafeRawBufferPointer(narrow.block), into: out)
  }

  private func decode(
    _ coded: UnsafeRawBufferPointer, _ base: UnsafeRawBufferPointer, _ format: BlockFormat, _ coder: BlockCoder,
    into out: UnsafeMutableRawBufferPointer
  ) throws(CodecError) {
    let (width, mantissa, n) = (Int32(format.width), Int32(format.mantissa), out.count / format.width)
    let room = buffers.decoding(groups: (n + Self.group - 1) / Self.group, tile: Self.tile)
    let parts = try parts(of: coded, groups: (n + Self.group - 1) / Self.group, room, coder)
    var (used, rawAt, escapeAt) = (0, 0, 0)
    for start in stride(from: 0, to: n, by: Self.tile) {
      let (count, at) = (min(Self.tile, n - start), start * format.width)
      let scale = room.scales + start / Self.group
      let (b, target) = (base.baseAddress! + at, out.baseAddress! + at)
      let groups = UnsafeBufferPointer(start: scale, count: (count + Self.group - 1) / Self.group)
      if groups.allSatisfy({ $0 == Self.equal }) {
        target.copyMemory(from: b, byteCount: count * format.width)
        continue
      }
      ck_change_contexts(b, scale, count, width, mantissa, room.contexts, room.bits)
      guard
        ck_rans_decode(
          path, room.tokens, room.contexts, count, slots, parts.words.baseAddress, parts.words.count / 2, &used,
          room.states, Self.lanes) == 1
      else { throw .change(reason: "too few words") }
      // Most tiles are far enough from the end whatever their bits are.
      let left = 8 * parts.raw.count - rawAt
      guard 8 * count * format.width <= left || ck_raw_sum(room.bits, count) <= left else {
        throw .change(reason: "too few raw bits")
      }
      rawAt = ck_raw_take(
        path, room.bits, count, max(2, width), parts.raw.baseAddress!.assumingMemoryBound(to: UInt8.self), rawAt,
        room.raw)
      ck_change_join(b, scale, room.contexts, room.bits, room.tokens, room.raw, count, width, mantissa, target)
      escapeAt = ck_change_escape_take(
        b, room.contexts, room.bits, room.tokens, room.raw, count, width, mantissa,
        parts.escapes.baseAddress!.assumingMemoryBound(to: UInt8.self), escapeAt, 8 * parts.escapes.count, target)
      guard escapeAt >= 0 else { throw .change(reason: "an escape that is none, or too few bits of escapes") }
    }
    guard used == parts.words.count / 2, ck_rans_is_whole(room.states, Self.lanes) == 1,
      (rawAt + 7) / 8 == parts.raw.count, (escapeAt + 7) / 8 == parts.escapes.count
    else { throw .change(reason: "words, states and bits that do not come out even") }
  }

  /// Where the parts of a coded block lie. Each is followed by eight bytes at least.
  private typealias Parts = (
    words: UnsafeRawBufferPointer, raw: UnsafeRawBufferPointer, escapes: UnsafeRawBufferPointer
  )

  /// Reads head, scales, tables and states; checks that the rest has the lengths that the head says.
  private func parts(
    of coded: UnsafeRawBufferPointer, groups: Int, _ room: ChangeBuffers.Decoding, _ coder: BlockCoder
  ) throws(CodecError) -> Parts {
    guard coded.count >= Self.headBytes, coded[1] == 0 else { throw .change(reason: "no head") }
    func field<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> Int {
      Int(T(littleEndian: coded.loadUnaligned(fromByteOffset: offset, as: T.self)))
    }
    let least = field(2, Int16.self)
    let (words, raw) = (2 * field(4, UInt32.self), field(8, UInt32.self))
    let (escapes, tableBytes) = (field(12, UInt32.self), field(16, UInt16.self))
    guard abs(least) <= 1024 else { throw .change(reason: "impossible scales") }
    var at = Self.headBytes
    let bytes = UnsafeMutableRawBufferPointer(start: room.bytes, count: max(groups, tableBytes))
    let side = UnsafeMutableRawBufferPointer(rebasing: bytes[..<groups])
    try PlaneTable.take(coded, &at, into: side, coder: coder)
    for index in 0..<groups { room.scales[index] = Self.scale(side[index], least) }
    let tables = UnsafeMutableRawBufferPointer(rebasing: bytes[..<tableBytes])
    try PlaneTable.take(coded, &at, into: tables, coder: coder)
    guard let tables = ChangeTables(bytes: UnsafeRawBufferPointer(tables)) else { throw .change(reason: "no tables") }
    try makeSlots(tables)
    guard coded.count - at == Self.statesBytes + words + raw + escapes + Self.padding else {
      throw .change(reason: "parts that do not fill the block")
    }
    UnsafeMutableRawPointer(room.states).copyMemory(from: coded.baseAddress! + at, byteCount: Self.statesBytes)
    at += Self.statesBytes
    func part(_ count: Int) -> UnsafeRawBufferPointer {
      defer { at += count }
      return UnsafeRawBufferPointer(rebasing: coded[at..<at + count])
    }
    return (part(words), part(raw), part(escapes))
  }

  private func makeSlots(_ tables: ChangeTables) throws(CodecError) {
    let areTables = withUnsafeTemporaryAllocation(of: UInt16.self, capacity: ChangeTables.tokens) { frequencies in
      (0..<ChangeTables.contexts).allSatisfy { context in
        if blank[context] && tables.isEmpty(context) { return true }
        blank[context] = tables.isEmpty(context)
        tables.frequencies(context, into: frequencies.baseAddress!)
        return ck_rans_slots_make(
          slots + context * ChangeTables.scale, frequencies.baseAddress!, ChangeTables.tokens, Self.lanes) == 1
      }
    }
    guard areTables else { throw .change(reason: "frequencies that are no table") }
  }
}
