internal import Tensors

/// Turns a recipe and the headers of its inputs into a plan, or says why that cannot be. Reads no weights.
package struct Planner {
  private let recipe: Recipe
  /// True in mergekit's arithmetic.
  private let isStepwise: Bool
  private let models: [ModelInput]
  /// The tensors of each of `models` by name.
  private let tables: [[String: TensorInput]]
  /// The places in `models`.
  private let places: [String: Int]
  /// The parts of all models, each once, and for each model the places of its parts there.
  private let parts: [String]
  private let partPlaces: [[Int]]
  private let realigner: Realigner

  /// Plans a merge.
  ///
  /// `inputs` holds one entry for each of `recipe.modelReferences`, in any order. All sources of a slice must have the
  /// same tensors with the same shapes. Tensors of dtypes other than F16, BF16, F32 and F64 are copied and must be
  /// equal. Where the recipe has a tokenizer, `vocabulary` is what it comes to, and embeddings may differ in rows.
  /// `masks` and `subspaces` hold one entry for each of `recipe.auxiliaryReferences`; a mask must have bits for all
  /// tensors that it is to keep elements of.
  package static func plan(
    recipe: Recipe, inputs: [ModelInput], masks: [MaskInput] = [], subspaces: [SubspaceInput] = [],
    arithmetic: String = Plan.exact1, seed: UInt32? = nil, vocabulary: OutputVocabulary? = nil
  ) throws(MergeError) -> Plan {
    guard Plan.arithmetics.contains(arithmetic) else { throw .unknownArithmetic(arithmetic) }
    let planner = try Planner(
      recipe, inputs, masks: masks, subspaces: subspaces, isStepwise: arithmetic == Plan.mergekit015)
    try planner.checkCount()
    let names = planner.tables.map { Set($0.keys) }
    let outputs = try OutputTensors.all(
      of: recipe, models: Dictionary(uniqueKeysWithValues: zip(recipe.modelReferences, names)),
      isStepwise: planner.isStepwise)
    let rows = try planner.rows(vocabulary, outputs)
    var tensors: [PlannedTensor] = []
    tensors.reserveCapacity(outputs.count)
    for output in outputs { tensors.append(try planner.tensor(output, rows[output.place.name])) }
    return Plan(
      arithmetic: arithmetic, seed: planner.isStepwise ? seed ?? 0 : nil, inputs: planner.parts,
      tensors: tensors)
  }

  private init(
    _ recipe: Recipe, _ inputs: [ModelInput], masks: [MaskInput], subspaces: [SubspaceInput], isStepwise: Bool
  ) throws(MergeError) {
    var models: [ModelInput] = []
    var tables: [[String: TensorInput]] = []
    var given: [ModelInput] = []
    for reference in recipe.modelReferences {
      guard let model = inputs.first(where: { $0.reference == reference }) else { throw .missingInput(reference) }
      given.append(model)
    }
    for model in TensorNames.together(given, base: recipe.base, isStepwise: isStepwise) {
      var table: [String: TensorInput] = [:]
      for tensor in model.tensors where table.updateValue(tensor, forKey: tensor.name) != nil {
        throw .repeatedTensor(tensor.name, model: model.reference)
      }
      models.append(model)
      tables.append(table)
    }
    self.recipe = recipe
    self.isStepwise = isStepwise
    var parts: [String] = []
    partPlaces = models.map { model in
      model.parts.map { part in
        if let place = parts.firstIndex(of: part) { return place }
        parts.append(part)
        return parts.count - 1
      }
    }
    // Masks and subspaces come behind all models.
    let first = parts.count
    parts += recipe.auxiliaryReferences
    realigner = try Realigner(
      recipe, zip(models, partPlaces).map { ($0, $1) }, masks: masks, subspaces: subspaces, first: first,
      isStepwise: isStepwise)
    self.parts = parts
    self.models = models
    self.tables = tables
    places = Dictionary(uniqueKeysWithValues: models.indices.map { (models[$0].reference, $0) })
  }

  /// Refuses a number of models that the method cannot take, and a base that is not among them.
  private func checkCount() throws(MergeError) {
    for slice in recipe.modules.flatMap({ $0.slices + [$0.tail(isStepwise: isStepwise)] }) {
      let base = ParameterLookup.base(of: recipe.method, in: slice)
      if recipe.method.baseUse != .ordinary, let name = slice.base, base == nil {
        throw .misfit(
          place: "a slice of method \(recipe.method.rawValue)", expected: "the base model '\(name)' among its sources",
          found: slice.sources.map { "'\($0.reference)'" }.joined(separator: ", "), line: nil)
      }
      let count = slice.sources.count - (base == nil ? 0 : 1)
      guard recipe.method.inputCount.contains(count) else {
        throw .inputCount(
          method: recipe.method.rawValue, expected: recipe.method.inputCount, found: count, base: base != nil)
      }
    }
  }

  /// By output, where the rows of embeddings come from where they move.
  private func rows(
    _ vocabulary: OutputVocabulary?, _ outputs: [OutputTensor]
  ) throws(MergeError) -> [String: RowMap] {
    guard let vocabulary else { return [:] }
    return try VocabularyRows(vocabulary, outputs) { tables[places[$0] ?? 0][$1]?.shape }.maps
  }

  private func tensor(_ output: OutputTensor, _ rows: RowMap?) throws(MergeError) -> PlannedTensor {
    let place = output.place
    let indices = output.slice.sources.compactMap { places[$0.reference] }
    let stored = zip(indices, output.stored).compactMap { tables[$0][$1] }
    let first = stored[0]
    for (index, other) in zip(indices, stored) {
      guard other.shape.alongRows(rows) == first.shape.alongRows(rows) else {
        throw .shapeMismatch(
          tensor: place.name, first: models[indices[0]].reference, firstShape: first.shape,
          second: models[index].reference, secondShape: other.shape)
      }
      guard other.dtype == first.dtype || (other.dtype.isMergeable && first.dtype.isMergeable) else {
        throw .dtypeMismatch(
          tensor: place.name, first: models[indices[0]].reference, firstDType: first.dtype,
          second: models[index].reference, secondDType: other.dtype)
      }
    }
    guard first.dtype.isMergeable else {
      if rows != nil { throw .unsupported(feature: "a new vocabulary for \(first.dtype.rawValue) rows", line: nil) }
      return try copy(stored, indices, as: place.name)
    }
    let shape = first.shape.alongRows(rows)
    let working = recipe.dtype ?? Self.wider(of: stored.map(\.dtype))
    let isWidened = isStepwise && stored.count > 1 && StepMethod.widens(recipe.method)
    let dtype = recipe.outDType ?? (isWidened ? .f32 : working)
    if isStepwise, working == .f64 || stored.contains(where: { $0.change?.dtype == .f64 }) {
      throw .misfit(
        place: "mergekit's arithmetic, tensor '\(place.name)'", expected: "at most F32 (dtype: float32)",
        found: "F64, which only the exact arithmetic computes in", line: nil)
    }
    for candidate in stored.map(\.dtype) + [dtype] where shape.byteCount(of: candidate) == nil {
      throw .shapeTooLarge(tensor: place.name, shape: shape, dtype: candidate)
    }
    let (method, read) = try realigner.realigned(
      ParameterLookup(recipe: recipe, output: output, working: isStepwise ? working : nil).call(),
      zip(indices, stored).map(planned), of: output, shape: shape, movesRows: rows != nil)
    return PlannedTensor(
      name: place.name, dtype: dtype, shape: shape, method: method, inputs: read,
      workingDType: isStepwise ? working : nil, rows: rows)
  }

  /// Where all digests are known they are compared here and one input is read; else all are read and compared.
  private func copy(
    _ stored: [TensorInput], _ indices: [Int], as name: String
  ) throws(MergeError) -> PlannedTensor {
    let first = stored[0]
    guard first.shape.byteCount(of: first.dtype) != nil else {
      throw .shapeTooLarge(tensor: name, shape: first.shape, dtype: first.dtype)
    }
    for (index, other) in stored.enumerated() {
      guard let a = first.digestHex, let b = other.digestHex, a != b else { continue }
      throw .contentMismatch(
        tensor: name, first: models[indices[0]].reference, second: models[indices[index]].reference, dtype: first.dtype)
    }
    let unproved = stored.indices.filter { $0 == 0 || first.digestHex == nil || stored[$0].digestHex == nil }
    return PlannedTensor(
      name: name, dtype: first.dtype, shape: first.shape, method: MethodCall(.copy),
      inputs: unproved.map { planned(indices[$0], stored[$0]) })
  }

  /// What is read for a tensor of a model.
  private func planned(_ model: Int, _ tensor: TensorInput) -> PlannedInput {
    let places = partPlaces[model]
    return PlannedInput(
      model: places[tensor.part], tensor: tensor.storedName, dtype: tensor.change?.dtype ?? tensor.dtype,
      name: tensor.name, pieces: tensor.pieces, change: tensor.change.map { $0.moved(to: places[$0.adapter]) })
  }

  /// The smallest of the mergeable dtypes that holds all of these exactly; F32 for BF16 with F16.
  private static func wider(of dtypes: [DType]) -> DType {
    if dtypes.contains(.f64) { return .f64 }
    return dtypes.allSatisfy { $0 == dtypes[0] } ? dtypes[0] : .f32
  }
}
