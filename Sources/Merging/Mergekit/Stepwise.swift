internal import Glibc

/// The type in which mergekit computes: every operation is done in f32 and rounded once to it, as torch does on a CPU.
protocol WorkingType {
  /// The type of probabilities and of what is pruned by them; torch draws no random f16.
  associatedtype Drawing: WorkingType
  /// True for types of two bytes, which torch's sums take sixteen at a time, in two halves.
  static var isHalf: Bool { get }
  /// Rounds to the nearest value of the type, ties to even.
  static func round(_ x: Float) -> Float
}

enum WorkingBF16: WorkingType {
  typealias Drawing = WorkingBF16
  static var isHalf: Bool { true }

  @inline(__always)
  static func round(_ x: Float) -> Float {
    let bits = x.bitPattern
    if x.isNaN { return Float(bitPattern: 0x7FC0_0000) }
    return Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
  }
}

enum WorkingF16: WorkingType {
  typealias Drawing = WorkingF32
  static var isHalf: Bool { true }

  @inline(__always)
  static func round(_ x: Float) -> Float { Float(Float16(x)) }
}

enum WorkingF32: WorkingType {
  typealias Drawing = WorkingF32
  static var isHalf: Bool { false }

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

  /// The sums over `terms` of each of `count` elements in f32, as torch's CPU kernel has them; the caller rounds.
  static func sum(_ terms: [Values], count: Int) -> Values {
    sum(terms.count, count: count) { terms[$0][$1] }
  }

  /// The same of terms made by `term(number, element)`.
  @inline(__always)
  static func sum(_ terms: Int, count: Int, _ term: (Int, Int) -> Float) -> Values {
    let vectors = terms > 4 ? Cascade.wholeColumns(of: count, isHalf: Working.isHalf) : count
    return each(count) { index in
      if index >= vectors { return Cascade.fours(terms) { term($0, index) } }
      if terms >= 16 { return Cascade.chain(terms) { term($0, index) } }
      var total: Float = 0
      for number in 0..<terms { total += term(number, index) }
      return total
    }
  }

  /// The sum of `count` values in f32, in the order of torch's CPU kernel for a whole tensor.
  static func total(_ count: Int, _ body: (Int) -> Float) -> Float {
    let values = each(count, body)
    return Working.isHalf ? Cascade.sumOfHalves(values) : Cascade.sum(values)
  }

  /// The Euclidean norm in f32, unrounded, as torch's CPU kernel has it: eight running sums, then those in order. On
  /// large tensors it is visibly off, and that has to be reproduced; so have the fused additions at its end.
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
      for index in whole..<values.count & ~3 { total += values[index] * values[index] }
      for index in values.count & ~3..<values.count { total = total.addingProduct(values[index], values[index]) }
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
