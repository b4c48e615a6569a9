import Checkpoints
import Foundation
import JSON
import Lineage
import Objects
import Tensors

/// How a mask is made by the program itself.
public enum MaskMaking: Sendable {
  /// Bits drawn with one probability for every element, or by nil with the density of each tensor of the mask `like`.
  /// `like` is a model, adapter or mask that has the tensors.
  case random(density: Double?, seed: Int, like: String)
  /// Of each tensor the share with the largest |tuned − aligned|; of equal ones the first.
  case magnitude(share: Double, of: String, against: String)
  /// The bits of some masks made one.
  case combination(MaskCombination, [String])
}

/// How masks are made one.
public enum MaskCombination: String, Sendable, CaseIterable {
  case and, or, xor, not, minus
}

extension Repository {
  /// Stores a mask: its folder, or a safetensors file (or a folder of them) of bits or logits in full shapes.
  ///
  /// Durable when it returns; on a throw nothing has changed.
  ///
  /// - Parameters:
  ///   - reading: how the bits are taken from numbers; nil takes bits, and a mask's folder as it is.
  ///   - learnt: the mask that was learnt with these logits: its parents, data and record are this one's too.
  public func importMask(
    at path: String, space: String?, reading: MaskReading?, learntAs learnt: String? = nil, name: String?,
    madeBy: String? = nil,
    progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> MaskReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      let who = madeBy ?? whoami()
      if isFolder(path) {
        let folder = try CheckpointFolder.scan(path)
        let kind = StoredKind(paths: folder.files.map(\.path))
        if kind == .mask {
          if reading != nil || space != nil || learnt != nil {
            throw RepositoryError(
              .invalidInput, "\(path): a mask's folder says its space and rule itself",
              hint: "leave --space, --threshold, --bernoulli and --learnt-as out")
          }
          let report = try importNamed(
            ImportSource(folder: folder), base: nil, name: name, madeBy: who, progress: progress)
          guard let report else { throw RepositoryError(.internal, "\(path): no mask") }
          return try maskReport(report.id)
        }
        if kind != .model { try kind.require(.mask, path) }
      }
      let values = try MaskValues(at: path)
      var draft = MaskDraft(
        space: try Self.space(space), rule: (reading ?? .bits).rule, tensors: try values.tensors(reading ?? .bits))
      draft.finish = values.refuseChanges
      if let learnt {
        let model = try resolve(learnt)
        let mask = try mask(of: manifest(of: model), learnt)
        (draft.data, draft.training) = (mask.data, mask.training)
        draft.parents =
          try lineage.derivations(of: model).first { $0.kind == .mask }
          .map { try Derivation(try documents.get($0.digest)).parents } ?? []
      }
      return try maskReport(try store(draft, name: name, madeBy: who, progress: progress).id)
    }
  }

  /// Makes a mask and stores it. Durable when it returns; on a throw nothing has changed.
  public func makeMask(
    _ making: MaskMaking, name: String?, madeBy: String? = nil, progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> MaskReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      let draft =
        switch making {
        case .random(let density, let seed, let like): try random(density, seed: seed, like: like)
        case .magnitude(let share, let tuned, let aligned): try magnitude(share, of: tuned, against: aligned)
        case .combination(let operation, let masks): try combination(operation, masks)
        }
      return try maskReport(try store(draft, name: name, madeBy: madeBy ?? whoami(), progress: progress).id)
    }
  }

  private static func space(_ text: String?) throws -> Mask.Space {
    guard let text else { return .weight }
    if let space = Mask.Space(rawValue: text) { return space }
    throw RepositoryError(.invalidInput, "space weight or lora_factor expected, found \(text.quoted)")
  }

  private func random(_ density: Double?, seed: Int, like reference: String) throws -> MaskDraft {
    if let density, !(0...1).contains(density) {
      throw RepositoryError(.invalidInput, "density: a number from 0 to 1 expected, found \(density)")
    }
    let model = try resolve(reference)
    let manifest = try manifest(of: model)
    func tensor(_ name: String, _ shape: Shape, _ density: Double) -> MaskDraft.Tensor {
      let draw = MaskDraw(name, seed: seed)
      return MaskDraft.Tensor(name: name, shape: shape) { elements, bits, space in
        draw.pack(elements, density: density, space, into: bits)
      }
    }
    let rule = MaskRule.random(density: density, seed: seed)
    let parents = [
      Derivation.Parent(role: "like", model: model, coefficient: nil, claimed: false, reference: reference)
    ]
    if manifest.kind == .mask {
      let mask = try mask(of: manifest, reference)
      return MaskDraft(
        space: mask.space, rule: rule,
        tensors: mask.tensors.map {
          tensor($0.name, $0.shape, density ?? ($0.elements == 0 ? 0 : Double($0.ones) / Double($0.elements)))
        }, parents: parents)
    }
    try manifest.kind.requireWeights(reference)
    guard let density else {
      throw RepositoryError(.invalidInput, "\(reference): a mask expected where no density is given, found a model")
    }
    return MaskDraft(
      space: manifest.isAdapter ? .loraFactor : .weight, rule: rule,
      tensors: manifest.tensors.filter(\.dtype.isMergeable).map { tensor($0.name, $0.shape, density) },
      parents: parents)
  }

  private func magnitude(_ share: Double, of tuned: String, against aligned: String) throws -> MaskDraft {
    guard (0...1).contains(share) else {
      throw RepositoryError(.invalidInput, "magnitude: a share from 0 to 1 expected, found \(share)")
    }
    let readers = try [tuned, aligned].map { try ModelReader(try resolve($0), in: self) }
    for (reader, reference) in zip(readers, [tuned, aligned]) { try reader.manifest.kind.requireWeights(reference) }
    try TensorShapes(tuned, readers[0].manifest).requireSame(as: TensorShapes(aligned, readers[1].manifest))
    let others = Dictionary(
      readers[1].manifest.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var tensors: [MaskDraft.Tensor] = []
    for tensor in readers[0].manifest.tensors where tensor.dtype.isMergeable {
      guard let other = others[tensor.name], other.dtype.isMergeable else { continue }
      let change = try ChangeReader(tensor, of: readers[0], minus: other, of: readers[1])
      let count = Int((share * Double(change.elements)).rounded())
      let cut = try MagnitudeCut(change, keeping: count, pool: pool, spaces: spaces)
      tensors.append(.init(name: tensor.name, shape: tensor.shape) { try cut.pack($0, into: $1, $2) })
    }
    return MaskDraft(
      space: readers[0].manifest.isAdapter ? .loraFactor : .weight, rule: .magnitude(share: share), tensors: tensors,
      parents: zip(["tuned", "aligned"], zip(readers, [tuned, aligned])).map {
        .init(role: $0, model: $1.0.model, coefficient: nil, claimed: false, reference: $1.1)
      })
  }

  private func combination(_ operation: MaskCombination, _ references: [String]) throws -> MaskDraft {
    let wanted = operation == .not ? 1...1 : operation == .minus ? 2...2 : 2...Int.max
    guard wanted.contains(references.count) else {
      let text = operation == .not ? "one mask" : operation == .minus ? "two masks" : "two masks or more"
      throw RepositoryError(.invalidInput, "\(operation.rawValue): \(text) expected, found \(references.count)")
    }
    let (masks, source) = try openMasks(references)
    let step = BitMask.Operation(rawValue: operation.rawValue)
    let tensors = masks[0].mask.tensors.map { tensor in
      MaskDraft.Tensor(name: tensor.name, shape: tensor.shape) { elements, bits, space in
        let bytes = elements.lowerBound / 8..<elements.lowerBound / 8 + bits.count
        try source.read(input: 0, tensor: tensor.name, bytes: bytes, into: bits)
        guard let step else { return BitMask.invert(bits, elements: elements.count) }
        let other = space.buffer(71, count: bits.count)
        for index in 1..<masks.count {
          try source.read(input: index, tensor: tensor.name, bytes: bytes, into: other)
          BitMask.combine(bits, step, UnsafeRawBufferPointer(other))
        }
      }
    }
    return MaskDraft(
      space: masks[0].mask.space, rule: .combination(operation: operation.rawValue), tensors: tensors,
      parents: zip(masks, references).map {
        .init(role: "input", model: $0.model, coefficient: nil, claimed: false, reference: $1)
      })
  }

  /// Masks of the same tensors and space, and what reads their bits: input i is the i-th.
  func openMasks(
    _ references: [String]
  ) throws -> (masks: [(mask: Mask, model: Digest)], source: StoreTensorSource) {
    let readers = try references.map { try ModelReader(try resolve($0), in: self) }
    let masks = try zip(readers, references).map { (try mask(of: $0.manifest, $1), $0.model) }
    for (other, reference) in zip(masks, references).dropFirst() {
      try TensorShapes(references[0], masks[0].0).requireSame(as: TensorShapes(reference, other.0))
      if other.0.space != masks[0].0.space {
        throw RepositoryError(
          .invalidInput,
          "\(reference): a mask in the space \(masks[0].0.space.rawValue) of \(references[0]) expected, found "
            + other.0.space.rawValue)
      }
    }
    return (masks, try StoreTensorSource(models: readers, spaces: spaces))
  }
}
