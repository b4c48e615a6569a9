internal import Glibc

/// slerp, nuslerp, multislerp, karcher and nearswap of mergekit 0.1.5, one rounding an operation.
enum StepSpheres<Working: WorkingType> {
  typealias Step = Stepwise<Working>
  typealias Wide = Stepwise<WorkingF32>

  /// Norms and dot product over chunks of 2^20 elements in f32; one rounding at the end.
  static func slerp(_ a: [Float], _ b: [Float], t: Double) -> [Float] {
    let chunk = 1 << 20
    let chunks = stride(from: 0, to: a.count, by: chunk).map { $0..<min($0 + chunk, a.count) }
    func norm(_ values: [Float]) -> Float {
      let norm = Step.norm(chunks.map { Step.norm(values[$0]) })
      return norm > 1e-8 ? norm : 1
    }
    let (normA, normB) = (norm(a), norm(b))
    let dots = chunks.map { range in
      Wide.total(range.count) { (a[range.lowerBound + $0] / normA) * (b[range.lowerBound + $0] / normB) }
    }
    let dot = Step.clamp(Wide.total(dots.count) { dots[$0] }, -1, 1)
    var (shareA, shareB) = (1 - Float(t), Float(t))
    if dot.magnitude <= 0.9995 {
      let angle = acosf(dot)
      (shareA, shareB) = (sinf(shareA * angle) / sinf(angle), sinf(shareB * angle) / sinf(angle))
    }
    return Step.each(a.count) { Step.r(shareA * a[$0] + shareB * b[$0]) }
  }

  /// - Parameters:
  ///   - flatten: the tensor is one vector.
  ///   - rowWise: else vectors run along the first axis; without, along the last.
  static func nuslerp(_ tensor: StepTensor, weights: [Double], flatten: Bool, rowWise: Bool) -> [Float] {
    let sum = weights[0] + weights[1]
    let t = sum.magnitude < 1e-6 ? 0.5 : weights[1] / sum
    var (a, b) = (tensor.others[0], tensor.others[1])
    if let base = tensor.base { (a, b) = (Step.difference(a, base), Step.difference(b, base)) }
    var out = a
    let count = a.count
    let length: Int
    let stride: Int
    // Vectors as (first element, elements, distance).
    if flatten || tensor.shape.isEmpty {
      (length, stride) = (count, 1)
    } else if rowWise {
      length = tensor.shape[0]
      stride = length == 0 ? 1 : count / length
    } else {
      (length, stride) = (tensor.rowLength, 1)
    }
    guard length > 0 else { return out }
    for vector in 0..<count / length {
      let start = stride == 1 ? vector * length : vector
      // torch takes the columns of a matrix many at a time, and those left over otherwise.
      let isVector = vector < Cascade.wholeColumns(of: stride, isHalf: Working.isHalf)
      turn(a, b, start: start, length: length, stride: stride, isVector: isVector, t: t, into: &out)
    }
    return tensor.base.map { Step.addition($0, out) } ?? out
  }

  private static func turn(
    _ a: [Float], _ b: [Float], start: Int, length: Int, stride: Int, isVector: Bool, t: Double,
    into out: inout [Float]
  ) {
    func at(_ index: Int) -> Int { start + index * stride }
    let floor = Step.r(1e-7)
    func norm(_ values: [Float]) -> Float {
      if stride == 1 { return max(Step.r(Step.norm(values[start..<start + length])), floor) }
      var total: Float = 0
      for index in 0..<length { total += values[at(index)] * values[at(index)] }
      return max(Step.r(total.squareRoot()), floor)
    }
    let (normA, normB) = (norm(a), norm(b))
    func product(_ index: Int) -> Float { Step.r(Step.r(a[at(index)] / normA) * Step.r(b[at(index)] / normB)) }
    let sum =
      stride == 1
      ? Step.total(length, product) : isVector ? Cascade.chain(length, product) : Cascade.fours(length, product)
    let dot = Step.r(sum)
    let cosine = Step.clamp(dot, -1, 1)
    let (left, right) = (Float(1 - t), Float(t))
    if Step.r(1 - Step.r(cosine * cosine)) <= 1e-16 {
      for index in 0..<length {
        out[at(index)] = Step.r(Step.r(left * a[at(index)]) + Step.r(right * b[at(index)]))
      }
      return
    }
    let angle = Step.r(acosf(cosine))
    let (sinA, sinB) = (Step.r(sinf(Step.r(left * angle))), Step.r(sinf(Step.r(right * angle))))
    let sine = Step.r(sinf(angle))
    for index in 0..<length {
      out[at(index)] = Step.r(Step.r(Step.r(sinA * a[at(index)]) + Step.r(sinB * b[at(index)])) / sine)
    }
  }

  /// Nil where the weighted directions of more than two models cancel.
  static func multislerp(
    _ tensor: StepTensor, weights given: [Double], normalizes: Bool, epsilon: Double
  ) -> [Float]? {
    guard tensor.others.count > 1 else { return tensor.others[0] }
    let count = tensor.count
    let vectors = tensor.base.map { base in tensor.others.map { Step.difference($0, base) } } ?? tensor.others
    var weights = given.map { Step.r($0) }
    if normalizes {
      let sum = Step.r(Step.total(weights.count) { weights[$0] })
      weights = weights.map { Step.r($0 / sum) }
    }
    let epsilon = Step.r(epsilon)
    let norms = vectors.map { Step.r(Step.norm($0)) }
    let units = zip(vectors, norms).map { vector, norm in
      let length = Step.r(norm + epsilon)
      return Step.each(count) { Step.r(vector[$0] / length) }
    }
    func mean(_ terms: [[Float]]) -> [Float] {
      Step.sum(zip(terms, weights).map { term, weight in Step.each(count) { Step.r(term[$0] * weight) } }, count: count)
        .map { Step.r($0) }
    }
    var middle = mean(units)
    let length = Step.r(Step.norm(middle))
    var out: [Float]
    if length < epsilon {
      guard vectors.count == 2 else { return nil }
      out = mean(vectors)
    } else {
      middle = middle.map { Step.r($0 / length) }
      let tangents = units.map { unit in
        let dot = Step.r(Step.total(count) { Step.r(unit[$0] * middle[$0]) })
        return Step.each(count) { Step.r(unit[$0] - Step.r(dot * middle[$0])) }
      }
      let tangent = mean(tangents)
      let angle = Step.r(Step.r(Step.norm(tangent)) + epsilon)
      let (cosine, sine) = (Step.r(cosf(angle)), Step.r(Step.r(sinf(angle)) / angle))
      let scale = Step.r(Step.total(norms.count) { Step.r(norms[$0] * weights[$0]) })
      out = Step.each(count) {
        Step.r(Step.r(Step.r(middle[$0] * cosine) + Step.r(tangent[$0] * sine)) * scale)
      }
    }
    return tensor.base.map { Step.addition(out, $0) } ?? out
  }

  static func karcher(_ all: [[Float]], steps: Int, tolerance: Double) -> [Float] {
    if all.count == 1 { return all[0] }
    let count = all[0].count
    let tolerance = Float(tolerance)
    let norms = all.map { Step.norm($0) }
    let share = Float(1 / Double(all.count))
    let taking = norms.indices.filter { norms[$0] > tolerance }
    let scale = Step.r(norms.reduce(Float(0)) { $0 + $1 * share })
    guard !taking.isEmpty else { return [Float](repeating: 0, count: count) }
    let part = Float(1 / Double(taking.count))
    let units = taking.map { model in Step.each(count) { Step.r(all[model][$0] / norms[model]) } }
    var unit = [Float](repeating: 0, count: count)
    for other in units { unit = Step.each(count) { Step.r(unit[$0] + Step.r(part * other[$0])) } }
    let length = Step.norm(unit)
    unit = length < tolerance ? units[0] : unit.map { Step.r($0 / length) }
    for _ in 0..<max(0, steps) {
      var tangent = [Float](repeating: 0, count: count)
      for other in units {
        let dot = Step.clamp(
          Working.isHalf ? Step.r(Wide.total(count) { unit[$0] * other[$0] }) : Cascade.dot(unit, other), -1, 1)
        let angle = Step.r(acosf(dot))
        if angle < tolerance { continue }
        let factor = Step.r(part * Step.r(angle / Step.r(sinf(angle))))
        tangent = Step.each(count) {
          Step.r(tangent[$0] + Step.r(factor * Step.r(other[$0] - Step.r(dot * unit[$0]))))
        }
      }
      let distance = Step.norm(tangent)
      if distance < tolerance { break }
      let (cosine, sine) = (Step.r(cosf(distance)), Step.r(sinf(distance)))
      unit = Step.each(count) { Step.r(Step.r(cosine * unit[$0]) + Step.r(sine * Step.r(tangent[$0] / distance))) }
      let turned = Step.norm(unit)
      if turned > tolerance { unit = unit.map { Step.r($0 / turned) } }
    }
    return unit.map { Step.r(scale * $0) }
  }

  static func nearswap(_ base: [Float], _ other: [Float], t: Double) -> [Float] {
    let (floor, t) = (Step.r(1e-6), Float(t))
    return Step.each(base.count) { index in
      let distance = max(Step.r((base[index] - other[index]).magnitude), floor)
      let weight = Step.clamp(Step.r(Step.r(1 / distance) * t), 0, 1)
      return Step.r(Step.r(weight * other[index]) + Step.r(Step.r(1 - weight) * base[index]))
    }
  }
}
