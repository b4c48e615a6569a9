/// Embeddings brought into one vocabulary as mergekit 0.1.5 does it: whole tensors, every operation rounded.
enum StepRows<Working: WorkingType> {
  typealias Step = Stepwise<Working>

  /// The inputs with the rows of the map, each of `length` elements.
  static func aligned(_ inputs: [[Float]], _ map: RowMap, length: Int) -> [[Float]] {
    inputs.indices.map { position in
      var values: [Float] = []
      values.reserveCapacity(map.rows * length)
      for run in map.inputs[position] {
        switch run.source {
        case .row(let input, let first): values += inputs[input][first * length..<(first + run.count) * length]
        case .zero: values += repeatElement(0, count: run.count * length)
        case .mean: for row in run.start..<run.end { values += mean(inputs, map, row, length) }
        case .padding:
          let padding = padding(values, rows: run.start, length)
          for _ in 0..<run.count { values += padding }
        }
      }
      return values
    }
  }

  /// Sums from zero and divides, a rounding each.
  private static func mean(_ inputs: [[Float]], _ map: RowMap, _ row: Int, _ length: Int) -> [Float] {
    var sum = [Float](repeating: 0, count: length)
    var owners: Float = 0
    for input in inputs.indices {
      let run = map.run(input, at: row)
      guard case .row(input, let first) = run.source else { continue }
      let start = (first + row - run.start) * length
      for column in 0..<length { sum[column] = Step.r(sum[column] + inputs[input][start + column]) }
      owners += 1
    }
    return sum.map { Step.r($0 / owners) }
  }

  /// torch's mean over rows: of f32 whatever the type, rounded once.
  private static func padding(_ values: [Float], rows: Int, _ length: Int) -> [Float] {
    Stepwise<WorkingF32>.sum(rows, count: length) { values[$0 * length + $1] }.map { Step.r($0 / Float(rows)) }
  }
}
