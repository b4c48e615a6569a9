package import JSON
package import Tensors

/// What is wrong with an adapter.
package enum AdapterFault: Sendable, Equatable {
  // Its configuration.
  case notJSON(JSONError)
  case unsupportedKind(String)
  case unsupportedSetting(String, value: String)
  case badSetting(String, expected: String, found: String)
  case badPattern(String)

  // Its weights.
  case onlyPickle(file: String)
  case noWeights
  case unknownTensor(String)
  case repeatedTensor(String, other: String)
  case missingHalf(String, expected: String)
  case factorShape(String, expected: String, found: Shape)
  case unsupportedDType(String, dtype: DType)

  // With its base.
  case baseLacks(String, needed: String)
  case shapeMismatch(String, shape: Shape, base: String, baseShape: Shape)
}

extension AdapterFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notJSON(let error): "\(error)"
    case .unsupportedKind(let kind): "peft_type \(kind.quoted) is not supported: expected 'LORA'"
    case .unsupportedSetting(let key, let value): "\(key) \(value) is not supported"
    case .badSetting(let key, let expected, let found): "\(key): expected \(expected), found \(found)"
    case .badPattern(let key): "the pattern \(key.quoted) is no regular expression"
    case .onlyPickle(let file): "holds its weights only as a pickle, \(file.quoted): expected adapter_model.safetensors"
    case .noWeights: "holds an adapter_config.json but no adapter_model.safetensors"
    case .unknownTensor(let name): "tensor \(name.quoted): expected the name of an adapter's tensor"
    case .repeatedTensor(let name, let other): "tensors \(name.quoted) and \(other.quoted) are the same part twice"
    case .missingHalf(let name, let expected):
      "tensor \(name.quoted): expected \(expected.quoted) beside it, found none"
    case .factorShape(let name, let expected, let found):
      "tensor \(name.quoted): expected shape \(expected), found \(found)"
    case .unsupportedDType(let name, let dtype):
      "tensor \(name.quoted) is \(dtype.rawValue): expected F16, BF16, F32 or F64"
    case .baseLacks(let name, let needed): "tensor \(name.quoted): expected \(needed.quoted) in the base, found none"
    case .shapeMismatch(let name, let shape, let base, let baseShape):
      "tensor \(name.quoted) of shape \(shape) does not fit \(base.quoted) of shape \(baseShape) in the base"
    }
  }

  /// One line on how to get past it, where there is something to say.
  package var hint: String? {
    switch self {
    case .onlyPickle(let file):
      "pickles can run code when loaded; if you trust its author, convert it: python -c \"import torch, "
        + "safetensors.torch as s; s.save_file(torch.load('\(file)', weights_only=True), 'adapter_model.safetensors')\""
    case .unsupportedKind, .unsupportedSetting:
      "merge the adapter into its base with PEFT (merge_and_unload) and import the result"
    case .baseLacks, .shapeMismatch: "give the model that the adapter was trained on"
    default: nil
    }
  }

  /// True for what is well-formed but not read.
  package var isUnsupported: Bool {
    switch self {
    case .unsupportedKind, .unsupportedSetting: true
    default: false
    }
  }
}

/// A fault on its way to the path it belongs to.
struct AdapterRefusal: Error {
  let fault: AdapterFault

  init(_ fault: AdapterFault) { self.fault = fault }
}
