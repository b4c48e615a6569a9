/// torch's sum of a contiguous f32 tensor on a CPU (`SumKernel.cpp`, cascade summation): vectors of eight in four
/// interleaved chains, each chain in four levels.
enum Cascade {
  static func sum(_ values: [Float]) -> Float {
    if values.count < 8 { return fours(values.count) { values[$0] } }
    return values.withUnsafeBytes { bytes in
      let vectors = values.count / 8
      var total: Float = 0
      for index in vectors * 8..<values.count { total += values[index] }
      let lanes = rows(bytes, vectors)
      for lane in 0..<8 { total += lanes[lane] }
      return total
    }
  }

  /// The same of bf16 or f16: each vector of sixteen is first folded to eight.
  static func sumOfHalves(_ values: [Float]) -> Float {
    if values.count < 16 { return fours(values.count) { values[$0] } }
    let vectors = values.count / 16
    var total: Float = 0
    for index in vectors * 16..<values.count { total += values[index] }
    var folded = [Float](repeating: 0, count: vectors * 8)
    for vector in 0..<vectors {
      for lane in 0..<8 { folded[vector * 8 + lane] = values[vector * 16 + lane] + values[vector * 16 + 8 + lane] }
    }
    let lanes = folded.withUnsafeBytes { rows($0, vectors) }
    for lane in 0..<8 { total += lanes[lane] }
    return total
  }

  /// The dot product of two f32 vectors as MKL has it on an AMD processor: four by four running sums, nothing fused.
  /// Vectors behind the last sixteen elements go to the first, the second and the first sum again, what is left over
  /// behind the last four to the first number of the first sum.
  static func dot(_ a: [Float], _ b: [Float]) -> Float {
    var sums = [SIMD4<Float>](repeating: SIMD4(repeating: 0), count: 4)
    let (vectors, whole) = (a.count / 4, a.count / 16 * 4)
    a.withUnsafeBytes { a in
      b.withUnsafeBytes { b in
        for index in 0..<vectors {
          let left = a.loadUnaligned(fromByteOffset: index * 16, as: SIMD4<Float>.self)
          let right = b.loadUnaligned(fromByteOffset: index * 16, as: SIMD4<Float>.self)
          sums[index < whole ? index & 3 : (index - whole) & 1] += left * right
        }
      }
    }
    for index in vectors * 4..<a.count { sums[0].x += a[index] * b[index] }
    let four = sums[0] + sums[1] + sums[2] + sums[3]
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// How many of so many columns torch sums in vectors when it sums rows; those left over it sums in `fours`.
  static func wholeColumns(of count: Int, isHalf: Bool) -> Int { count & (isHalf ? ~63 : ~31) }

  /// One sum in four levels.
  static func chain(_ count: Int, _ term: (Int) -> Float) -> Float {
    let bits = count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
    let power = max(4, bits / 4)
    let step = 1 << power
    var levels = SIMD4<Float>(repeating: 0)
    var row = 0
    while row + step <= count {
      for index in row..<row + step { levels[0] += term(index) }
      row += step
      for level in 1..<4 {
        levels[level] += levels[level - 1]
        levels[level - 1] = 0
        if row & ((step - 1) << (level * power)) != 0 { break }
      }
    }
    while row < count {
      levels[0] += term(row)
      row += 1
    }
    return levels[0] + levels[1] + levels[2] + levels[3]
  }

  /// Four interleaved chains, what is left over with the first.
  static func fours(_ count: Int, _ term: (Int) -> Float) -> Float {
    let whole = count & ~3
    var sums = SIMD4<Float>(repeating: 0)
    for start in 0..<4 { sums[start] = chain(whole / 4) { term($0 * 4 + start) } }
    for index in whole..<count { sums[0] += term(index) }
    return sums[0] + sums[1] + sums[2] + sums[3]
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
