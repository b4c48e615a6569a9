internal import JSON

/// An adapter that is to be written: what its tensors are called and what its configuration says, as PEFT has it.
package struct AdapterDraft: Sendable {
  /// A module that gets factors.
  package struct Module: Sendable {
    package let name: String
    package let rank: Int

    package init(name: String, rank: Int) {
      self.name = name
      self.rank = rank
    }
  }

  /// What `base_model_name_or_path` says.
  package let base: String
  /// What the model is for, such as `CAUSAL_LM`; nil where that is not known.
  package let task: String?
  package let modules: [Module]
  /// Modules that are saved whole.
  package let wholeModules: [String]
  /// Weights lie inputs × outputs.
  package let fanInFanOut: Bool
  /// Biases of modules with factors are saved too.
  package let savesBiases: Bool

  package init(
    base: String, task: String?, modules: [Module], wholeModules: [String], fanInFanOut: Bool, savesBiases: Bool
  ) {
    self.base = base
    self.task = task
    self.modules = modules
    self.wholeModules = wholeModules
    self.fanInFanOut = fanInFanOut
    self.savesBiases = savesBiases
  }

  /// The names of a module's two factors.
  package static func factorNames(of module: String) -> (a: String, b: String) {
    ("base_model.model.\(module).lora_A.weight", "base_model.model.\(module).lora_B.weight")
  }

  /// The name of a tensor that is saved whole: another where its module has factors, which PEFT wraps.
  package static func wholeName(of tensor: String, besideFactors: Bool) -> String {
    var parts = tensor.split(separator: ".", omittingEmptySubsequences: false)
    if besideFactors { parts.insert("base_layer", at: max(0, parts.count - 1)) }
    return "base_model.model." + parts.joined(separator: ".")
  }

  /// The text of `adapter_config.json`. Scales are 1: alpha is the rank.
  package var config: [UInt8] {
    let rank = modules.map(\.rank).max() ?? 1
    let others = modules.filter { $0.rank != rank }.map { JSONValue.Member($0.name, .integer($0.rank)) }
    let targets = Set(modules.compactMap { $0.name.split(separator: ".").last.map(String.init) }).sorted()
    let value: JSONValue = [
      "alpha_pattern": .object(others), "base_model_name_or_path": .string(base),
      "bias": .string(savesBiases ? "all" : "none"), "fan_in_fan_out": .bool(fanInFanOut), "inference_mode": true,
      "lora_alpha": .integer(rank), "lora_dropout": .number(0),
      "modules_to_save": wholeModules.isEmpty ? .null : .array(wholeModules.map(JSONValue.string)),
      "peft_type": "LORA", "r": .integer(rank), "rank_pattern": .object(others),
      "target_modules": .array(targets.map(JSONValue.string)), "task_type": task.map(JSONValue.string) ?? .null,
      "use_dora": false, "use_rslora": false,
    ]
    return Array((value.pretty() + "\n").utf8)
  }
}
