internal import Tensors

/// Turns a recipe and the headers of its inputs into a plan, or says why that cannot be. Reads no weights.
package struct Planner {
  private let recipe: Recipe
  private let models: [ModelInput]
  /// The tensors of each of `models` by name.
  private let tables: [[String: TensorInput]]

  /// Plans a merge.
  ///
  /// `inputs` holds one entry for each of `recipe.modelReferences`, in any order. All inputs must have the same tensors
  /// with the same shapes. Tensors of dtypes other than F16, BF16, F32 and F64 are copied and must be equal.
  package static func plan(
    recipe: Recipe, inputs: [ModelInput], arithmetic: String = Plan.exact1
  ) throws(MergeError) -> Plan {
    guard arithmetic == Plan.exact1 else { throw .unknownArithmetic(arithmetic) }
    let planner = try Planner(recipe, inputs)
    try planner.checkNames()
    let names = planner.tables[0].keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let stacks = LayerStacks(names: names)
    var tensors: [PlannedTensor] = []
    tensors.reserveCapacity(names.count)
    for name in names { tensors.append(try planner.tensor(stacks.place(of: name))) }
    return Plan(arithmetic: arithmetic, inputs: planner.models.map(\.reference), tensors: tensors)
  }

  private init(_ recipe: Recipe, _ inputs: [ModelInput]) throws(MergeError) {
    var models: [ModelInput] = []
    var tables: [[String: TensorInput]] = []
    for reference in recipe.modelReferences {
      guard let model = inputs.first(where: { $0.reference == reference }) else { throw .missingInput(reference) }
      var table: [String: TensorInput] = [:]
      for tensor in model.tensors where table.updateValue(tensor, forKey: tensor.name) != nil {
        throw .repeatedTensor(tensor.name, model: reference)
      }
      models.append(model)
      tables.append(table)
    }
    self.recipe = recipe
    self.models = models
    self.tables = tables
  }

  /// Refuses the first tensor, in the order of names, that some inputs have and others lack.
  private func checkNames() throws(MergeError) {
    for index in tables.indices.dropFirst() {
      let lacking = tables[0].keys.filter { tables[index][$0] == nil }.min()
      if let lacking {
        throw .missingTensor(lacking, lacking: models[index].reference, having: models[0].reference)
      }
      let surplus = tables[index].keys.filter { tables[0][$0] == nil }.min()
      if let surplus {
        throw .missingTensor(surplus, lacking: models[0].reference, having: models[index].reference)
      }
    }
  }

  private func tensor(_ place: TensorPlace) throws(MergeError) -> PlannedTensor {
    let stored = tables.compactMap { $0[place.name] }
    let first = stored[0]
    for (index, other) in stored.enumerated() {
      guard other.shape == first.shape else {
        throw .shapeMismatch(
          tensor: place.name, first: models[0].reference, firstShape: first.shape, second: models[index].reference,
          secondShape: other.shape)
      }
      guard other.dtype == first.dtype || (other.dtype.isMergeable && first.dtype.isMergeable) else {
        throw .dtypeMismatch(
          tensor: place.name, first: models[0].reference, firstDType: first.dtype, second: models[index].reference,
          secondDType: other.dtype)
      }
    }
    guard first.dtype.isMergeable else { return try copy(stored) }
    let dtype = recipe.outDType ?? recipe.dtype ?? Self.wider(of: stored.map(\.dtype))
    for candidate in stored.map(\.dtype) + [dtype] where first.shape.byteCount(of: candidate) == nil {
      throw .shapeTooLarge(tensor: place.name, shape: first.shape, dtype: candidate)
    }
    return PlannedTensor(
      name: place.name, dtype: dtype, shape: first.shape, method: try call(place), inputs: Array(stored.indices),
      inputDTypes: stored.map(\.dtype))
  }

  /// Where all digests are known they are compared here and one input is read; else all are read and compared.
  private func copy(_ stored: [TensorInput]) throws(MergeError) -> PlannedTensor {
    let first = stored[0]
    guard first.shape.byteCount(of: first.dtype) != nil else {
      throw .shapeTooLarge(tensor: first.name, shape: first.shape, dtype: first.dtype)
    }
    for (index, other) in stored.enumerated() {
      guard let a = first.digestHex, let b = other.digestHex, a != b else { continue }
      throw .contentMismatch(
        tensor: first.name, first: models[0].reference, second: models[index].reference, dtype: first.dtype)
    }
    let unproved = stored.indices.filter { $0 == 0 || first.digestHex == nil || stored[$0].digestHex == nil }
    return PlannedTensor(
      name: first.name, dtype: first.dtype, shape: first.shape, method: MethodCall(.copy), inputs: unproved,
      inputDTypes: unproved.map { stored[$0].dtype })
  }

  private func call(_ place: TensorPlace) throws(MergeError) -> MethodCall {
    switch recipe.method {
    case .linear:
      let weights = try weights(place, of: Array(models.indices))
      let normalize = flag("normalize", place) ?? true
      let sum = Linear.sum(weights, as: Float.self)
      if normalize, sum == 0 || !sum.isFinite { throw .weightsSumToZero(tensor: place.name, weights: weights) }
      return MethodCall(.linear, perInput: ["weight": weights], settings: ["normalize": normalize ? 1 : 0])
    case .taskArithmetic:
      guard let base = models.firstIndex(where: { $0.reference == recipe.base }) else {
        throw .missingBase(method: recipe.method.rawValue)
      }
      return MethodCall(
        .taskArithmetic, base: base,
        perInput: ["weight": try weights(place, of: models.indices.filter { $0 != base })],
        settings: [
          "normalize": flag("normalize", place) == true ? 1 : 0,
          "lambda": recipe.parameters["lambda"]?.number(for: place) ?? 1,
        ])
    case .copy: return MethodCall(.copy)
    }
  }

  /// The model's own value first, else the global one.
  private func weights(_ place: TensorPlace, of indices: [Int]) throws(MergeError) -> [Double] {
    var weights: [Double] = []
    for index in indices {
      let reference = models[index].reference
      let own = recipe.models.first { $0.reference == reference }?.parameters["weight"]?.number(for: place)
      guard let weight = own ?? recipe.parameters["weight"]?.number(for: place) else {
        throw .missingParameter("weight", model: reference, tensor: place.name)
      }
      weights.append(weight)
    }
    return weights
  }

  private func flag(_ name: String, _ place: TensorPlace) -> Bool? { recipe.parameters[name]?.flag(for: place) }

  /// The smallest of the mergeable dtypes that holds all of these exactly; F32 for BF16 with F16.
  private static func wider(of dtypes: [DType]) -> DType {
    if dtypes.contains(.f64) { return .f64 }
    return dtypes.allSatisfy { $0 == dtypes[0] } ? dtypes[0] : .f32
  }
}
