internal import JSON
package import Tensors

/// A tensor that is to be written: all of a header entry but its place.
package struct TensorOutline: Sendable, Hashable {
  package let name: String
  package let dtype: DType
  package let shape: Shape

  package init(name: String, dtype: DType, shape: Shape) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
  }
}

extension SafetensorsHeader {
  /// The JSON text that the official Python library writes for these tensors, laid out in the given order: metadata
  /// first (none where empty), compact, padded with spaces so that the data starts at a multiple of eight.
  ///
  /// - Throws: `CheckpointError.header` (with an empty path) where a tensor's size does not fit 63 bits or does not
  ///   fill whole bytes.
  package static func canonicalBytes(
    tensors: [TensorOutline], metadata: [(key: String, value: String)] = []
  ) throws(CheckpointError) -> [UInt8] {
    var members: [JSONValue.Member] = []
    if !metadata.isEmpty {
      members.append(.init("__metadata__", .object(metadata.map { .init($0.key, .string($0.value)) })))
    }
    var begin = 0
    do throws(HeaderRefusal) {
      for tensor in tensors {
        let count = try byteCount(of: tensor.dtype, tensor.shape, tensor: tensor.name)
        let (end, overflow) = begin.addingReportingOverflow(count)
        guard !overflow else {
          throw HeaderRefusal(.tooManyElements(tensor: tensor.name, dtype: tensor.dtype, shape: tensor.shape))
        }
        let entry: JSONValue = [
          "dtype": .string(tensor.dtype.rawValue), "shape": .array(tensor.shape.dimensions.map { .integer($0) }),
          "data_offsets": [.integer(begin), .integer(end)],
        ]
        members.append(.init(tensor.name, entry))
        begin = end
      }
    } catch {
      throw .header(path: "", error.fault)
    }
    var bytes = JSONValue.object(members).compact
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - bytes.count % 8) % 8))
    return bytes
  }

  /// The order in which the official library lays tensors out: dtypes from the last of the format to the first, widest
  /// alignment first, then names by their bytes.
  package static func officialOrder(_ tensors: [TensorOutline]) -> [TensorOutline] {
    tensors.map { (code: $0.dtype.code, tensor: $0) }
      .sorted { left, right in
        if left.code != right.code { return left.code > right.code }
        return left.tensor.name.utf8.lexicographicallyPrecedes(right.tensor.name.utf8)
      }
      .map(\.tensor)
  }

  /// What a file begins with: its header's length in eight bytes, little-endian.
  package static func lengthField(_ length: Int) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: UInt64(length) >> (8 * $0)) }
  }

  /// The start of a file with this header: the length field, then the header.
  package static func fileStart(_ headerBytes: [UInt8]) -> [UInt8] {
    lengthField(headerBytes.count) + headerBytes
  }
}
