import Checkpoints
import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// A mask with its rule, its counts, and what its bits take.
  public func showMask(_ reference: String) throws(RepositoryError) -> MaskReport {
    try door { try maskReport(reference) }
  }

  func maskReport(_ reference: String) throws -> MaskReport {
    let model = try resolve(reference)
    let manifest = try manifest(of: model)
    let mask = try mask(of: manifest, reference)
    let digests = Dictionary(manifest.tensors.map { ($0.name, $0.digest) }, uniquingKeysWith: { first, _ in first })
    let lines = try mask.tensors.map { tensor in
      MaskReport.Line(
        tensor: tensor.name, shape: tensor.shape.dimensions, elements: tensor.elements, ones: tensor.ones,
        entropyBytes: BitMask.entropy(ones: tensor.ones, of: tensor.elements) / 8,
        storedBytes: try digests[tensor.name].flatMap { try lineage.object($0)?.length })
    }
    return MaskReport(
      id: model.hex, names: try lineage.names(of: model), space: mask.space.rawValue, rule: mask.rule.description,
      ruleJSON: mask.rule.json, elements: mask.elements, ones: mask.ones, density: mask.density, lines: lines,
      data: mask.data.map { ($0.name, $0.sha256) }, training: mask.training,
      parents: try making(of: model).map { try parents(of: $0) } ?? [],
      storedBytes: try lineage.stored(Set(digests.values)).frameBytes)
  }

  /// How far two masks of the same tensors overlap. Reads all bits of both.
  public func compareMasks(_ a: String, _ b: String) throws(RepositoryError) -> MaskOverlap {
    try door {
      let (masks, source) = try openMasks([a, b])
      let tensors = masks[0].mask.tensors
      let block = Frame.blockBytes
      let blocks = tensors.enumerated().flatMap { index, tensor in
        let size = BitMask.byteCount(of: tensor.elements)
        return stride(from: 0, to: size, by: block).map { (tensor: index, bytes: $0..<min(size, $0 + block)) }
      }
      let found = Mutex([Int](repeating: 0, count: tensors.count))
      try pool.run(blocks.count) { ticket, _ in
        let (index, bytes) = blocks[ticket]
        try spaces.withWorkspace { space in
          let left = space.buffer(70, count: bytes.count)
          let right = space.buffer(71, count: bytes.count)
          try source.read(input: 0, tensor: tensors[index].name, bytes: bytes, into: left)
          try source.read(input: 1, tensor: tensors[index].name, bytes: bytes, into: right)
          BitMask.combine(left, .and, UnsafeRawBufferPointer(right))
          let both = BitMask.ones(in: UnsafeRawBufferPointer(left))
          found.withLock { $0[index] += both }
        }
      }
      let both = found.withLock { $0 }
      var all = MaskOverlap.Line(tensor: nil)
      let lines = tensors.indices.map { index in
        let (left, right) = (tensors[index], masks[1].mask.tensors[index])
        let line = MaskOverlap.Line(
          tensor: left.name, elements: left.elements, both: both[index], onlyA: left.ones - both[index],
          onlyB: right.ones - both[index],
          expectedBoth: left.elements == 0 ? 0 : Double(left.ones) * Double(right.ones) / Double(left.elements))
        all.elements += line.elements
        all.both += line.both
        all.onlyA += line.onlyA
        all.onlyB += line.onlyB
        all.expectedBoth += line.expectedBoth
        return line
      }
      return MaskOverlap(a: try label(masks[0].model), b: try label(masks[1].model), lines: lines, all: all)
    }
  }
}
