internal import JSON

/// What `adapter_config.json` says of a LoRA adapter, in the terms of PEFT 0.21.
///
/// Hu et al., "LoRA", arXiv 2106.09685; Kalajdzievski, "rsLoRA", arXiv 2312.03732; Liu et al., "DoRA", arXiv
/// 2402.09353.
package struct AdapterConfig: Sendable, Equatable {
  /// `base_model_name_or_path`.
  package let base: String?
  /// `r` and `lora_alpha`, for modules that no pattern names.
  package let rank: Int
  package let alpha: Double
  /// Scales are alpha / √rank instead of alpha / rank.
  package let usesRootScale: Bool
  /// Rows are scaled to learnt lengths.
  package let isDecomposed: Bool
  /// Weights are stored input × output, as GPT-2's.
  package let fanInFanOut: Bool
  /// `lora_bias`: the second factor has a bias, which is added to that of the module.
  package let addsBias: Bool
  package let modulesToSave: [String]
  /// Regular expressions with values, in the order of the file.
  let rankPattern: [Pattern<Int>]
  let alphaPattern: [Pattern<Double>]

  struct Pattern<Value: Sendable & Equatable>: Sendable, Equatable {
    let key: String
    let value: Value
  }

  /// Reads the file's text; `path` names it in errors.
  ///
  /// - Throws: `CheckpointError.adapter`, for what is not LoRA, or changes it in a way that is not read, too.
  package init(parsing bytes: [UInt8], path: String) throws(CheckpointError) {
    do throws(AdapterRefusal) {
      let fields = try ConfigFields(bytes)
      if let kind = try fields.text("peft_type"), kind != "LORA" {
        throw AdapterRefusal(.unsupportedKind(kind))
      }
      try fields.refuseUnreadKeys()
      base = try fields.text("base_model_name_or_path")
      rank = try fields.count("r") ?? 8
      alpha = try fields.number("lora_alpha") ?? 8
      usesRootScale = try fields.flag("use_rslora")
      isDecomposed = try fields.flag("use_dora")
      fanInFanOut = try fields.flag("fan_in_fan_out")
      addsBias = try fields.flag("lora_bias")
      modulesToSave = try fields.texts("modules_to_save")
      rankPattern = try fields.patterns("rank_pattern") { $0.int.flatMap { $0 > 0 ? $0 : nil } }
      alphaPattern = try fields.patterns("alpha_pattern") { $0.double }
      for key in rankPattern.map(\.key) + alphaPattern.map(\.key) where ModulePattern(key) == nil {
        throw AdapterRefusal(.badPattern(key))
      }
    } catch {
      throw .adapter(path: path, error.fault)
    }
  }

  /// The rank of a module; the first pattern that fits it decides.
  package func rank(of module: String) -> Int {
    rankPattern.first { ModulePattern($0.key)?.matches(module) ?? false }?.value ?? rank
  }

  /// What a module's product is multiplied by.
  package func scale(of module: String) -> Double {
    let alpha = alphaPattern.first { ModulePattern($0.key)?.matches(module) ?? false }?.value ?? alpha
    let rank = Double(rank(of: module))
    return alpha / (usesRootScale ? rank.squareRoot() : rank)
  }

  /// `LoRA`, `rsLoRA`, `DoRA`, or both of the latter.
  package var kind: String {
    isDecomposed ? (usesRootScale ? "rsDoRA" : "DoRA") : (usesRootScale ? "rsLoRA" : "LoRA")
  }
}

/// A key of `rank_pattern` or `alpha_pattern`: a regular expression for the end of a module's name, from a dot on.
struct ModulePattern {
  private let key: String
  private let expression: Regex<AnyRegexOutput>?

  /// Nil where the key is no regular expression.
  init?(_ key: String) {
    self.key = key
    let isPlain = key.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || [0x2D, 0x2E, 0x5F].contains(byte)
    }
    if isPlain {
      expression = nil
    } else {
      guard let expression = try? Regex("(.*\\.)?(\(key))$") else { return nil }
      self.expression = expression
    }
  }

  func matches(_ module: String) -> Bool {
    if let expression { return (try? expression.prefixMatch(in: module)) ?? nil != nil }
    // A dot stands for any character here too. Adapters with a pattern a module have tens of thousands of pairs.
    let (name, end) = (Array(module.utf8), Array(key.utf8))
    let start = name.count - end.count
    guard start == 0 || (start > 0 && name[start - 1] == UInt8(ascii: ".")) else { return false }
    return end.indices.allSatisfy { end[$0] == UInt8(ascii: ".") || end[$0] == name[start + $0] }
  }
}

/// Typed access to the members of the configuration.
private struct ConfigFields {
  private let members: [JSONValue.Member]

  /// Keys that say nothing of what the weights become, or are read here.
  private static let read: Set<String> = [
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "eva_config", "exclude_modules",
    "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "loftq_config",
    "lora_alpha", "lora_bias", "lora_dropout", "megatron_core", "modules_to_save", "peft_type", "peft_version",
    "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config", "target_modules", "task_type", "use_dora",
    "use_rslora",
  ]
  /// Ways to begin that take something away from the base, so that the adapter is one of another base.
  private static let baseChanging = ["pissa", "corda", "olora", "loftq", "lora_ga", "mica"]

  init(_ bytes: [UInt8]) throws(AdapterRefusal) {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue.parse(bytes)
    } catch {
      throw AdapterRefusal(.notJSON(error))
    }
    guard let members = value.members else {
      throw AdapterRefusal(.badSetting("adapter_config.json", expected: "an object", found: value.kind))
    }
    self.members = members
  }

  /// Refuses settings that change what the adapter means, unless they are off.
  func refuseUnreadKeys() throws(AdapterRefusal) {
    for member in members {
      if member.key == "init_lora_weights", let way = member.value.text?.lowercased(),
        Self.baseChanging.contains(where: way.hasPrefix)
      {
        throw AdapterRefusal(.unsupportedSetting("init_lora_weights", value: way))
      }
      if Self.read.contains(member.key) { continue }
      let isOff =
        switch member.value {
        case .null, .bool(false): true
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
      if !isOff { throw AdapterRefusal(.unsupportedSetting(member.key, value: member.value.kind)) }
    }
  }

  private func value(_ key: String) -> JSONValue? {
    let value = members.first { $0.key == key }?.value
    return value == .null ? nil : value
  }

  private func wrong(_ key: String, _ expected: String) -> AdapterRefusal {
    AdapterRefusal(.badSetting(key, expected: expected, found: value(key)?.kind ?? "nothing"))
  }

  func text(_ key: String) throws(AdapterRefusal) -> String? {
    guard let value = value(key) else { return nil }
    guard let text = value.text else { throw wrong(key, "a string") }
    return text
  }

  func flag(_ key: String) throws(AdapterRefusal) -> Bool {
    guard let value = value(key) else { return false }
    guard let truth = value.truth else { throw wrong(key, "true or false") }
    return truth
  }

  func count(_ key: String) throws(AdapterRefusal) -> Int? {
    guard let value = value(key) else { return nil }
    guard let count = value.int, count > 0 else { throw wrong(key, "a whole number above 0") }
    return count
  }

  func number(_ key: String) throws(AdapterRefusal) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.double else { throw wrong(key, "a number") }
    return number
  }

  func texts(_ key: String) throws(AdapterRefusal) -> [String] {
    guard let value = value(key) else { return [] }
    let texts = value.elements?.map(\.text)
    guard let texts, !texts.contains(nil) else { throw wrong(key, "a list of strings") }
    return texts.compactMap { $0 }
  }

  func patterns<Value>(
    _ key: String, _ read: (JSONValue) -> Value?
  ) throws(AdapterRefusal) -> [AdapterConfig.Pattern<Value>] {
    guard let value = value(key) else { return [] }
    guard let members = value.members else { throw wrong(key, "an object") }
    var patterns: [AdapterConfig.Pattern<Value>] = []
    for member in members {
      guard let number = read(member.value) else {
        throw AdapterRefusal(
          .badSetting("\(key) \(member.key)", expected: "a number above 0", found: member.value.kind))
      }
      patterns.append(AdapterConfig.Pattern(key: member.key, value: number))
    }
    return patterns
  }
}
