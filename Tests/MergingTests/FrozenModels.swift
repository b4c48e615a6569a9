import Merging
import Synchronization
import TestSupport
import Tensors

/// The models, masks, subspaces and adapters that frozen merges are of: whole numbers of SplitMix64 from one seed and
/// exact steps after them, so that no library's random numbers have a say. Like the digests, this never changes.
enum FrozenModels {
  static let seed: UInt64 = 20_261_128

  /// Tensors by name and shape.
  struct Layout: Sendable {
    let label: String
    let tensors: [(name: String, shape: [Int])]
    /// Extents of tensors that are copied.
    var copied: [(name: String, shape: [Int], dtype: DType)] = []

    /// Rows longer and shorter than a chunk of 1,024, and no extent that is a multiple of a vector.
    static let small = Layout(
      label: "small",
      tensors: [
        ("lm_head.weight", [3, 1500]), ("model.cube", [5, 7, 33]), ("model.embed_tokens.weight", [7, 19]),
      ]
        + (0..<3).flatMap {
          [("model.layers.\($0).mlp.weight", [37, 29]), ("model.layers.\($0).norm.weight", [29])]
        } + [("model.norm.weight", [1301])])

    /// Beyond a block of 512 KiB, beyond 65,536 elements, and beyond where cuts are bracketed.
    static let large = Layout(label: "large", tensors: [("model.layers.0.w", [257, 1031])])

    /// Whole numbers and bytes are copied; one element, and none.
    static let tiny = Layout(
      label: "tiny", tensors: [("empty", [0, 4]), ("one", [1]), ("scalar", [])],
      copied: [("flags", [3], .bool), ("ids", [5], .i64), ("packed", [6], .f8e4m3)])

    /// Every sixteenth element is any pattern, NaN and infinity among them.
    static let wild = Layout(label: "wild", tensors: [("x", [1301])])
  }

  /// Which dtype each of `names` has.
  struct Mix: Sendable, Hashable {
    let label: String
    let dtypes: [DType]

    static let brain = pure(.bf16)
    /// Computed in f32.
    static let mixed = Mix(label: "mixed", dtypes: [.f32, .bf16, .f16, .f32])
    /// Computed in f64.
    static let deep = Mix(label: "deep", dtypes: [.bf16, .f64, .f32, .f16])
    static func pure(_ dtype: DType) -> Mix { Mix(label: dtype.rawValue, dtypes: [dtype]) }

    func dtype(of model: String) -> DType { dtypes[(names.firstIndex(of: model) ?? 0) % dtypes.count] }
  }

  /// `near` hardly differs from the base in direction, `opposite` is the base negated, `far` has nothing of it.
  static let names = ["base", "a", "b", "c", "near", "opposite", "zero", "far"]

  /// Numbers from a word each: those of the base, and of the others by what they change.
  static func numbers(_ model: String, _ tensor: String, _ count: Int) -> [Double] {
    var start = generator("base", tensor)
    var own = generator(model, tensor)
    func unit(_ word: UInt64) -> Double { Double(word >> 12) * 0x1p-52 }
    return (0..<count).map { _ in
      let base = 4 * unit(start.next()) - 2
      let word = own.next()
      let step = Double(Int(word >> 8 & 0xFFFF) % 7 - 3) / 32
      return switch model {
      case "base": base
      case "zero": 0
      case "opposite": -base
      case "far": 3 * unit(word) - 1
      case "near": word % 16 == 0 ? base + step : base
      default: word % 4 == 0 ? base : word % 4 == 1 ? base + (unit(word) - 0.5) : base + step
      }
    }
  }

  static func generator(_ model: String, _ tensor: String) -> SplitMix {
    SplitMix(state: "\(model) \(tensor)".utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
  }

  /// Bits of a mask, of which about 11 in 16 are ones.
  static func bits(_ mask: String, _ tensor: String, _ count: Int) -> [Bool] {
    var random = generator(mask, tensor)
    return (0..<count).map { $0 == count / 2 || random.next() >> 60 < 11 }
  }

  private static let made = Mutex<[String: [UInt8]]>([:])

  /// The bytes of a tensor of a model, a mask, a subspace or an adapter, made once.
  static func bytes(_ model: String, _ tensor: String, _ count: Int, _ dtype: DType, isWild: Bool = false) -> [UInt8] {
    let key = "\(model) \(tensor) \(count) \(dtype) \(isWild)"
    if let found = made.withLock({ $0[key] }) { return found }
    var patterns = generator("patterns of " + model, tensor)
    var out: [UInt8] = []
    out.reserveCapacity(count * dtype.bits / 8)
    for (index, number) in numbers(model, tensor, count).enumerated() {
      let word = patterns.next()
      if isWild, index % 16 == 0 {
        // Half of them NaN or infinity: all ones where the exponent is.
        let ones: UInt64 = dtype == .bf16 ? 0x7F80 : dtype == .f16 ? 0x7C00 : dtype == .f32 ? 0x7F80_0000 : 0x7FF0 << 48
        let bits = word & 1 << 40 == 0 ? word : index % 64 == 0 ? word & ~(ones - 1) | ones : word | ones
        out += (0..<dtype.bits / 8).map { UInt8(truncatingIfNeeded: bits >> UInt64(8 * $0)) }
      } else {
        out += Plain.bytes(number, dtype)
      }
    }
    let bytes = out
    made.withLock { $0[key] = bytes }
    return bytes
  }
}

/// What adapters there are, of every matrix and norm in the layers of `Layout.small`.
struct FrozenAdapter: Sendable {
  let name: String
  let dtype: DType
  let rank: Int
  let scale: Double
  var isTransposed = false
  var hasLengths = false

  static let all = [
    FrozenAdapter(name: "lora", dtype: .f32, rank: 5, scale: 1.75),
    FrozenAdapter(name: "safe", dtype: .bf16, rank: 5, scale: 1.75),
    FrozenAdapter(name: "rank", dtype: .bf16, rank: 9, scale: 2.666_666_746_139_526_4),
    FrozenAdapter(name: "dora", dtype: .f16, rank: 4, scale: 0.5, hasLengths: true),
    FrozenAdapter(name: "turned", dtype: .f32, rank: 3, scale: 2, isTransposed: true),
    FrozenAdapter(name: "columns", dtype: .f32, rank: 3, scale: 2, isTransposed: true, hasLengths: true),
    FrozenAdapter(name: "deep", dtype: .f64, rank: 2, scale: 1.25),
  ]

  /// A saved tensor that it holds whole.
  static let whole = (name: "model.cube", stored: "cube.saved")

  /// The tensors in its file.
  var shapes: [String: Shape] {
    let (outputs, inputs) = isTransposed ? (29, 37) : (37, 29)
    var shapes = [Self.whole.stored: Shape([5, 7, 33])]
    for layer in 0..<3 {
      shapes["\(layer).a"] = Shape([rank, inputs])
      shapes["\(layer).b"] = Shape([outputs, rank])
      shapes["\(layer).bias"] = Shape([29])
      if hasLengths { shapes["\(layer).m"] = Shape([outputs]) }
    }
    return shapes
  }

  func model(_ mix: FrozenModels.Mix) -> ModelInput {
    func factor(_ name: String) -> LowRank.Factor { .init(name: name, dtype: dtype) }
    let weight = mix.dtype(of: "base")
    let tensors = FrozenModels.Layout.small.tensors.map { tensor in
      let layer = tensor.name.hasPrefix("model.layers.") ? String(tensor.name.dropFirst(13).prefix(1)) : nil
      let isBias = tensor.shape == [29]
      let change = layer.map { layer in
        LowRank(
          weightDType: weight, adapter: 1, a: isBias ? nil : factor(layer + ".a"),
          b: factor(layer + (isBias ? ".bias" : ".b")),
          magnitude: hasLengths && !isBias ? factor(layer + ".m") : nil, rank: isBias ? 1 : rank,
          scale: isBias ? 1 : scale, isTransposed: isTransposed && !isBias)
      }
      let isWhole = tensor.name == Self.whole.name
      return TensorInput(
        name: tensor.name, dtype: isWhole ? dtype : weight, shape: Shape(tensor.shape), part: isWhole ? 1 : 0,
        storedName: isWhole ? Self.whole.stored : nil, change: change)
    }
    return ModelInput(
      reference: "base+" + name, parts: ["base", name], tensors: tensors, adapterTensors: shapes)
  }
}
