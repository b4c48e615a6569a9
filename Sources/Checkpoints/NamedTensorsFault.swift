package import JSON
internal import Tensors

/// What is wrong with a mask, a subspace or a data set: with its configuration, or with what it describes.
package enum NamedTensorsFault: Sendable, Equatable {
  case notJSON(JSONError)
  case newerFormat(Int, supported: Int)
  case badSetting(String, expected: String, found: String)

  case missingTensor(String, expected: String)
  case unlistedTensor(String, config: String)
  case form(String, expected: String, found: String)

  // Of masks.
  case strayBits(String, elements: Int)
  case ones(String, expected: Int, found: Int)

  // Of subspaces.
  case notFinite(String)
  case notOrthonormal(String, error: Double, limit: Double)
}

extension NamedTensorsFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notJSON(let error): "\(error)"
    case .newerFormat(let found, let supported): "format \(found): expected at most \(supported)"
    case .badSetting(let key, let expected, let found): "\(key): expected \(expected), found \(found)"
    case .missingTensor(let name, let expected): "tensor \(name.quoted): expected \(expected), found none"
    case .unlistedTensor(let name, let config): "tensor \(name.quoted) is not listed in \(config)"
    case .form(let name, let expected, let found): "tensor \(name.quoted): expected \(expected), found \(found)"
    case .strayBits(let name, let elements):
      "tensor \(name.quoted): the bits after its \(elements) elements expected to be 0, found some that are 1"
    case .ones(let name, let expected, let found):
      "tensor \(name.quoted): expected \(expected) bits that are 1, as its configuration says, found \(found)"
    case .notFinite(let name): "tensor \(name.quoted): expected finite numbers, found NaN or infinity"
    case .notOrthonormal(let name, let error, let limit):
      "tensor \(name.quoted): expected orthonormal columns, found |UᵀU - I| of \(error), more than \(limit)"
    }
  }

  /// True for what is well-formed but of a later version.
  package var isUnsupported: Bool { if case .newerFormat = self { true } else { false } }

  /// One line on how to get past it, where there is something to say.
  package var hint: String? {
    switch self {
    case .newerFormat: "use a newer stemma"
    case .strayBits, .ones: "the bits are not those that were counted; make or fetch the mask again"
    default: nil
    }
  }
}

/// A fault on its way to the path it belongs to.
struct NamedTensorsRefusal: Error {
  let fault: NamedTensorsFault

  init(_ fault: NamedTensorsFault) { self.fault = fault }
}

/// The members that the configurations of masks, subspaces and data sets share, read strictly.
struct NamedTensorsFields {
  let value: JSONValue
  static let format = 1

  init(_ bytes: [UInt8], file: String) throws(NamedTensorsRefusal) {
    do throws(JSONError) {
      value = try JSONValue.parse(bytes)
    } catch {
      throw NamedTensorsRefusal(.notJSON(error))
    }
    guard value.members != nil else {
      throw NamedTensorsRefusal(.badSetting(file, expected: "an object", found: value.kind))
    }
    let found = try int("format", of: value)
    guard found <= Self.format else { throw NamedTensorsRefusal(.newerFormat(found, supported: Self.format)) }
    guard found >= 1 else {
      throw NamedTensorsRefusal(.badSetting("format", expected: "\(Self.format)", found: "\(found)"))
    }
  }

  func text(_ key: String, of value: JSONValue, label: String? = nil) throws(NamedTensorsRefusal) -> String {
    guard let text = value[key]?.text else { throw refusal(label ?? key, "a string", value[key]) }
    return text
  }

  func int(_ key: String, of value: JSONValue, label: String? = nil) throws(NamedTensorsRefusal) -> Int {
    guard let number = value[key]?.int else { throw refusal(label ?? key, "a whole number", value[key]) }
    return number
  }

  func number(_ key: String, of value: JSONValue, label: String? = nil) throws(NamedTensorsRefusal) -> Double {
    guard let number = value[key]?.double else { throw refusal(label ?? key, "a number", value[key]) }
    return number
  }

  /// `tensors`, sorted by name, with their shapes.
  func tensors() throws(NamedTensorsRefusal) -> [(name: String, shape: Shape, entry: JSONValue)] {
    guard let members = value["tensors"]?.members else { throw refusal("tensors", "an object", value["tensors"]) }
    guard !members.isEmpty else {
      throw NamedTensorsRefusal(.badSetting("tensors", expected: "at least one tensor", found: "none"))
    }
    var found: [(name: String, shape: Shape, entry: JSONValue)] = []
    for member in members {
      let extents = member.value["shape"]?.elements
      let dimensions = extents?.compactMap(\.int).filter { $0 >= 0 } ?? []
      guard let extents, dimensions.count == extents.count else {
        throw refusal("tensors \(member.key.quoted) shape", "extents of 0 or more", member.value["shape"])
      }
      let shape = Shape(dimensions)
      // Room for F32 columns too, so that no sum of sizes can overflow.
      guard let count = shape.elementCount, count <= Int.max / 64 else {
        throw NamedTensorsRefusal(
          .badSetting("tensors \(member.key.quoted) shape", expected: "a size that fits 63 bits", found: "\(shape)"))
      }
      found.append((member.key, shape, member.value))
    }
    return found.sorted { $0.name.precedes($1.name) }
  }

  func refusal(_ key: String, _ expected: String, _ found: JSONValue?) -> NamedTensorsRefusal {
    NamedTensorsRefusal(.badSetting(key, expected: expected, found: found?.kind ?? "none"))
  }

  /// Refuses tensors of a file that are not those of its configuration.
  static func compare(
    _ wanted: [TensorOutline], with found: [TensorOutline], config: String
  ) throws(NamedTensorsRefusal) {
    let names = Set(wanted.map(\.name))
    let there = Dictionary(found.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    for tensor in wanted {
      let form = "\(tensor.dtype.rawValue) \(tensor.shape)"
      guard let other = there[tensor.name] else {
        throw NamedTensorsRefusal(.missingTensor(tensor.name, expected: form))
      }
      guard other == tensor else {
        throw NamedTensorsRefusal(
          .form(tensor.name, expected: form, found: "\(other.dtype.rawValue) \(other.shape)"))
      }
    }
    if let stray = found.map(\.name).filter({ !names.contains($0) }).min(by: { $0.precedes($1) }) {
      throw NamedTensorsRefusal(.unlistedTensor(stray, config: config))
    }
  }
}
