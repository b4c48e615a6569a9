package import Tensors

extension Shape {
  /// The shape with the rows of a map, where there is one.
  func alongRows(_ map: RowMap?) -> Shape {
    guard let map, !dimensions.isEmpty else { return self }
    return Shape([map.rows] + dimensions.dropFirst())
  }
}

extension PlannedTensor {
  /// The shape that an input has where it is read.
  package func inputShape(_ input: Int) -> Shape {
    guard let rows else { return shape }
    return Shape([rows.inputRows[input]] + shape.dimensions.dropFirst())
  }

  /// The dtype in which `BlockReader` gives an input: widened where rows may have to be computed.
  func readDType(_ input: Int) -> DType { rows == nil ? inputs[input].dtype : isWide ? .f64 : .f32 }

  /// Elements of a row.
  var rowElements: Int { shape.dimensions.dropFirst().reduce(1, *) }

  /// How many numbers go ahead of the method's own measurements: the means of the columns of each input that padding
  /// is made of.
  var paddingCount: Int {
    guard let rows, workingDType == nil, rows.tokens < rows.rows else { return 0 }
    return inputs.count * rowElements
  }
}

extension Plan {
  /// A line for each way in which rows move.
  var rowLines: [String] {
    var lines: [(map: RowMap, names: [String])] = []
    for tensor in tensors {
      guard let map = tensor.rows else { continue }
      if let known = lines.firstIndex(where: { $0.map == map }) {
        lines[known].names.append(tensor.name)
      } else {
        lines.append((map, [tensor.name]))
      }
    }
    return lines.map { map, names in
      let counts = map.counts
      return "rows remapped: \(counts.kept) kept, \(counts.averaged) averaged, \(counts.new) new in "
        + names.joined(separator: ", ")
    }
  }
}
