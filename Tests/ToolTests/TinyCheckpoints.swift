import Foundation

/// Random bits that are the same on every run.
struct Dice: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return (state ^ (state >> 33)) &* 0xFF51_AFD7_ED55_8CCD
  }
}

/// A bf16 model of a few matrices, in memory.
struct TinyCheckpoint {
  /// Name, rows and columns of each tensor.
  static let shapes = [
    ("model.embed_tokens.weight", 96, 32), ("model.layers.0.mlp.weight", 64, 32),
    ("model.layers.1.mlp.weight", 64, 32), ("model.norm.weight", 1, 32),
  ]

  var tensors: [(name: String, shape: [Int], bits: [UInt16])]

  /// Weights around zero, as trained ones are.
  init(seed: UInt64, shapes: [(String, Int, Int)] = TinyCheckpoint.shapes) {
    var dice = Dice(state: seed)
    tensors = shapes.map { name, rows, columns in
      let bits = (0..<rows * columns).map { _ -> UInt16 in
        let value = (Float.random(in: -1...1, using: &dice) + Float.random(in: -1...1, using: &dice)) * 0.05
        return UInt16(value.bitPattern >> 16)
      }
      return (name, [rows, columns], bits)
    }
  }

  /// A fine-tune: two thirds of the numbers move a little.
  func tuned(seed: UInt64) -> TinyCheckpoint {
    var dice = Dice(state: seed)
    var copy = self
    for index in tensors.indices {
      copy.tensors[index].bits = tensors[index].bits.map { bits in
        UInt8.random(in: 0..<3, using: &dice) == 0 ? bits : bits ^ UInt16.random(in: 0..<4, using: &dice)
      }
    }
    return copy
  }

  /// The bytes of a safetensors file.
  var file: Data {
    var offset = 0
    var entries = [#""__metadata__":{"format":"pt"}"#]
    for tensor in tensors {
      let end = offset + 2 * tensor.bits.count
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(#""\#(tensor.name)":{"dtype":"BF16","shape":[\#(shape)],"data_offsets":[\#(offset),\#(end)]}"#)
      offset = end
    }
    var header = "{" + entries.joined(separator: ",") + "}"
    header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    data.append(Data(header.utf8))
    for tensor in tensors { tensor.bits.withUnsafeBytes { data.append(contentsOf: $0) } }
    return data
  }
}

extension Stage {
  /// Writes a checkpoint's folder: weights, config and a licence in a sub-folder.
  func add(_ checkpoint: TinyCheckpoint, as name: String) throws {
    try FileManager.default.createDirectory(at: url("\(name)/legal"), withIntermediateDirectories: true)
    try checkpoint.file.write(to: url("\(name)/model.safetensors"))
    try write(#"{"architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16"}"#, to: "\(name)/config.json")
    try write("# \(name)\n", to: "\(name)/README.md")
    try write("Apache-2.0\n", to: "\(name)/legal/LICENSE")
  }

  /// Writes a checkpoint of one bf16 matrix that takes next to no room on the disk: zeros, and here and there a MiB of
  /// random bits.
  func addMostlyZeros(as name: String, bytes: Int) throws {
    try FileManager.default.createDirectory(at: url(name), withIntermediateDirectories: true)
    let path = url("\(name)/model.safetensors")
    var header = #"{"weight":{"dtype":"BF16","shape":[\#(bytes / 2)],"data_offsets":[0,\#(bytes)]}}"#
    header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
    let start = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
    try start.write(to: path)
    let file = try FileHandle(forWritingTo: path)
    defer { try? file.close() }
    try file.truncate(atOffset: UInt64(start.count + bytes))
    var dice = Dice(state: 17)
    for offset in stride(from: 0, to: bytes - 1 << 20, by: 48 << 20) {
      try file.seek(toOffset: UInt64(start.count + offset))
      // BF16 below 2, so that it can be merged.
      let noise = (0..<1 << 17).map { _ in dice.next() & 0xBFFF_BFFF_BFFF_BFFF }
      try file.write(contentsOf: noise.withUnsafeBytes { Data($0) })
    }
    try write("{}\n", to: "\(name)/config.json")
  }

  /// Adds `base`, and `math` and `code` made from it, and a recipe that fuses them.
  func addCheckpoints() throws {
    let base = TinyCheckpoint(seed: 1)
    try add(base, as: "base")
    try add(base.tuned(seed: 2), as: "math")
    try add(base.tuned(seed: 3), as: "code")
    try write(Self.recipe(base: "base", "math", "code"), to: "recipe.yml")
  }

  static func recipe(base: String, _ first: String, _ second: String) -> String {
    """
    merge_method: task_arithmetic
    base_model: \(base)
    models:
      - model: \(first)
        parameters: {weight: 0.6}
      - model: \(second)
        parameters: {weight: 0.4}
    dtype: bfloat16

    """
  }
}
