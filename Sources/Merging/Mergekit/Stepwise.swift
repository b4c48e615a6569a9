internal import Glibc

/// The type in which mergekit computes: every operation is done in f32 and rounded once to it, as torch does on a CPU.
protocol WorkingType {
  /// Rounds to the nearest value of the type, ties to even.
  static func round(_ x: Float) -> Float
}

enum WorkingBF16: WorkingType {
  @inline(__always)
  static func round(_ x: Float) -> Float {
    let bits = x.bitPattern
    if x.isNaN { return Float(bitPattern: 0x7FC0_0000) }
    return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
  }
}

enum WorkingF16: WorkingType {
  @inline(__always)
  static func round(_ x: Float) -> Float { Float(Float16(x)) }
}

enum WorkingF32: WorkingType {
  @inline(__always)
  static func round(_ x: Float) -> Float { x }
}

/// Whole-tensor operations of `Working`, each with one rounding. Values are f32 that `Working` holds exactly.
enum Stepwise<Working: WorkingType> {
  typealias Values = [Float]

  @inline(__always)
  static func r(_ x: Float) -> Float { Working.round(x) }

  /// A parameter rounded to the working type.
  static func r(_ x: Double) -> Float { Working.round(Float(x)) }

  /// `count` elements, each computed alone.
  @inline(__always)
  static func each(_ count: Int, _ body: (Int) -> Float) -> Values {
    Values(unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0..<count { buffer[index] = body(index) }
      initialized = count
    }
  }

  /// The sum of terms from the first to the last in f32; the caller rounds.
  static func sum(_ terms: [Values], count: Int) -> Values {
    var total = Values(repeating: 0, count: count)
    for term in terms {
      for index in 0..<count { total[index] += term[index] }
    }
    return total
  }

  /// The sum of `count` values in f32, in the order of torch's CPU kernel for a whole tensor.
  static func total(_ count: Int, _ body: (Int) -> Float) -> Float { Cascade.sum(each(count, body)) }

  /// The Euclidean norm in f32, unrounded, as torch's CPU kernel has it: eight running sums, then those in order. On
  /// large tensors it is visibly off, and that has to be reproduced.
  static func norm(_ values: ArraySlice<Float>) -> Float {
    var lanes = SIMD8<Float>(repeating: 0)
    var total: Float = 0
    values.withUnsafeBufferPointer { values in
      let whole = values.count & ~7
      for start in stride(from: 0, to: whole, by: 8) {
        let part = UnsafeRawPointer(values.baseAddress! + start).loadUnaligned(as: SIMD8<Float>.self)
        lanes += part * part
      }
      for lane in 0..<8 { total += lanes[lane] }
      for index in whole..<values.count { total += values[index] * values[index] }
    }
    return total.squareRoot()
  }

  static func norm(_ values: Values) -> Float { norm(values[...]) }

  /// `a - b`.
  static func difference(_ a: Values, _ b: Values) -> Values { each(a.count) { r(a[$0] - b[$0]) } }

  /// `a + b`.
  static func addition(_ a: Values, _ b: Values) -> Values { each(a.count) { r(a[$0] + b[$0]) } }

  @inline(__always)
  static func clamp(_ x: Float, _ low: Float, _ high: Float) -> Float { x < low ? low : x > high ? high : x }
}

/// torch's sum of a contiguous f32 tensor on a CPU (`SumKernel.cpp`, cascade summation): vectors of eight in four
/// interleaved chains, each chain in four levels.
enum Cascade {
  static func sum(_ values: [Float]) -> Float {
    values.withUnsafeBytes { bytes in
      let vectors = values.count / 8
      var total: Float = 0
      for index in vectors * 8..<values.count { total += values[index] }
      let lanes = rows(bytes, vectors)
      for lane in 0..<8 { total += lanes[lane] }
      return total
    }
  }

  private static func rows(_ bytes: UnsafeRawBufferPointer, _ vectors: Int) -> SIMD8<Float> {
    func vector(_ index: Int) -> SIMD8<Float> {
      bytes.loadUnaligned(fromByteOffset: index * 32, as: SIMD8<Float>.self)
    }
    let zero = SIMD8<Float>(repeating: 0)
    let size = vectors / 4
    let bits = size <= 1 ? 0 : Int.bitWidth - (size - 1).leadingZeroBitCount
    let power = max(4, bits / 4)
    let step = 1 << power
    var levels = [[SIMD8<Float>]](repeating: [zero, zero, zero, zero], count: 4)
    var row = 0
    while row + step <= size {
      var (a, b, c, d) = (levels[0][0], levels[0][1], levels[0][2], levels[0][3])
      for index in row..<row + step {
        a += vector(index * 4)
        b += vector(index * 4 + 1)
        c += vector(index * 4 + 2)
        d += vector(index * 4 + 3)
      }
      levels[0] = [a, b, c, d]
      row += step
      for level in 1..<4 {
        for chain in 0..<4 { levels[level][chain] += levels[level - 1][chain] }
        levels[level - 1] = [zero, zero, zero, zero]
        if row & ((step - 1) << (level * power)) != 0 { break }
      }
    }
    while row < size {
      for chain in 0..<4 { levels[0][chain] += vector(row * 4 + chain) }
      row += 1
    }
    for level in 1..<4 {
      for chain in 0..<4 { levels[0][chain] += levels[level][chain] }
    }
    for index in size * 4..<vectors { levels[0][0] += vector(index) }
    return levels[0][0] + levels[0][1] + levels[0][2] + levels[0][3]
  }
}
