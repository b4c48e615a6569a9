package import Tensors

/// Every way a merge can be refused. Lines are those of the recipe text, from 1; nil where YAML gave none.
package enum MergeError: Error, Equatable {
  // Reading the recipe.
  case invalidYAML(line: Int?, problem: String)
  case unknownKey(String, place: String, line: Int?, suggestion: String?)
  case missingKey(String, place: String, line: Int?)
  case wrongType(String, expected: String, found: String, line: Int?)
  case unknownMethod(String, line: Int?, suggestion: String?)
  case unknownDType(String, line: Int?)
  case unsupported(feature: String, line: Int?)
  case repeatedModel(String, line: Int?)
  case unknownParameter(String, method: String, line: Int?, suggestion: String?)
  case globalParameterOnModel(String, model: String, line: Int?)
  case missingBase(method: String)
  case misfit(place: String, expected: String, found: String, line: Int?)
  /// A recipe whose numbers have yet to be searched.
  case searchMark(line: Int?)

  // Planning.
  case unknownArithmetic(String)
  case inputCount(method: String, expected: ClosedRange<Int>, found: Int, base: Bool)
  case missingInput(String)
  case repeatedTensor(String, model: String)
  case missingTensor(String, lacking: String, having: String)
  case shapeMismatch(tensor: String, first: String, firstShape: Shape, second: String, secondShape: Shape)
  case dtypeMismatch(tensor: String, first: String, firstDType: DType, second: String, secondDType: DType)
  case shapeTooLarge(tensor: String, shape: Shape, dtype: DType)
  case missingParameter(String, model: String?, tensor: String)
  case parameterRange(String, value: Double, tensor: String, expected: String)
  case weightsSumToZero(tensor: String, weights: [Double])
  case keepProbability(tensor: String, density: Double, epsilon: Double)

  // Looking at whole tensors before blocks are made.
  /// `measuredBy` is the method, where the recipe allows what is not finite but the method cannot.
  case notFinite(tensor: String, model: String, element: Int, value: String, measuredBy: String?)
  case tooLarge(tensor: String)
  case cancellingDirections(tensor: String)

  // Running.
  case outOfRange(tensor: String, element: Int, value: String, dtype: DType)

  // Planning where digests are known, else running.
  case contentMismatch(tensor: String, first: String, second: String, dtype: DType)
}

extension MergeError: CustomStringConvertible {
  /// One line: what is wrong, what was expected, what was found.
  package var description: String {
    switch self {
    case .invalidYAML, .unknownKey, .missingKey, .wrongType, .unknownMethod, .unknownDType, .unsupported,
      .repeatedModel, .unknownParameter, .globalParameterOnModel, .missingBase, .misfit, .searchMark:
      recipeDescription
    default:
      planDescription
    }
  }

  private var recipeDescription: String {
    switch self {
    case .invalidYAML(let line, let problem):
      "the recipe is not valid YAML\(at(line)): \(problem)"
    case .unknownKey(let key, let place, let line, let suggestion):
      "unknown key '\(key)' in \(place)\(at(line))\(meant(suggestion))"
    case .missingKey(let key, let place, let line):
      "\(place) needs the key '\(key)'\(at(line))"
    case .wrongType(let name, let expected, let found, let line):
      "'\(name)'\(at(line)) must be \(expected), found \(found)"
    case .unknownMethod(let name, let line, let suggestion):
      "unknown merge method '\(name)'\(at(line))\(meant(suggestion))"
    case .unknownDType(let name, let line):
      "unknown dtype '\(name)'\(at(line)), expected bfloat16, float16, float32 or float64"
    case .unsupported(let feature, let line):
      "\(feature) is not supported yet\(at(line))"
    case .repeatedModel(let model, let line):
      "model '\(model)' is listed twice\(at(line))"
    case .unknownParameter(let name, let method, let line, let suggestion):
      "method \(method) has no parameter '\(name)'\(at(line))\(meant(suggestion))"
    case .globalParameterOnModel(let name, let model, let line):
      "parameter '\(name)'\(at(line)) belongs to the whole merge, found under model '\(model)'"
    case .missingBase(let method):
      "method \(method) needs a base_model"
    case .misfit(let place, let expected, let found, let line):
      "\(place)\(at(line)): expected \(expected), found \(found)"
    case .searchMark(let line):
      "a number expected\(at(line)), found a mark {search: …}, whose number 'stemma tune' finds"
    default: ""
    }
  }

  private var planDescription: String {
    switch self {
    case .unknownArithmetic(let name):
      "unknown arithmetic '\(name)', expected \(Plan.arithmetics.joined(separator: " or "))"
    case .inputCount(let method, let expected, let found, let base):
      "method \(method) takes \(Self.text(expected))\(base ? " besides the base" : ""), found \(found)"
    case .missingInput(let model):
      "no tensors were given for model '\(model)'"
    case .repeatedTensor(let tensor, let model):
      "tensor '\(tensor)' appears twice in model '\(model)'"
    case .missingTensor(let tensor, let lacking, let having):
      "tensor '\(tensor)' is in model '\(having)' but not in model '\(lacking)'"
        + (TiedHeads.isHead(tensor) ? ", nor an embedding there that is known to serve as it" : "")
    case .shapeMismatch(let tensor, let first, let firstShape, let second, let secondShape):
      "tensor '\(tensor)' has shape \(firstShape) in model '\(first)' but \(secondShape) in model '\(second)'"
    case .dtypeMismatch(let tensor, let first, let firstDType, let second, let secondDType):
      "tensor '\(tensor)' is \(firstDType.rawValue) in model '\(first)' but \(secondDType.rawValue) in model "
        + "'\(second)'; only F16, BF16, F32 and F64 mix"
    case .shapeTooLarge(let tensor, let shape, let dtype):
      "tensor '\(tensor)' of shape \(shape) and dtype \(dtype.rawValue) has no size in whole bytes below 2^63"
    case .missingParameter(let name, let model, let tensor):
      "missing required parameter '\(name)'\(model.map { " of model '\($0)'" } ?? "") for tensor '\(tensor)'"
    case .parameterRange(let name, let value, let tensor, let expected):
      "parameter '\(name)' of tensor '\(tensor)': expected \(expected), found \(value.inPlans)"
    case .weightsSumToZero(let tensor, let weights):
      "the weights \(weights.map(\.inPlans).joined(separator: ", ")) of tensor '\(tensor)' sum to zero (or beyond f32) "
        + "and cannot be normalized; change one, or turn the normalization off"
    case .notFinite(let tensor, let model, let element, let value, let method):
      "tensor '\(tensor)' of model '\(model)' has \(value) at element \(element), expected finite numbers; "
        + (method.map { "method \($0) measures whole tensors and takes no others" }
          ?? "to let them through set stemma: {allow_nonfinite: true} in the recipe")
    case .tooLarge(let tensor):
      "tensor '\(tensor)' holds numbers too large for the differences and sums that its method needs"
    case .outOfRange(let tensor, let element, let value, let dtype):
      "element \(element) of tensor '\(tensor)' comes out of finite numbers as \(value) in \(dtype.rawValue); name a "
        + "wider out_dtype, or set stemma: {allow_nonfinite: true} in the recipe to keep it"
    case .cancellingDirections(let tensor):
      "the weighted directions of tensor '\(tensor)' cancel, so that more than two models have no spherical mean; "
        + "change a weight"
    case .keepProbability(let tensor, let density, let epsilon):
      "density \(density) and epsilon \(epsilon) of tensor '\(tensor)' give probabilities outside 0 to 1; "
        + "expected 0 < density - epsilon and density + epsilon < 1"
    case .contentMismatch(let tensor, let first, let second, let dtype):
      "tensor '\(tensor)' of dtype \(dtype.rawValue) differs between model '\(first)' and model '\(second)'; "
        + "only F16, BF16, F32 and F64 tensors are merged, others must be equal"
    default: ""
    }
  }

  private static func text(_ range: ClosedRange<Int>) -> String {
    let count = range.lowerBound == 1 ? "1 model" : "\(range.lowerBound) models"
    return range.upperBound == .max ? "at least \(count)" : "exactly \(count)"
  }

  private func at(_ line: Int?) -> String { line.map { " (line \($0))" } ?? "" }
  private func meant(_ suggestion: String?) -> String { suggestion.map { ", did you mean '\($0)'?" } ?? "" }
}
