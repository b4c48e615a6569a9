package import Tensors

/// What the user wrote: a merge in mergekit's YAML, checked in itself but not yet against any model.
package struct Recipe: Sendable, Equatable {
  /// A model that tensors are taken from: an entry of `models`, or a source of a slice.
  package struct Source: Sendable, Equatable {
    /// A store name, model id or path, as written.
    package let reference: String
    /// The layers taken; nil for the whole model.
    package let layers: Range<Int>?
    package let parameters: [String: ParameterValue]
    /// What is done to its tensors before they are merged, as far as it is its own.
    package var realignment = RealignmentSettings()
  }

  /// Consecutive layers of the fused model; `models` is one slice of whole models.
  package struct Slice: Sendable, Equatable {
    /// In the order of arithmetic; of equal lengths. The base of `models` comes last where it is not listed.
    package let sources: [Source]
    /// The reference of the base: the slice's own, else the recipe's.
    package let base: String?
    package let parameters: [String: ParameterValue]
  }

  /// A part of the model with layers of its own; without a name it is all of it.
  package struct Module: Sendable, Equatable {
    package let name: String?
    /// Top to bottom.
    package let slices: [Slice]
    package let parameters: [String: ParameterValue]
  }

  /// Stemma's own settings, those under `stemma`.
  package struct Settings: Sendable, Equatable {
    /// What random pruning starts from; nil for the method's own.
    package var seed: Int?
    /// True where pruned deltas are divided by the density as the papers do; nil for the method's own rule.
    package var rescalesByPaper: Bool?
    /// True where NaN and infinity in the inputs go through and are not refused.
    package var allowsNonfinite = false
    /// What is done to the tensors of all models but the base.
    package var realignment = RealignmentSettings()
    /// The subspace of the methods that choose what to project.
    package var subspace: String?
    /// How `somf` merges.
    package var variant: Somf.Variant?
  }

  /// The YAML text, as given.
  package internal(set) var text: String
  /// What later recipes of the same text call the result.
  package let name: String?
  package let method: MergeMethod
  /// The reference of `base_model`.
  package let base: String?
  package let modules: [Module]
  /// The global parameters: fallbacks for those of modules, slices and models.
  package let parameters: [String: ParameterValue]
  /// `dtype` and `out_dtype`: both name the output type only, the latter wins. Inputs are never rounded.
  package let dtype: DType?
  package let outDType: DType?
  package let settings: Settings
  /// The fused model's vocabulary; nil where models have one and the same, or it does not matter.
  package let tokenizer: Tokenizer?
  /// `chat_template`: `auto`, a name, or the template itself.
  package let chatTemplate: String?

  /// Reads a recipe.
  ///
  /// Unknown keys are refused with the line and the nearest known one; what mergekit has and this does not is
  /// `MergeError.unsupported`.
  package init(yaml text: String) throws(MergeError) {
    try self.init(yaml: text, firstLine: 1)
  }

  /// Reads a recipe that begins on a later line of a larger text; errors then have the lines of that text.
  init(yaml text: String, firstLine: Int) throws(MergeError) {
    let reader = try RecipeReader(String(repeating: "\n", count: firstLine - 1) + text)
    self.text = text
    name = try reader.name()
    method = try reader.method()
    base = try reader.base()
    modules = try ModuleReader(method: method, base: base).modules(reader)
    parameters = try reader.globalParameters(method)
    dtype = try reader.dtype("dtype")
    outDType = try reader.dtype("out_dtype")
    settings = try reader.settings()
    tokenizer = try reader.tokenizer()
    chatTemplate = try reader.chatTemplate()
    if method.needsBase, modules.contains(where: { $0.slices.contains { $0.base == nil } }) {
      throw .missingBase(method: method.rawValue)
    }
    try checkTokens()
  }

  /// The sources of all slices, as listed.
  package var sources: [Source] { modules.flatMap { $0.slices.flatMap(\.sources) } }

  /// True where layers are chosen, so that the fused model may have another number of them.
  package var choosesLayers: Bool { sources.contains { $0.layers != nil } }

  /// The references of the models merged in the order of arithmetic, each once: as listed, then bases that are not.
  package var mergedReferences: [String] {
    var seen: Set<String> = []
    let bases = modules.flatMap { $0.slices.compactMap(\.base) } + [base].compactMap(\.self)
    return (sources.map(\.reference) + bases).filter { seen.insert($0).inserted }
  }

  /// The same and, last, the model of which only the tokenizer is taken.
  package var modelReferences: [String] {
    let merged = mergedReferences
    guard case .model(let donor) = tokenizer?.source, !merged.contains(donor) else { return merged }
    return merged + [donor]
  }

  /// Refuses rows of models that are not merged.
  private func checkTokens() throws(MergeError) {
    for token in tokenizer?.tokens ?? [] {
      guard let model = token.model, !mergedReferences.contains(model) else { continue }
      let nearest = Spelling.nearest(to: model, among: mergedReferences)
      throw .misfit(
        place: "tokenizer, token '\(token.text)'",
        expected: "a source among the models merged" + (nearest.map { " (did you mean '\($0)'?)" } ?? ""),
        found: "'\(model)'", line: token.line)
    }
  }
}
