import Codecs
import Glibc
import Lineage
import Objects
import Tensors

/// What the blocks of an object are compared with: a stored object, whose elements may be of another float type.
struct DeltaBase: Sendable {
  let reader: ObjectReader
  /// To the object's dtype; nil where the bytes are taken as they are.
  let cast: FloatCast?

  var digest: Digest { reader.trailer.digest }
  /// The cast in a frame's trailer.
  var castFrom: UInt8 { cast?.source.code ?? 0 }
  /// Its bytes, once they are cast.
  var size: Int { cast.map { reader.size / $0.sourceBytes * $0.targetBytes } ?? reader.size }

  /// The bytes that stand beside a raw range of the object, which is whole elements: the same elements, cast; zeros
  /// past the end.
  func block(_ range: Range<Int>, _ space: Workspace, level: Int) throws -> UnsafeRawBufferPointer {
    if cast == nil { return try reader.block(range, space, level: level) }
    let out = space.buffer(ObjectReader.buffer(.cast, level: level), count: range.count)
    try fill(out, with: range, space, level: level)
    return UnsafeRawBufferPointer(out)
  }

  /// The same, into a buffer of the caller's.
  func fill(
    _ out: UnsafeMutableRawBufferPointer, with range: Range<Int>, _ space: Workspace, level: Int
  ) throws {
    guard let cast else { return try reader.fill(out, with: range, space, level: level) }
    let first = range.lowerBound / cast.targetBytes * cast.sourceBytes
    let count = range.count / cast.targetBytes * cast.sourceBytes
    cast.fill(out, from: try reader.block(first..<first + count, space, level: level))
  }
}

extension FloatCast {
  var sourceBytes: Int { source.bits / 8 }
  var targetBytes: Int { target.bits / 8 }
}

extension Workspace {
  /// Codes a block of an object, which has this raw range; on a base where there is one that reaches so far.
  ///
  /// - Parameter proving: decodes it again, and throws where that gives other bytes.
  func encode(
    _ bytes: UnsafeRawBufferPointer, at range: Range<Int>, on base: DeltaBase?, format: BlockFormat,
    into out: UnsafeMutableRawBufferPointer, proving: Bool = false
  ) throws -> (codec: BlockCodec, count: Int) {
    var theirs: UnsafeRawBufferPointer?
    if let base, base.size > range.lowerBound, !range.isEmpty { theirs = try base.block(range, self, level: 0) }
    let coded = coder.encode(bytes, base: theirs, format: format, into: out)
    guard proving, !range.isEmpty else { return coded }
    let decoded = buffer(33, count: range.count)
    try coder.decode(
      coded.codec.rawValue, UnsafeRawBufferPointer(rebasing: out[..<coded.count]), base: theirs, format: format,
      into: decoded)
    guard memcmp(decoded.baseAddress!, bytes.baseAddress!, range.count) == 0 else {
      throw RepositoryError(.internal, "a block of \(range.count) bytes that \(coded.codec) does not give back")
    }
    return coded
  }
}

extension Manifest.TensorEntry {
  /// True where a delta of a tensor against this one makes sense: the same extents but for the number of rows, and the
  /// same dtype, or one that this one's elements can be cast to.
  func isBase(for dtype: DType, _ shape: Shape) -> Bool {
    (dtype == self.dtype || FloatCast(from: self.dtype, to: dtype) != nil)
      && shape.dimensions.count == self.shape.dimensions.count
      && shape.dimensions.dropFirst() == self.shape.dimensions.dropFirst()
  }
}

extension Repository {
  /// What a tensor is a delta against, where this one fits it; `steps` as below.
  func openBase(
    _ base: Manifest.TensorEntry, for dtype: DType, _ shape: Shape, below steps: Int = 1
  ) throws -> DeltaBase? {
    guard base.isBase(for: dtype, shape) else { return nil }
    return try openBase(base.digest, base.dtype, for: dtype, below: steps)
  }

  /// What a tensor of dtype `own` is a delta against: this object, whose elements are of `dtype`; where its chain has
  /// no room for one more step, what is so many steps below it.
  func openBase(_ digest: Digest, _ dtype: DType, for own: DType, below steps: Int = 1) throws -> DeltaBase? {
    guard let row = try lineage.object(digest) else { return nil }
    let chain = row.depth < Self.depthLimit ? [digest] : try chain(from: digest)
    let place = chain.count == 1 ? 0 : min(max(1, steps), chain.count - 1)
    return try deltaBase(chain[place], place == 0 ? dtype : nil, for: own)
  }

  /// An object, and those that it rests on, one below the other.
  func chain(from digest: Digest) throws -> [Digest] {
    var chain: [Digest] = []
    var next = Optional(digest)
    while let step = next, let row = try lineage.object(step) {
      chain.append(step)
      next = row.base
    }
    return chain
  }

  /// This very object as a base. Nil where it is not stored, or its elements have another type and there is no cast.
  ///
  /// - Parameter dtype: what a manifest says that the elements are; nil takes its frame's word.
  func deltaBase(_ digest: Digest, _ dtype: DType?, for own: DType) throws -> DeltaBase? {
    guard let reader = try openObject(digest), let theirs = dtype ?? DType(code: reader.trailer.dtype) else {
      return nil
    }
    if theirs == own { return DeltaBase(reader: reader, cast: nil) }
    // The same bytes may be elements of several types; not all have room for whole elements of each.
    guard let cast = FloatCast(from: theirs, to: own), reader.size % cast.sourceBytes == 0 else { return nil }
    return DeltaBase(reader: reader, cast: cast)
  }
}
