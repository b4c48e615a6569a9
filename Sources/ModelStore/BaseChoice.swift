import Checkpoints
import Codecs
import Lineage
import Objects
import Tensors

/// Which base an import is expressed against, and why.
struct BaseChoice {
  /// What the user declared.
  let declared: Digest?
  /// What deltas are taken against; nil for none.
  let used: Digest?
  /// `declared`, `found` or `none`.
  let kind: String
  /// The measurement, for people.
  let note: String?
}

extension Repository {
  /// Decides about the base: the declared one, else the nearest stored model, if its deltas cost less than none.
  func chooseBase(declared: Digest?, sketch: Sketch, source: ImportSource) throws -> BaseChoice {
    if let declared {
      guard let cost = try deltaCost(source, base: declared) else {
        return BaseChoice(
          declared: declared, used: nil, kind: "none",
          note: "declared base has no stored tensor of the same name and shape: recorded as a claim, not used")
      }
      guard cost.delta < cost.solo else {
        return BaseChoice(
          declared: declared, used: nil, kind: "none",
          note: "declared base does not help (\(cost.text)): recorded as a claim, not used")
      }
      return BaseChoice(declared: declared, used: declared, kind: "declared", note: cost.text)
    }
    var nearest: (model: Digest, distance: Sketch.Distance)?
    for row in try lineage.sketches().reversed() {
      guard let other = Sketch(text: String(decoding: row.sketch, as: UTF8.self)) else { continue }
      let distance = sketch.distance(to: other)
      if distance.isNear && distance.bits < nearest?.distance.bits ?? .infinity { nearest = (row.model, distance) }
    }
    guard let nearest else { return BaseChoice(declared: nil, used: nil, kind: "none", note: nil) }
    guard let cost = try deltaCost(source, base: nearest.model), cost.delta < cost.solo else {
      return BaseChoice(declared: nil, used: nil, kind: "none", note: nil)
    }
    let equal = Int((nearest.distance.equal * 100).rounded())
    return BaseChoice(
      declared: nil, used: nearest.model, kind: "found",
      note: "\(equal) % of \(nearest.distance.compared) sampled weights equal; \(cost.text)")
  }

  /// What a sample of the source costs as deltas on a model and alone.
  struct SampledCost {
    var delta = 0
    var solo = 0
    var raw = 0

    var text: String {
      func share(_ part: Int) -> String { "\(Int((Double(part) * 100 / Double(max(1, raw))).rounded())) %" }
      return "a sample costs \(share(delta)) of its size as a delta, \(share(solo)) alone"
    }
  }

  /// Codes 16 KiB out of up to 16 tensors both ways. Nil where the two have no tensor in common.
  private func deltaCost(_ source: ImportSource, base: Digest) throws -> SampledCost? {
    let bases = try tensorsByName(of: base)
    let shared = source.items.indices.filter { index in
      guard let tensor = source.items[index].tensor, source.items[index].size > 0,
        let other = bases[tensor.name]
      else { return false }
      return tensor.dtype == other.dtype
        && tensor.shape.dimensions.dropFirst() == other.shape.dimensions.dropFirst()
    }
    guard !shared.isEmpty else { return nil }
    // The largest tensors decide what a model costs.
    let sampled = shared.sorted { (source.items[$0].size, $1) > (source.items[$1].size, $0) }.prefix(16)
    var cost = SampledCost()
    try spaces.withWorkspace { space in
      for index in sampled {
        let tensor = source.items[index].tensor!
        guard let reader = try openBase(bases[tensor.name]!.digest) else { continue }
        let count = min(16 * 1024, source.items[index].size, reader.size) / 8 * 8
        guard count > 0 else { continue }
        let start = min(source.items[index].size, reader.size) / 2 / 8 * 8
        let length = min(count, min(source.items[index].size, reader.size) - start)
        let bytes = space.buffer(30, count: length)
        try source.read(item: index, at: start, into: bytes)
        let theirs = space.buffer(31, count: length)
        try reader.read(at: start, into: theirs, space)
        let out = space.buffer(32, count: BlockCoder.capacity(for: length))
        let format = BlockFormat(width: tensor.dtype.codingWidth, isFloat: tensor.dtype.codesAsFloat)
        let block = UnsafeRawBufferPointer(bytes)
        cost.solo += space.coder.encode(block, base: nil, format: format, into: out).count
        cost.delta += space.coder.encode(block, base: UnsafeRawBufferPointer(theirs), format: format, into: out).count
        cost.raw += length
      }
    }
    return cost.raw == 0 ? nil : cost
  }
}
