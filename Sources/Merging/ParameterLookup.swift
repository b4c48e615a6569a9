internal import Tensors

/// Finds the parameters of one tensor.
///
/// The source's own value holds, else the slice's, the module's, the recipe's, the method's. Filters of a parameter
/// that each model has are tried on the name in that model, all others on the output's.
struct ParameterLookup {
  let recipe: Recipe
  let output: OutputTensor
  /// The type that mergekit's arithmetic rounds to; nil in exact arithmetic.
  let working: DType?

  /// The place of the base among a slice's sources; nil for methods without one.
  static func base(of method: MergeMethod, in slice: Recipe.Slice) -> Int? {
    guard method.baseUse != .ordinary, let base = slice.base else { return nil }
    return slice.sources.firstIndex { $0.reference == base }
  }

  /// The method with its parameters.
  func call() throws(MergeError) -> MethodCall {
    let method = recipe.method
    let base = Self.base(of: method, in: output.slice)
    let others = output.slice.sources.indices.filter { $0 != base }
    var perInput: [String: [Double]] = [:]
    var settings: [String: Double] = recipe.settings.allowsNonfinite ? ["allow_nonfinite": 1] : [:]
    // Alone, a base is the result as it is.
    if others.isEmpty { return MethodCall(.passthrough, settings: settings) }
    for rule in method.parameters where rule.name != "int8_mask" {
      if rule.perModel {
        let values = try values(of: rule, others)
        if !values.isEmpty { perInput[rule.name] = values }
      } else if let value = shared(rule.name, output.place) {
        settings[rule.name] = value
      } else if case .value(let value) = rule.fallback {
        settings[rule.name] = value
      } else if rule.fallback == .required {
        throw .missingParameter(rule.name, model: nil, tensor: output.place.name)
      }
    }
    if method.prunesAtRandom {
      if let seed = recipe.settings.seed { settings["seed"] = Double(seed) }
      if let rescales = recipe.settings.rescalesByPaper { settings["rescale_paper"] = rescales ? 1 : 0 }
    }
    var call = MethodCall(method, base: base, perInput: perInput, settings: settings)
    if method == .somf { call = try Somf.call(call, recipe.settings.variant, models: others.count) }
    try call.check(tensor: output.place.name, working: working)
    return call
  }

  /// One value for each of these sources; none where the parameter may be absent and is.
  private func values(of rule: MergeMethod.ParameterRule, _ indices: [Int]) throws(MergeError) -> [Double] {
    var values: [Double] = []
    for index in indices {
      let source = output.slice.sources[index]
      let place = TensorPlace(name: output.names[index], position: output.place.position)
      if let value = number(source.parameters[rule.name], place) ?? shared(rule.name, place) {
        values.append(value)
      } else if case .value(let value) = rule.fallback {
        values.append(value)
      } else if rule.fallback == .required {
        throw .missingParameter(rule.name, model: source.reference, tensor: output.place.name)
      }
    }
    return values
  }

  /// What the slice, the module or the recipe says.
  private func shared(_ name: String, _ place: TensorPlace) -> Double? {
    for parameters in [output.slice.parameters, output.module.parameters, recipe.parameters] {
      if let value = number(parameters[name], place) { return value }
    }
    return nil
  }

  /// A number, or a flag as 0 or 1.
  private func number(_ value: ParameterValue?, _ place: TensorPlace) -> Double? {
    value?.number(for: place) ?? value?.flag(for: place).map { $0 ? 1 : 0 }
  }
}
