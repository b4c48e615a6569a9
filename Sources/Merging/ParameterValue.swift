/// What a recipe says about one parameter: one value, a gradient over the layers, or values by tensor name.
package indirect enum ParameterValue: Sendable, Equatable {
  case number(Double)
  case flag(Bool)
  /// Numbers spread evenly over the layers, first to last; at least one.
  case gradient([Double])
  /// Flags spread over the layers; a layer takes the one at or before its position.
  case steps([Bool])
  /// The first entry whose filter fits the tensor's name holds; none may fit.
  case filtered([Conditional])

  /// A value for the tensors that a filter names.
  package struct Conditional: Sendable, Equatable {
    /// A substring of the tensor's name; nil fits every tensor.
    package let filter: String?
    package let value: ParameterValue
  }

  /// The number for a tensor; nil where no filter fits.
  func number(for tensor: TensorPlace) -> Double? {
    switch self {
    case .number(let value): value
    case .gradient(let values): Self.interpolate(values, at: tensor.position)
    case .filtered(let entries): entries.first { tensor.matches($0.filter) }?.value.number(for: tensor)
    case .flag, .steps: nil
    }
  }

  /// The flag for a tensor; nil where no filter fits.
  func flag(for tensor: TensorPlace) -> Bool? {
    switch self {
    case .flag(let value): value
    case .steps(let values): values[Int(tensor.position * Double(values.count - 1))]
    case .filtered(let entries): entries.first { tensor.matches($0.filter) }?.value.flag(for: tensor)
    case .number, .gradient: nil
    }
  }

  private static func interpolate(_ values: [Double], at position: Double) -> Double {
    let place = position * Double(values.count - 1)
    let index = Int(place)
    guard index + 1 < values.count else { return values[values.count - 1] }
    let fraction = place - Double(index)
    return (1 - fraction) * values[index] + fraction * values[index + 1]
  }
}

/// A tensor as parameters see it: its name and how deep it lies.
struct TensorPlace {
  let name: String
  /// 0 for the first layer and for tensors outside layers, 1 for the last or only layer.
  let position: Double

  func matches(_ filter: String?) -> Bool {
    guard let filter else { return true }
    return filter == "*" || Self.contains(Array(name.utf8), Array(filter.utf8))
  }

  private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
    guard part.count <= text.count else { return false }
    return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
  }
}
