import Foundation
import JSON
import Lineage
import Merging
import Objects
import Synchronization
import Tensors

extension Repository {
  /// Compares two models tensor by tensor; where both are merges, their recipes too. Stored or virtual is the same.
  ///
  /// Tensors with equal digests are not read.
  public func diff(
    _ a: String, _ b: String, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> DiffReport {
    try door {
      let readers = try [a, b].map { try ModelReader(try resolve($0), in: self) }
      for (reader, reference) in zip(readers, [a, b]) { try reader.manifest.kind.requireWeights(reference) }
      var comparison = Comparison(readers[0].manifest, readers[1].manifest)
      try measure(&comparison, readers, progress: progress)
      return try report(comparison, readers)
    }
  }

  /// Reads the pairs that differ, block by block on all workers.
  private func measure(
    _ comparison: inout Comparison, _ readers: [ModelReader], progress: (@Sendable (Int, Int) -> Void)?
  ) throws {
    var blocks: [(pair: Int, range: Range<Int>)] = []
    var opened: [Int: (a: TensorBytes, b: TensorBytes)] = [:]
    for (index, pair) in comparison.pairs.enumerated() where !pair.isEqual {
      opened[index] = (try readers[0].open(pair.a), try readers[1].open(pair.b))
      // Blocks of the first one's frames, whatever the number of workers, so that each is decoded once and the sums are
      // the same. A unit is an element, a byte where elements are smaller.
      let units = Frame.blockBytes / pair.a.unit
      for start in stride(from: 0, to: pair.a.bytes / pair.a.unit, by: units) {
        blocks.append((index, start..<min(pair.a.bytes / pair.a.unit, start + units)))
      }
    }
    let total = blocks.reduce(0) { $0 + $1.range.count * comparison.pairs[$1.pair].a.unit }
    let found = Mutex((parts: [Differences?](repeating: nil, count: blocks.count), done: 0))
    let (tensors, pairs, spaces) = (opened, comparison.pairs, spaces)
    try pool.run(blocks.count) { ticket, _ in
      let (index, range) = blocks[ticket]
      let part = try spaces.withWorkspace { space in
        let (a, b) = (pairs[index].a, pairs[index].b)
        let left = space.buffer(50, count: range.count * a.unit)
        let right = space.buffer(51, count: range.count * b.unit)
        try tensors[index]!.a.read(at: range.lowerBound * a.unit, into: left, space)
        try tensors[index]!.b.read(at: range.lowerBound * b.unit, into: right, space)
        return Differences(UnsafeRawBufferPointer(left), a.dtype, UnsafeRawBufferPointer(right), b.dtype, space)
      }
      let done = found.withLock { found in
        found.parts[ticket] = part
        found.done += range.count * pairs[index].a.unit
        return found.done
      }
      progress?(done, total)
    }
    for (block, part) in zip(blocks, found.withLock { $0.parts }) {
      if let part { comparison.pairs[block.pair].differences += part }
    }
  }

  private func report(_ comparison: Comparison, _ readers: [ModelReader]) throws -> DiffReport {
    var all = Differences()
    var read = Differences()
    for pair in comparison.pairs {
      all += pair.differences
      if !pair.isEqual, pair.differences.hasNumbers { read += pair.differences }
    }
    let sides = try readers.map { DiffReport.Side(id: $0.model.hex, label: try label($0.model)) }
    return DiffReport(
      a: sides[0], b: sides[1], tensors: comparison.pairs.map(\.line), onlyA: comparison.onlyA,
      onlyB: comparison.onlyB, reshaped: comparison.reshaped, changed: all.changed, elements: all.elements,
      relativeL2: read.relativeL2, cosine: read.cosine, maximum: read.largest,
      recipes: try recipeDifferences(readers[0].model, readers[1].model))
  }

  /// How the recipes of two merges differ, a line each; nil where one is no merge.
  private func recipeDifferences(_ a: Digest, _ b: Digest) throws -> [String]? {
    let facts = try [a, b].map { model -> [(key: String, value: String)]? in
      guard let row = try lineage.derivations(of: model).first(where: { $0.kind == .merge }) else { return nil }
      return try recipeFacts(try Derivation(try documents.get(row.digest)))
    }
    guard let left = facts[0], let right = facts[1] else { return nil }
    let keys = left.map(\.key) + right.map(\.key).filter { key in !left.contains { $0.key == key } }
    return keys.compactMap { key in
      let values = [left, right].map { side in side.first { $0.key == key }?.value ?? "none" }
      return values[0] == values[1] ? nil : "\(key): \(values[0]) → \(values[1])"
    }
  }

  /// What a recipe comes down to: its method, its models, and the values of each parameter over all tensors.
  private func recipeFacts(_ derivation: Derivation) throws -> [(key: String, value: String)] {
    let inputs = try derivation.inputs.map { try label($0.model) }
    var values: [String: Set<Double>] = [:]
    for way in derivation.plan?["ways"]?.elements ?? [] {
      let base = way["base"]?.int
      let adapters = way["adapters"]?.elements?.map(\.int)
      let models = (way["inputs"]?.elements ?? []).compactMap(\.int).enumerated().filter { $0.offset != base }
      for member in way["per_input"]?.members ?? [] {
        for (input, value) in zip(models, member.value.elements?.compactMap(\.double) ?? [])
        where inputs.indices.contains(input.element) {
          let adapter =
            adapters.flatMap { $0.indices.contains(input.offset) ? $0[input.offset] : nil }
            .flatMap { inputs.indices.contains($0) ? "+" + inputs[$0] : nil } ?? ""
          values["\(member.key) of \(inputs[input.element])\(adapter)", default: []].insert(value)
        }
      }
      for member in way["settings"]?.members ?? [] {
        if let value = member.value.double { values[member.key, default: []].insert(value) }
      }
    }
    let base = zip(derivation.inputs, inputs).first { $0.0.role == "base" }?.1
    let others = zip(derivation.inputs, inputs).filter { $0.0.role != "base" }.map(\.1)
    return [
      ("method", derivation.method ?? "none"), ("arithmetic", derivation.arithmetic ?? "none"),
      ("base", base ?? "none"),
      ("models", others.joined(separator: ", ")),
    ] + values.sorted { $0.key < $1.key }.map { ($0.key, Self.text($0.value)) }
  }

  private static func text(_ values: Set<Double>) -> String {
    let sorted = values.sorted()
    if sorted.count <= 3 { return sorted.map(\.inPlans).joined(separator: ", ") }
    return "\(sorted[0].inPlans) to \(sorted[sorted.count - 1].inPlans) (\(sorted.count) values)"
  }
}

extension Manifest.TensorEntry {
  /// Bytes of an element, at least 1.
  fileprivate var unit: Int { max(1, dtype.bits / 8) }
}

/// Two models' tensors, paired by name.
private struct Comparison {
  struct Pair {
    let a: Manifest.TensorEntry
    let b: Manifest.TensorEntry
    var differences: Differences

    var isEqual: Bool { a.dtype == b.dtype && a.digest == b.digest }

    var line: DiffReport.TensorLine {
      DiffReport.TensorLine(
        name: a.name, dtype: a.dtype == b.dtype ? a.dtype.rawValue : "\(a.dtype.rawValue) → \(b.dtype.rawValue)",
        shape: a.shape.dimensions, place: TensorPlace(a.name),
        changed: differences.changed, elements: differences.elements, isEqual: isEqual,
        relativeL2: differences.relativeL2, cosine: differences.cosine, maximum: differences.largest)
    }
  }

  var pairs: [Pair] = []
  let onlyA: [String]
  let onlyB: [String]
  private(set) var reshaped: [DiffReport.Reshaped] = []

  init(_ a: Manifest, _ b: Manifest) {
    let theirs = Dictionary(b.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = Set(a.tensors.map(\.name))
    onlyA = a.tensors.map(\.name).filter { theirs[$0] == nil }.sorted()
    onlyB = b.tensors.map(\.name).filter { !names.contains($0) }.sorted()
    for tensor in a.tensors.sorted(by: Self.precedes) {
      guard let other = theirs[tensor.name] else { continue }
      let areNumbers = tensor.dtype.isMergeable && other.dtype.isMergeable
      if tensor.shape == other.shape, tensor.dtype == other.dtype || areNumbers {
        var pair = Pair(a: tensor, b: other, differences: Differences())
        if pair.isEqual { pair.differences = Differences(equal: tensor.bytes / tensor.unit) }
        pairs.append(pair)
      } else {
        reshaped.append(
          .init(
            name: tensor.name, from: "\(tensor.dtype.rawValue) \(tensor.shape)",
            to: "\(other.dtype.rawValue) \(other.shape)"))
      }
    }
  }

  private static func precedes(_ a: Manifest.TensorEntry, _ b: Manifest.TensorEntry) -> Bool {
    let (left, right) = (TensorPlace(a.name), TensorPlace(b.name))
    if left.stack != right.stack { return left.stack < right.stack }
    if left.layer != right.layer { return (left.layer ?? -1) < (right.layer ?? -1) }
    return a.name < b.name
  }
}
