internal import JSON
internal import Tensors

/// What the JSON text of a header says, before its offsets are checked against each other.
struct HeaderReading {
  private(set) var tensors: [TensorRecord] = []
  private(set) var metadata: [(key: String, value: String)]?

  init(_ headerBytes: [UInt8]) throws(HeaderRefusal) {
    let header: JSONValue
    do throws(JSONError) {
      header = try JSONValue.parse(headerBytes, maxDepth: 8)
    } catch {
      throw HeaderRefusal(.notJSON(error))
    }
    let members = header.members ?? []
    tensors.reserveCapacity(members.count)
    for member in members {
      if member.key == "__metadata__" {
        metadata = try Self.metadata(member.value)
      } else {
        tensors.append(try Self.tensor(member.key, member.value))
      }
    }
  }

  private static func metadata(_ value: JSONValue) throws(HeaderRefusal) -> [(key: String, value: String)]? {
    if value == .null { return nil }
    guard let members = value.members else { throw HeaderRefusal(.metadataNotText(key: nil, found: value.kind)) }
    var entries: [(key: String, value: String)] = []
    for member in members {
      guard let text = member.value.text else {
        throw HeaderRefusal(.metadataNotText(key: member.key, found: member.value.kind))
      }
      entries.append((member.key, text))
    }
    return entries
  }

  private static func tensor(_ name: String, _ value: JSONValue) throws(HeaderRefusal) -> TensorRecord {
    guard let members = value.members else {
      throw HeaderRefusal(.wrongKind(tensor: name, key: nil, expected: "an object", found: value.kind))
    }
    var dtype: DType?
    var shape: [Int]?
    var offsets: [Int]?
    for member in members {
      switch member.key {
      case "dtype": dtype = try Self.dtype(name, member.value)
      case "shape": shape = try sizes(name, member)
      case "data_offsets": offsets = try sizes(name, member)
      default: throw HeaderRefusal(.unknownKey(tensor: name, key: member.key))
      }
    }
    guard let dtype else { throw HeaderRefusal(.missingKey(tensor: name, key: "dtype")) }
    guard let shape else { throw HeaderRefusal(.missingKey(tensor: name, key: "shape")) }
    guard let offsets else { throw HeaderRefusal(.missingKey(tensor: name, key: "data_offsets")) }
    guard offsets.count == 2 else {
      let found = "\(offsets.count) numbers"
      throw HeaderRefusal(.wrongKind(tensor: name, key: "data_offsets", expected: "2 numbers", found: found))
    }
    guard offsets[0] <= offsets[1] else {
      throw HeaderRefusal(.backwardOffsets(tensor: name, begin: offsets[0], end: offsets[1]))
    }
    return TensorRecord(name: name, dtype: dtype, shape: Shape(shape), begin: offsets[0], end: offsets[1])
  }

  private static func dtype(_ name: String, _ value: JSONValue) throws(HeaderRefusal) -> DType {
    guard let text = value.text else {
      throw HeaderRefusal(.wrongKind(tensor: name, key: "dtype", expected: "a string", found: value.kind))
    }
    guard let dtype = DType(rawValue: text) else { throw HeaderRefusal(.unknownDType(tensor: name, found: text)) }
    return dtype
  }

  /// The elements of an array, each an integer ≥ 0 below 2⁶³.
  private static func sizes(_ name: String, _ member: JSONValue.Member) throws(HeaderRefusal) -> [Int] {
    guard let elements = member.value.elements else {
      let found = member.value.kind
      throw HeaderRefusal(.wrongKind(tensor: name, key: member.key, expected: "an array", found: found))
    }
    var sizes: [Int] = []
    sizes.reserveCapacity(elements.count)
    for element in elements {
      guard let size = element.int, size >= 0 else {
        let expected = "integers from 0 to \(Int.max)"
        throw HeaderRefusal(.wrongKind(tensor: name, key: member.key, expected: expected, found: element.kind))
      }
      sizes.append(size)
    }
    return sizes
  }

  /// The tensors in the order of their data, which must start at 0, follow each other and end with the file.
  func tiled(dataSize: Int) throws(HeaderRefusal) -> [TensorRecord] {
    let order = tensors.indices.sorted {
      (tensors[$0].begin, tensors[$0].end, $0) < (tensors[$1].begin, tensors[$1].end, $1)
    }
    var previousEnd = 0
    for index in order {
      let tensor = tensors[index]
      let (name, begin) = (tensor.name, tensor.begin)
      guard tensor.end <= dataSize else {
        throw HeaderRefusal(.outOfBounds(tensor: name, end: tensor.end, dataSize: dataSize))
      }
      guard begin >= previousEnd else {
        throw HeaderRefusal(.overlap(tensor: name, begin: begin, previousEnd: previousEnd))
      }
      guard begin == previousEnd else {
        throw HeaderRefusal(.hole(tensor: name, begin: begin, previousEnd: previousEnd))
      }
      let expected = try byteCount(of: tensor.dtype, tensor.shape, tensor: name)
      guard expected == tensor.byteCount else {
        let (dtype, shape, found) = (tensor.dtype, tensor.shape, tensor.byteCount)
        throw HeaderRefusal(.wrongSize(tensor: name, dtype: dtype, shape: shape, expected: expected, found: found))
      }
      previousEnd = tensor.end
    }
    guard previousEnd == dataSize else { throw HeaderRefusal(.trailingBytes(count: dataSize - previousEnd)) }
    return order.map { tensors[$0] }
  }
}

/// Bytes of a dense tensor; throws where they do not fit 63 bits or do not fill whole bytes.
func byteCount(of dtype: DType, _ shape: Shape, tensor: String) throws(HeaderRefusal) -> Int {
  if let count = shape.byteCount(of: dtype) { return count }
  guard let count = shape.elementCount, !count.multipliedReportingOverflow(by: dtype.bits).overflow else {
    throw HeaderRefusal(.tooManyElements(tensor: tensor, dtype: dtype, shape: shape))
  }
  throw HeaderRefusal(.partialByte(tensor: tensor, dtype: dtype, shape: shape))
}

extension JSONValue {
  /// The value in a few words, for messages.
  var kind: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let text): "the string \(text.quoted)"
    case .array: "an array"
    case .object: "an object"
    }
  }
}
