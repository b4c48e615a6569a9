/// The ways in which a coded block can be wrong.
package enum CodecError: Error, Sendable, Equatable {
  case unknownCodec(UInt8)
  case length(expected: Int, found: Int)
  case planeTable(reason: String)
  case zstd(plane: Int, reason: String)
  case change(reason: String)
  case narrowed(reason: String)
  case pruned(reason: String)
  case missingBase
}

extension CodecError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unknownCodec(let number): "unknown block codec \(number)"
    case .length(let expected, let found): "block of \(expected) bytes expected, \(found) found"
    case .planeTable(let reason): "plane table: \(reason)"
    case .zstd(let plane, let reason): "plane \(plane): \(reason)"
    case .change(let reason): "changes: \(reason)"
    case .narrowed(let reason): "narrowed elements: \(reason)"
    case .pruned(let reason): "pruned elements: \(reason)"
    case .missingBase: "a block of changes without its base's bytes"
    }
  }
}
