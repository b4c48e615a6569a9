import Glibc
import Tensors

@testable import Merging

extension PlainMethods {
  private var size: Int { shape.reduce(1, *) }
  private var row: Int { max(1, shape.last ?? 1) }
  private func setting(_ name: String) -> Double { call.settings[name] ?? 0 }
  private func delta(_ x: [Wide]) -> [Wide] { base.isEmpty ? x : zip(x, base).map { $0 - $1 } }
  private func onto(_ mixed: [Wide]) -> [Wide] { base.isEmpty ? mixed : zip(base, mixed).map { $0 + $1 } }
  private func inner(_ a: [Wide], _ b: [Wide]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
  private func length(_ a: [Wide]) -> Double { inner(a, a).squareRoot() }
  private func clamp(_ x: Double, _ low: Double, _ high: Double) -> Double { Swift.min(Swift.max(x, low), high) }
  /// In f64, for steps that the code under test does on coefficients.
  private func sum(_ vectors: [[Double]], _ weights: [Double]) -> [Double] {
    (0..<size).map { index in zip(vectors, weights).reduce(0) { $0 + $1.0[index] * $1.1 } }
  }
  private func inner(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  private func arc(_ a: [Wide], _ b: [Wide], _ t: Double, _ cosine: Double, linear: Bool) -> [Wide] {
    let angle = acos(cosine)
    let c = Wide(linear ? 1 - t : sin((1 - t) * angle) / sin(angle))
    let d = Wide(linear ? t : sin(t * angle) / sin(angle))
    return zip(a, b).map { $0 * c + $1 * d }
  }

  func slerp() -> [Wide] {
    let (n, m) = (length(base), length(others[0]))
    let cosine = clamp(inner(base, others[0]) / (n > 1e-8 ? n : 1) / (m > 1e-8 ? m : 1), -1, 1)
    return arc(base, others[0], setting("t"), cosine, linear: abs(cosine) > 0.9995)
  }

  func nuslerp() -> [Wide] {
    let w = call.perInput["weight"]!
    let t = abs(w[0] + w[1]) < 1e-6 ? 0.5 : w[1] / (w[0] + w[1])
    let (a, b) = (delta(others[0]), delta(others[1]))
    let columns = size / (shape.first ?? 1)
    let vectors: [[Int]] =
      setting("nuslerp_flatten") == 1
      ? [Array(0..<size)]
      : setting("nuslerp_row_wise") == 1
        ? (0..<columns).map { Array(stride(from: $0, to: size, by: columns)) }
        : stride(from: 0, to: size, by: row).map { Array($0..<$0 + row) }
    var mixed = [Wide](repeating: 0, count: size)
    for vector in vectors {
      let (x, y) = (vector.map { a[$0] }, vector.map { b[$0] })
      let cosine = clamp(inner(x, y) / max(length(x), 1e-7) / max(length(y), 1e-7), -1, 1)
      for (index, value) in zip(vector, arc(x, y, t, cosine, linear: 1 - cosine * cosine <= 1e-16)) {
        mixed[index] = value
      }
    }
    return onto(mixed)
  }

  /// With the tangent step that mergekit takes.
  func multislerp() -> [Wide] {
    if others.count == 1 { return others[0] }
    var w = call.perInput["weight"]!
    if setting("normalize_weights") == 1 { w = w.map { $0 / call.perInput["weight"]!.reduce(0, +) } }
    let (eps, xs) = (setting("eps"), others.map { delta($0).map { Double($0) } })
    let norms = xs.map { inner($0, $0).squareRoot() }
    let units = zip(xs, norms).map { x, n in x.map { $0 / (n + eps) } }
    var mean = sum(units, w)
    let long = inner(mean, mean).squareRoot()
    if long < eps { return onto(sum(xs, w).map { Wide($0) }) }
    mean = mean.map { $0 / long }
    let tangents = units.map { u in
      let along = inner(u, mean)
      return zip(u, mean).map { $0 - along * $1 }
    }
    let tangent = sum(tangents, w)
    let angle = inner(tangent, tangent).squareRoot() + eps
    let scale = zip(norms, w).reduce(0) { $0 + $1.0 * $1.1 }
    return onto(zip(mean, tangent).map { Wide(($0 * cos(angle) + $1 * (sin(angle) / angle)) * scale) })
  }

  func karcher() -> [Wide] {
    let xs = others.map { $0.map { Double($0) } }
    let norms = xs.map { inner($0, $0).squareRoot() }
    let units = zip(xs, norms).filter { $0.1 > setting("tol") }.map { x, n in x.map { $0 / n } }
    let share = 1 / Double(units.count)
    if units.isEmpty { return others[0].map { _ in 0 } }
    var mean = sum(units, units.map { _ in share })
    let long = inner(mean, mean).squareRoot()
    mean = long < setting("tol") ? units[0] : mean.map { $0 / long }
    for _ in 0..<Int(setting("max_iter")) {
      var tangent = mean.map { _ in 0.0 }
      for unit in units {
        let cosine = clamp(inner(unit, mean), -1, 1)
        let angle = acos(cosine)
        if angle < setting("tol") || cosine < -0.999999999 { continue }
        let pull = share * angle / sin(angle)
        for index in tangent.indices { tangent[index] += pull * (unit[index] - cosine * mean[index]) }
      }
      let step = inner(tangent, tangent).squareRoot()
      if step < setting("tol") { break }
      mean = zip(mean, tangent).map { cos(step) * $0 + sin(step) / step * $1 }
      let long = inner(mean, mean).squareRoot()
      mean = mean.map { $0 / long }
    }
    let scale = norms.reduce(0, +) / Double(norms.count)
    return mean.map { Wide($0 * scale) }
  }

  func modelStock() -> [Wide] {
    let changes = others.map { delta($0) }
    let rows = setting("filter_wise") == 1 ? stride(from: 0, to: size, by: row).map { $0..<$0 + row } : [0..<size]
    var result: [Wide] = []
    for range in rows {
      let d = changes.map { Array($0[range]) }
      var cosines: [Double] = []
      for i in d.indices {
        for j in d.indices where i < j {
          cosines.append(clamp(inner(d[i], d[j]) / max(length(d[i]) * length(d[j]), 1e-6), -1, 1))
        }
      }
      let (c, n) = (cosines.reduce(0, +) / Double(cosines.count), Double(d.count))
      let t = Wide(abs(1 + (n - 1) * c) < 1e-6 ? 0 : n * c / (1 + (n - 1) * c))
      for index in range {
        let sum = others.dropFirst().reduce(others[0][index]) { $0 + $1[index] }
        result.append(t * (sum / Wide(n)) + (1 - t) * base[index])
      }
    }
    return result
  }

  func nearswap() -> [Wide] {
    zip(base, others[0]).map { b, x in
      let w = min(max(Wide(setting("t")) / max(abs(b - x), 1e-6), 0), 1)
      return w * x + (1 - w) * b
    }
  }

  func sce() -> [Wide] {
    var d = others.map { delta($0) }
    let n = Wide(d.count)
    if setting("select_topk") < 1 {
      let variance = (0..<size).map { index -> Wide in
        let mean = d.reduce(0 as Wide) { $0 + $1[index] } / n
        return d.reduce(0 as Wide) { $0 + ($1[index] - mean) * ($1[index] - mean) } / n
      }
      let keep = Int(Double(variance.filter { $0 != 0 }.count) * setting("select_topk"))
      let order = variance.indices.sorted { (-variance[$0], $0) < (-variance[$1], $1) }
      for index in order.dropFirst(keep) { for model in d.indices { d[model][index] = 0 } }
    }
    var a = d.map { inner($0, $0) / Double(size) }
    let total = a.reduce(0, +)
    a = a.map { total < 1e-6 ? 1 / Double(d.count) : $0 / total }
    let mixed = (0..<size).map { index -> Wide in
      let plus = d.reduce(0 as Wide) { $0 + $1[index] } >= 0
      let agreeing = d.indices.filter { plus ? d[$0][index] > 0 : d[$0][index] < 0 }
      let sum = agreeing.reduce(0 as Wide) { $0 + d[$1][index] * Wide(a[$1]) }
      return sum / max(agreeing.reduce(0 as Wide) { $0 + Wide(a[$1]) }, 1e-6)
    }
    return onto(mixed)
  }

  func ram() -> [Wide] {
    let d = others.map { delta($0) }
    let active = d.map { $0.map { abs($0) > Wide(setting("epsilon")) } }
    let counts = (0..<size).map { index in active.filter { $0[index] }.count }
    let gains = active.map { on -> Wide in
      if call.name == .ram { return 1 }
      let shared = Double((0..<size).filter { on[$0] && counts[$0] > 1 }.count)
      let unique = Double((0..<size).filter { on[$0] && counts[$0] == 1 }.count)
      return Wide(1 + setting("r") * clamp(shared / max(unique, setting("epsilon")), 0, setting("alpha")))
    }
    return onto(
      (0..<size).map { index in
        d.indices.filter { active[$0][index] }.reduce(0 as Wide) { sum, model in
          sum + (counts[index] == 1 ? d[model][index] * gains[model] : d[model][index] / Wide(counts[index]))
        }
      })
  }

  func fusion() -> [Wide] {
    let d = delta(others[0])
    func softmax(_ x: [Wide]) -> [Double] {
      let top = Double(x.max()!)
      let powers = x.map { exp(Double($0) - top) }
      let sum = powers.reduce(0, +)
      return powers.map { $0 / sum + 1e-8 }
    }
    var scores: [Wide] = []
    for start in stride(from: 0, to: size, by: row) {
      let p = softmax(Array(others[0][start..<start + row]))
      let q = softmax(Array(base[start..<start + row]))
      let divergence = max(0, zip(p, q).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) })
      scores += d[start..<start + row].map { abs($0) * Wide(divergence) }
    }
    let sorted = scores.sorted()
    let q = [0.25, 0.5, 0.75].map { sorted[Int($0 * Double(size - 1))] }
    let threshold = q[1] + 1.5 * (q[2] - q[0])
    return onto(zip(d, scores).map { $1 >= threshold ? $0 : 0 })
  }
}
