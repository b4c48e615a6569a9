import Crypto
import TestSupport
import Tensors
import Testing

@testable import Merging

/// A merge in exact arithmetic whose bits are frozen.
struct FrozenCase: Sendable, CustomTestStringConvertible {
  enum Stage: Sendable {
    case models(FrozenModels.Layout, [FrozenModels.Mix])
    /// The models with vocabularies of their own, of `VocabularyFamily`.
    case vocabularies
  }

  let name: String
  let yaml: String
  let stage: Stage

  /// Of all small tensors in BF16, in dtypes that mix to f32, and in dtypes that mix to f64.
  static let mixes = [FrozenModels.Mix.brain, .mixed, .deep]

  init(_ name: String, _ yaml: String, _ stage: Stage = .models(.small, mixes)) {
    (self.name, self.yaml, self.stage) = (name, yaml, stage)
  }

  /// - Parameter models: what each of a, b and c has for parameters, or a reference and then those.
  init(
    _ name: String, _ method: String, base: String? = "base", _ models: [String], _ parameters: String = "",
    stemma: String = "", more: String = "", stage: Stage = .models(.small, mixes)
  ) {
    let list = zip(["a", "b", "c", "near"], models).map { own, text in
      let parts = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      let (reference, rest) = parts.count == 1 ? (own, parts[0]) : (parts[0], parts[1])
      return "  - {model: \(reference), parameters: {\(rest)}}\n"
    }
    self.init(
      name,
      "merge_method: \(method)\n\(base.map { "base_model: \($0)\n" } ?? "")models:\n\(list.joined())"
        + "parameters: {\(parameters)}\nstemma: {\(stemma)}\n\(more)", stage)
  }

  var testDescription: String { name }

  var recipe: Recipe { get throws { try Recipe(yaml: yaml) } }

  /// The plans that are run.
  func plans() throws -> [Plan] {
    switch stage {
    case .vocabularies: [try VocabularyFamily.plan(yaml)]
    case .models(let layout, let mixes):
      try mixes.map { mix in
        try Planner.plan(
          recipe: recipe, inputs: FrozenWorld(layout: layout, mix: mix).inputs, masks: FrozenWorld.masks,
          subspaces: FrozenWorld.subspaces)
      }
    }
  }

  /// The same with their sources.
  private func runs() throws -> [Run] {
    let plans = try plans()
    switch stage {
    case .vocabularies:
      return plans.map { Run(plan: $0, source: VocabularyFamily.source($0), cuts: Run.smallCuts) }
    case .models(let layout, let mixes):
      let cuts = layout.label == "large" ? Run.largeCuts : Run.smallCuts
      return zip(plans, mixes).map { plan, mix in
        Run(plan: plan, source: FrozenWorld(layout: layout, mix: mix).source(plan), cuts: cuts)
      }
    }
  }

  /// The SHA-256 of the bytes of all tensors of all plans, for each way to cut them.
  func digests() throws -> [String] {
    let runs = try runs()
    return try runs[0].cuts.indices.map { cut in
      var hash = SHA256()
      for run in runs { for bytes in try run.bytes(run.cuts[cut]) { hash.update(data: bytes) } }
      return hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
  }

  /// One plan and where its inputs are.
  struct Run {
    struct Cut: Sendable {
      let block: Int
      let workers: Int
    }

    let plan: Plan
    let source: ArraySource
    let cuts: [Cut]

    static let smallCuts = [
      Cut(block: PlannedTensor.blockElements, workers: 1), Cut(block: 1000, workers: 2), Cut(block: 311, workers: 1),
    ]
    static let largeCuts = [
      Cut(block: PlannedTensor.blockElements, workers: 1), Cut(block: 99_991, workers: 2),
    ]

    /// All tensors in the order of names.
    func bytes(_ cut: Cut) throws -> [[UInt8]] {
      let executor = Executor(plan: plan, source: source)
      let (pool, shelf, scratch) = (WorkerPool(width: cut.workers), Shelf { MergeScratch() }, MergeScratch())
      let found = try plan.tensors.indices.map { try executor.measure(tensor: $0, pool: pool, shelf: shelf) }
      let measurements = plan.settled(found)
      return try plan.tensors.enumerated().map { index, planned in
        var out = [UInt8](repeating: 0xAA, count: planned.bytesToWrite)
        try out.withUnsafeMutableBytes { out in
          for start in stride(from: 0, to: planned.unitCount, by: cut.block) {
            let elements = start..<min(start + cut.block, planned.unitCount)
            let target = out[elements.lowerBound * planned.unitBytes..<elements.upperBound * planned.unitBytes]
            try executor.produce(
              tensor: index, elements: elements, measurements: measurements[index],
              into: UnsafeMutableRawBufferPointer(rebasing: target), scratch: scratch)
          }
        }
        return out
      }
    }
  }
}

/// What the planner and the executor see of `FrozenModels`.
struct FrozenWorld {
  let layout: FrozenModels.Layout
  let mix: FrozenModels.Mix

  var inputs: [ModelInput] {
    let plain = FrozenModels.names.map { name in
      ModelInput(
        reference: name,
        tensors: layout.tensors.map { TensorInput(name: $0.name, dtype: mix.dtype(of: name), shape: Shape($0.shape)) }
          + layout.copied.map { TensorInput(name: $0.name, dtype: $0.dtype, shape: Shape($0.shape)) })
    }
    return plain + FrozenAdapter.all.map { $0.model(mix) }
  }

  /// Of weights, and of the entries of `lora` and `safe`.
  static let masks: [MaskInput] = {
    func input(_ name: String, _ shapes: [String: Shape], isOfFactors: Bool) -> MaskInput {
      let tensors = shapes.map { tensor, shape in
        let ones = FrozenModels.bits(name, tensor, shape.elementCount ?? 0).count { $0 }
        return (tensor, MaskInput.Tensor(shape: shape, ones: ones))
      }
      return MaskInput(
        reference: name, tensors: Dictionary(uniqueKeysWithValues: tensors), isOfFactors: isOfFactors)
    }
    let weights = FrozenModels.Layout.small.tensors.map { ($0.name, Shape($0.shape)) }
    return [
      input("mask", Dictionary(uniqueKeysWithValues: weights), isOfFactors: false),
      input("factors", FrozenAdapter.all[0].shapes, isOfFactors: true),
    ]
  }()

  /// Of all matrices.
  static let subspaces = [
    SubspaceInput(
      reference: "space",
      tensors: Dictionary(
        uniqueKeysWithValues: FrozenModels.Layout.small.tensors.filter { $0.shape.count == 2 }.map {
          ($0.name, SubspaceInput.Tensor(shape: Shape($0.shape), rank: 2))
        }))
  ]

  /// The bytes of what a plan reads.
  func source(_ plan: Plan) -> ArraySource {
    var tensors = plan.inputs.map { _ in [String: [UInt8]]() }
    for planned in plan.tensors {
      for input in planned.inputs {
        for read in input.reads(of: planned.shape) where tensors[read.model][read.name] == nil {
          tensors[read.model][read.name] = bytes(plan.inputs[read.model], read)
        }
      }
    }
    return ArraySource(tensors: tensors)
  }

  private func bytes(_ model: String, _ read: StoredRead) -> [UInt8] {
    if let mask = Self.masks.first(where: { $0.reference == model }), let shape = mask.tensors[read.name]?.shape {
      let bits = FrozenModels.bits(model, read.name, shape.elementCount ?? 0)
      return stride(from: 0, to: bits.count, by: 8).map { start in
        (start..<min(bits.count, start + 8)).reduce(0) { $0 | (bits[$1] ? 1 : 0) << UInt8($1 - start) }
      }
    }
    let count = read.shape.elementCount ?? 0
    guard read.dtype.isMergeable else {
      return (0..<(read.shape.byteCount(of: read.dtype) ?? 0)).map { UInt8(truncatingIfNeeded: $0 * 37 % 2) }
    }
    return FrozenModels.bytes(model, read.name, count, read.dtype, isWild: layout.label == "wild")
  }
}
