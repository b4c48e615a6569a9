package import Tensors

/// What the user wrote: a merge in mergekit's YAML, checked in itself but not yet against any model.
package struct Recipe: Sendable, Equatable {
  /// One entry of `models`.
  package struct Model: Sendable, Equatable {
    /// A store name, model id or path, as written.
    package let reference: String
    package let parameters: [String: ParameterValue]
  }

  /// The YAML text, as given.
  package let text: String
  package let method: MergeMethod
  /// The reference of `base_model`.
  package let base: String?
  package let models: [Model]
  /// The global parameters: fallbacks for those of the models.
  package let parameters: [String: ParameterValue]
  /// `dtype` and `out_dtype`: both name the output type only, the latter wins. Inputs are never rounded.
  package let dtype: DType?
  package let outDType: DType?

  /// Reads a recipe.
  ///
  /// Unknown keys are refused with the line and the nearest known one; what mergekit has and this does not is
  /// `MergeError.unsupported`.
  package init(yaml text: String) throws(MergeError) {
    let reader = try RecipeReader(text)
    self.text = text
    method = try reader.method()
    base = try reader.base()
    models = try reader.models(method)
    parameters = try reader.globalParameters(method)
    dtype = try reader.dtype("dtype")
    outDType = try reader.dtype("out_dtype")
    if method.needsBase, base == nil { throw .missingBase(method: method.rawValue) }
  }

  /// The references of all inputs in the order of arithmetic: as listed, the base last if it is not listed.
  package var modelReferences: [String] {
    let listed = models.map(\.reference)
    guard let base, !listed.contains(base) else { return listed }
    return listed + [base]
  }
}
