internal import Tensors

/// A LoRA adapter: its configuration and what its tensors are, checked against each other.
package struct Adapter: Sendable {
  /// The two halves that a module's weight is changed by: `W + scale · B A`, then scaled row by row for DoRA.
  package struct Factors: Sendable, Equatable {
    /// The module's name, without PEFT's prefix.
    package let module: String
    /// rank × inputs; nil where the other half is a bias that is added as it is.
    package let a: TensorOutline?
    /// outputs × rank.
    package let b: TensorOutline
    /// DoRA: the length of each row.
    package let magnitude: TensorOutline?
    package let rank: Int
    package let scale: Double
    /// An embedding: its weight is stored as the transpose of `B A`.
    package let isEmbedding: Bool
  }

  package let config: AdapterConfig
  /// In the order of their modules' names.
  package let factors: [Factors]
  /// Whole tensors that take the place of the base's, by the names that they have there.
  package let replacements: [String: TensorOutline]

  /// The file that holds an adapter's weights, and the one that says what they are.
  package static let weightsFile = "adapter_model.safetensors"
  package static let configFile = "adapter_config.json"

  /// True for the files of an adapter: its configuration and its weights, and no model beside them that a loader would
  /// look for (`WeightFiles`).
  package static func isAdapter(_ paths: some Sequence<String>) -> Bool {
    WeightFiles.areAlone(configFile, weightsFile, paths)
  }

  /// Takes the tensors of `adapter_model.safetensors`; `path` names the adapter in errors.
  ///
  /// - Throws: `CheckpointError.adapter` for tensors that are unknown, without their other half, or of a shape that the
  ///   configuration's rank does not allow.
  package init(config: AdapterConfig, tensors: [TensorOutline], path: String) throws(CheckpointError) {
    self.config = config
    do throws(AdapterRefusal) {
      var parts = try AdapterParts(tensors)
      var factors: [Factors] = []
      for module in parts.modules {
        factors += try Self.factors(of: module, &parts, config)
      }
      if let stray = parts.stray { throw AdapterRefusal(.unknownTensor(stray.name)) }
      for tensor in tensors where !tensor.dtype.isMergeable && parts.isFactor(tensor) {
        throw AdapterRefusal(.unsupportedDType(tensor.name, dtype: tensor.dtype))
      }
      self.factors = factors
      replacements = parts.replacements
    } catch {
      throw .adapter(path: path, error.fault)
    }
  }

  private static func factors(
    of module: String, _ parts: inout AdapterParts, _ config: AdapterConfig
  ) throws(AdapterRefusal) -> [Factors] {
    let isEmbedding = parts.has(.embeddingA, of: module) || parts.has(.embeddingB, of: module)
    let (first, second): (AdapterParts.Role, AdapterParts.Role) = isEmbedding ? (.embeddingA, .embeddingB) : (.a, .b)
    guard let a = parts.take(first, of: module) else {
      throw AdapterRefusal(.missingHalf(parts.any(of: module), expected: "\(module).\(first.rawValue)"))
    }
    guard let b = parts.take(second, of: module) else {
      throw AdapterRefusal(.missingHalf(a.name, expected: "\(module).\(second.rawValue)"))
    }
    let rank = config.rank(of: module)
    guard a.shape.dimensions.count == 2, a.shape.dimensions[0] == rank else {
      throw AdapterRefusal(.factorShape(a.name, expected: "[\(rank), inputs]", found: a.shape))
    }
    guard b.shape.dimensions.count == 2, b.shape.dimensions[1] == rank else {
      throw AdapterRefusal(.factorShape(b.name, expected: "[outputs, \(rank)]", found: b.shape))
    }
    let outputs = b.shape.dimensions[0]
    let magnitude = config.isDecomposed ? parts.take(.magnitude, of: module) : nil
    if config.isDecomposed {
      guard let magnitude else {
        throw AdapterRefusal(.missingHalf(a.name, expected: "\(module).\(AdapterParts.Role.magnitude.rawValue)"))
      }
      guard magnitude.shape.dimensions == [outputs] else {
        throw AdapterRefusal(.factorShape(magnitude.name, expected: "[\(outputs)]", found: magnitude.shape))
      }
    }
    let scale = config.scale(of: module)
    var found = [
      Factors(
        module: module, a: a, b: b, magnitude: magnitude, rank: rank, scale: scale, isEmbedding: isEmbedding)
    ]
    if config.addsBias, let bias = parts.take(.bias, of: module) {
      guard bias.shape.dimensions == [outputs] else {
        throw AdapterRefusal(.factorShape(bias.name, expected: "[\(outputs)]", found: bias.shape))
      }
      found.append(
        Factors(module: module, a: nil, b: bias, magnitude: nil, rank: 1, scale: scale, isEmbedding: false))
    }
    return found
  }

  /// The kind and rank in a few words: `LoRA, rank 8`, `DoRA, rank 4 to 16`.
  package var summary: String {
    let ranks = factors.filter { $0.a != nil }.map(\.rank)
    guard let low = ranks.min(), let high = ranks.max() else { return "\(config.kind), no factors" }
    return "\(config.kind), rank \(low == high ? "\(low)" : "\(low) to \(high)")"
  }
}

/// The tensors of an adapter's file, sorted by what they are.
struct AdapterParts {
  /// What a tensor is to its module; the text is how its name ends.
  enum Role: String {
    case a = "lora_A.weight"
    case b = "lora_B.weight"
    case bias = "lora_B.bias"
    case embeddingA = "lora_embedding_A"
    case embeddingB = "lora_embedding_B"
    case magnitude = "lora_magnitude_vector"
  }

  private var factors: [String: [Role: TensorOutline]] = [:]
  private var taken: Set<TensorOutline> = []
  private(set) var replacements: [String: TensorOutline] = [:]

  private static let prefix = "base_model.model."
  /// Endings with what they mean. Some programs leave the adapter's own name, `default`, in.
  private static let endings: [(text: String, role: Role)] = [
    ("lora_A.weight", .a), ("lora_A.default.weight", .a), ("lora_B.weight", .b), ("lora_B.default.weight", .b),
    ("lora_B.bias", .bias), ("lora_B.default.bias", .bias), ("lora_embedding_A", .embeddingA),
    ("lora_embedding_A.default", .embeddingA), ("lora_embedding_B", .embeddingB),
    ("lora_embedding_B.default", .embeddingB), ("lora_magnitude_vector", .magnitude),
    ("lora_magnitude_vector.weight", .magnitude), ("lora_magnitude_vector.default", .magnitude),
    ("lora_magnitude_vector.default.weight", .magnitude),
  ]

  init(_ tensors: [TensorOutline]) throws(AdapterRefusal) {
    for tensor in tensors {
      guard tensor.name.hasPrefix(Self.prefix) else { throw AdapterRefusal(.unknownTensor(tensor.name)) }
      let rest = String(tensor.name.dropFirst(Self.prefix.count))
      if let ending = Self.endings.first(where: { rest.hasSuffix("." + $0.text) }) {
        let module = String(rest.dropLast(ending.text.count + 1))
        if let other = factors[module, default: [:]].updateValue(tensor, forKey: ending.role) {
          throw AdapterRefusal(.repeatedTensor(tensor.name, other: other.name))
        }
        continue
      }
      guard !rest.contains("lora_"), let name = Self.whole(rest) else {
        throw AdapterRefusal(.unknownTensor(tensor.name))
      }
      if let other = replacements.updateValue(tensor, forKey: name) {
        throw AdapterRefusal(.repeatedTensor(tensor.name, other: other.name))
      }
    }
  }

  /// The base's name of a tensor that is kept whole.
  private static func whole(_ name: String) -> String? {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count > 1 else { return nil }
    if let at = parts.firstIndex(of: "modules_to_save") {
      parts.remove(at: at)
      if at < parts.count - 1, parts[at] == "default" { parts.remove(at: at) }
    }
    // An embedding that has factors is saved beside them.
    if parts[parts.count - 2] == "base_layer" { parts.remove(at: parts.count - 2) }
    return parts.joined(separator: ".")
  }

  var modules: [String] { factors.keys.sorted { $0.precedes($1) } }

  func has(_ role: Role, of module: String) -> Bool { factors[module]?[role] != nil }

  /// The name of one of a module's tensors.
  func any(of module: String) -> String { factors[module]?.values.map(\.name).min() ?? module }

  mutating func take(_ role: Role, of module: String) -> TensorOutline? {
    guard let found = factors[module]?.removeValue(forKey: role) else { return nil }
    taken.insert(found)
    return found
  }

  func isFactor(_ tensor: TensorOutline) -> Bool { taken.contains(tensor) }

  /// A factor that the configuration gives no meaning.
  var stray: TensorOutline? { factors.values.flatMap(\.values).min { $0.name.precedes($1.name) } }
}
