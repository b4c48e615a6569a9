import Tensors

@testable import Merging

/// The methods written once more, from `mergekit.md`: whole tensors in arrays, sorting instead of selecting, one
/// operation after another. `Wide` is the type of arithmetic.
struct PlainMethods<Wide: WideElement> {
  let call: MethodCall
  let name: String
  let shape: [Int]
  let base: [Wide]
  let others: [[Wide]]

  private var count: Int { shape.reduce(1, *) }
  private var length: Int { max(1, shape.last ?? 1) }
  private var models: Range<Int> { others.indices }
  private func setting(_ name: String, _ fallback: Double = 0) -> Double { call.settings[name] ?? fallback }
  private func values(_ name: String, _ fallback: Double = 0) -> [Double] {
    call.perInput[name] ?? others.map { _ in fallback }
  }
  private var changes: [[Wide]] { others.map { x in base.isEmpty ? x : zip(x, base).map { $0 - $1 } } }
  private func onBase(_ mixed: [Wide]) -> [Wide] { base.isEmpty ? mixed : zip(base, mixed).map { $0 + $1 } }
  private func dot(_ a: [Wide], _ b: [Wide]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
  private func norm(_ a: [Wide]) -> Double { dot(a, a).squareRoot() }
  private func total(_ a: [Wide]) -> Double { a.reduce(0) { $0 + Double(abs($1)) } }

  func result() -> [Wide] {
    switch call.name {
    case .ties, .dareLinear, .dareTies, .della, .dellaLinear, .breadcrumbs, .breadcrumbsTies: tasks()
    case .slerp: slerp()
    case .nuslerp: nuslerp()
    case .multislerp: multislerp()
    case .karcher: karcher()
    case .nearswap: nearswap()
    case .modelStock: modelStock()
    case .sce: sce()
    case .ram, .ramPlus: ram()
    case .arceeFusion: fusion()
    default: others[0].map { $0 * Wide(call.perInput["scale"]?[0] ?? 1) }
    }
  }

  // MARK: task vectors

  /// Which elements of a task vector are kept.
  private func kept(_ d: [Wide], _ position: Int) -> [Bool] {
    let density = values("density", 1)[position]
    if density >= 1 { return d.map { _ in true } }
    var mask = d.map { _ in false }
    if density <= 0 { return mask }
    let rising = d.indices.sorted { (abs(d[$0]), $0) < (abs(d[$1]), $1) }
    switch call.name {
    case .ties:
      let falling = d.indices.sorted { (-abs(d[$0]), $0) < (-abs(d[$1]), $1) }
      for index in falling.prefix(max(1, Int(density * Double(d.count)))) { mask[index] = true }
    case .breadcrumbs, .breadcrumbsTies:
      let keep = Int(density * Double(d.count))
      let bottom = max(0, d.count - keep - Int(values("gamma")[position] * Double(d.count)))
      for index in rising.dropFirst(bottom).prefix(keep) { mask[index] = true }
    case .dareLinear, .dareTies:
      let draws = call.draws(tensor: name, models: others.count)[position]
      for index in d.indices { mask[index] = Double(number(draws, index)) < (density * 4_294_967_296).rounded(.down) }
    default:
      let draws = call.draws(tensor: name, models: others.count)[position]
      let odds = odds(d, position)
      for index in d.indices {
        mask[index] = Double(word(draws, index)) < (Double(odds[index]) * 4_294_967_296).rounded(.down)
      }
    }
    return mask
  }

  /// DELLA's probability of keeping each element; DARE's density.
  private func odds(_ d: [Wide], _ position: Int) -> [Wide] {
    let density = values("density")[position]
    var odds = [Wide](repeating: Wide(density), count: d.count)
    guard [.della, .dellaLinear].contains(call.name) else { return odds }
    let epsilon = values("epsilon")[position]
    for row in stride(from: 0, to: d.count, by: length) {
      let order = (row..<row + length).sorted { (abs(d[$0]), $0) < (abs(d[$1]), $1) }
      for (rank, index) in order.enumerated() {
        let place: Wide = length == 1 ? 0.5 : Wide(rank) / Wide(length - 1)
        odds[index] = Wide(density - epsilon) + (place * 2) * Wide(epsilon)
      }
    }
    return odds
  }

  /// 32 bits from as many counters, the most significant first.
  private func number(_ draws: Philox, _ index: Int) -> UInt32 {
    (0..<32).reduce(0) { number, place in
      let word = draws.words(SIMD4(UInt32(index / 128), 0, UInt32(place), 0))[index % 128 / 32]
      return number << 1 | word >> UInt32(index % 32) & 1
    }
  }

  private func word(_ draws: Philox, _ index: Int) -> UInt32 {
    draws.words(SIMD4(UInt32(index / 4), 0, 0, 0))[index % 4]
  }

  private func tasks() -> [Wide] {
    if others.isEmpty { return base }
    let weights = values("weight").map { Wide($0) }
    var weighed: [[Wide]] = []
    for (position, d) in changes.enumerated() {
      var pruned = zip(d, kept(d, position)).map { $1 ? $0 : 0 }
      if setting("rescale") == 1, setting("rescale_paper") == 1 {
        pruned = zip(pruned, odds(d, position)).map { $0 / $1 }
      } else if setting("rescale") == 1 {
        let (before, after) = (total(d), total(pruned))
        if before >= 1e-7, after >= 1e-7 { pruned = pruned.map { $0 * Wide(before / after) } }
      }
      weighed.append(pruned.map { $0 * weights[position] })
    }
    let elects = [.ties, .dareTies, .della, .breadcrumbsTies].contains(call.name)
    let mixed = (0..<count).map { index -> Wide in
      var sum = models.reduce(0 as Wide) { $0 + weighed[$1][index] }
      var divisor = weights.reduce(0, +)
      if elects {
        let agreeing = models.filter { sum >= 0 ? weighed[$0][index] > 0 : weighed[$0][index] < 0 }
        sum = agreeing.reduce(0) { $0 + weighed[$1][index] }
        divisor = agreeing.reduce(0) { $0 + weights[$1] }
        if divisor == 0 { divisor = 1 }
      } else if abs(divisor) < 1e-8 {
        divisor = 1
      }
      if setting("normalize") == 1 { sum = sum / divisor }
      return setting("lambda", 1) == 1 ? sum : sum * Wide(setting("lambda", 1))
    }
    return onBase(mixed)
  }
}
