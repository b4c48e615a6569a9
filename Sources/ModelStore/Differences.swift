import Tensors

/// How far two runs of elements are apart: sums in f64, over fixed blocks in a fixed order, so that the number of
/// threads changes nothing.
struct Differences: Sendable {
  var changed = 0
  var elements = 0
  /// Σa², Σb², Σab, Σ(b − a)².
  var squaresA = 0.0
  var squaresB = 0.0
  var products = 0.0
  var squares = 0.0
  var maximum = 0.0
  /// False for dtypes that are compared as bits only.
  var hasNumbers = true

  /// Elements that are compared at once; stored and widened they stay in the cache.
  private static let strip = 4096

  static func += (sum: inout Differences, part: Differences) {
    sum.changed += part.changed
    sum.elements += part.elements
    sum.squaresA += part.squaresA
    sum.squaresB += part.squaresB
    sum.products += part.products
    sum.squares += part.squares
    sum.maximum = max(sum.maximum, part.maximum)
    sum.hasNumbers = sum.hasNumbers && part.hasNumbers
  }

  private var isFinite: Bool { hasNumbers && squaresA.isFinite && squaresB.isFinite && squares.isFinite }

  var relativeL2: Double? {
    guard isFinite else { return nil }
    return squares == 0 ? 0 : (squares / squaresA).squareRoot()
  }

  /// 1 where both are all zeros, 0 where one is.
  var cosine: Double? {
    guard isFinite else { return nil }
    if squares == 0 { return 1 }
    let length = squaresA.squareRoot() * squaresB.squareRoot()
    return length == 0 ? 0 : min(1, max(-1, products / length))
  }

  var largest: Double? { isFinite ? maximum : nil }

  /// Compares two blocks of as many elements, aligned to eight bytes: as bits where they are of one dtype, else as the
  /// numbers that they stand for.
  init(
    _ a: UnsafeRawBufferPointer, _ first: DType, _ b: UnsafeRawBufferPointer, _ second: DType, _ space: Workspace
  ) {
    let width = max(1, first.bits / 8)
    elements = a.count / width
    if first == second {
      switch width {
      case 1: changed = Self.unequal(a, b, as: UInt8.self)
      case 2: changed = Self.unequal(a, b, as: UInt16.self)
      case 4: changed = Self.unequal(a, b, as: UInt32.self)
      default: changed = Self.unequal(a, b, as: UInt64.self)
      }
    }
    hasNumbers = first.isMergeable && second.isMergeable
    if !hasNumbers { return }
    if first == .f64 || second == .f64 {
      measure(a, first, b, second, space, as: Double.self)
    } else {
      measure(a, first, b, second, space, as: Float.self)
    }
  }

  init() {}

  /// Equal elements of a number, unread.
  init(equal elements: Int) { self.elements = elements }

  private static func unequal<Unit: FixedWidthInteger>(
    _ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer, as unit: Unit.Type
  ) -> Int {
    let (left, right) = (a.assumingMemoryBound(to: Unit.self), b.assumingMemoryBound(to: Unit.self))
    var count = 0
    for index in left.indices { count += left[index] == right[index] ? 0 : 1 }
    return count
  }

  private mutating func measure<Wide: Widened>(
    _ a: UnsafeRawBufferPointer, _ first: DType, _ b: UnsafeRawBufferPointer, _ second: DType, _ space: Workspace,
    as type: Wide.Type
  ) {
    let bytes = Self.strip * MemoryLayout<Wide>.stride
    let left = space.buffer(52, count: bytes).assumingMemoryBound(to: Wide.self)
    let right = space.buffer(53, count: bytes).assumingMemoryBound(to: Wide.self)
    var lanes = Lanes()
    for start in stride(from: 0, to: elements, by: Self.strip) {
      let count = min(Self.strip, elements - start)
      for (source, dtype, target) in [(a, first, left), (b, second, right)] {
        let wide = UnsafeMutableBufferPointer(rebasing: target[..<count])
        let stored = start * dtype.bits / 8..<(start + count) * dtype.bits / 8
        Wide.widen(UnsafeRawBufferPointer(rebasing: source[stored]), dtype, into: wide)
        // Zeros change no sum.
        for index in count..<(count + 7) & ~7 { target[index] = 0 }
      }
      if first != second { for index in 0..<count where left[index] != right[index] { changed += 1 } }
      for index in stride(from: 0, to: count, by: 8) {
        lanes.add(
          Wide.eight(UnsafePointer(left.baseAddress! + index)), Wide.eight(UnsafePointer(right.baseAddress! + index)))
      }
    }
    (squaresA, squaresB) = (lanes.squaresA.sum(), lanes.squaresB.sum())
    (products, squares) = (lanes.products.sum(), lanes.squares.sum())
    maximum = lanes.maximum.max()
  }
}

/// Eight running sums of each kind: element i goes to lane i mod 8.
private struct Lanes {
  var squaresA = SIMD8<Double>.zero
  var squaresB = SIMD8<Double>.zero
  var products = SIMD8<Double>.zero
  var squares = SIMD8<Double>.zero
  var maximum = SIMD8<Double>.zero

  @inline(__always) mutating func add(_ a: SIMD8<Double>, _ b: SIMD8<Double>) {
    let change = b - a
    squaresA += a * a
    squaresB += b * b
    products += a * b
    squares += change * change
    let size = change.replacing(with: -change, where: change .< 0)
    maximum.replace(with: size, where: size .> maximum)
  }
}

/// Elements that are summed eight at a time.
private protocol Widened: WideElement {
  static func eight(_ elements: UnsafePointer<Self>) -> SIMD8<Double>
}

extension Float: Widened {
  @inline(__always) fileprivate static func eight(_ elements: UnsafePointer<Float>) -> SIMD8<Double> {
    SIMD8<Double>(UnsafeRawPointer(elements).loadUnaligned(as: SIMD8<Float>.self))
  }
}

extension Double: Widened {
  @inline(__always) fileprivate static func eight(_ elements: UnsafePointer<Double>) -> SIMD8<Double> {
    UnsafeRawPointer(elements).loadUnaligned(as: SIMD8<Double>.self)
  }
}
