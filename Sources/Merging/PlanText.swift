internal import Tensors

extension MethodCall {
  /// The method's name in recipes, `copy` for what is not merged.
  package var name: String {
    switch self {
    case .linear: MergeMethod.linear.rawValue
    case .taskArithmetic: MergeMethod.taskArithmetic.rawValue
    case .copy: "copy"
    }
  }

  /// The parameters on one line, e.g. `weights 0.5 0.5, normalize`.
  package var parameters: String {
    switch self {
    case .linear(let weights, let normalize):
      return "weights \(Self.list(weights))" + (normalize ? ", normalize" : "")
    case .taskArithmetic(_, let weights, let normalize, let lambda):
      return "weights \(Self.list(weights))" + (normalize ? ", normalize" : "")
        + (lambda == 1 ? "" : ", lambda \(lambda)")
    case .copy: return "-"
    }
  }

  private static func list(_ weights: [Double]) -> String {
    weights.isEmpty ? "none" : weights.map { "\($0)" }.joined(separator: " ")
  }
}

extension Plan: CustomStringConvertible {
  /// The plan as a table for people.
  package var description: String { text() }

  /// The plan as a table: what is read, one line a tensor, and totals. Stable, so that two plans can be compared.
  package func text() -> String {
    var lines = ["arithmetic \(arithmetic)"]
    for (index, input) in inputs.enumerated() { lines.append("input \(index) \(input)") }
    lines.append("")
    var rows = [["tensor", "method", "inputs", "parameters", "shape", "dtype", "reads"]]
    rows += tensors.map(Self.row)
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
      let line = cells.dropLast().joined(separator: "  ") + "  " + (row.last ?? "")
      lines.append(line)
    }
    lines.append("")
    lines.append("\(tensors.count) tensors, reads \(bytesToRead) bytes, writes \(bytesToWrite) bytes")
    return lines.joined(separator: "\n") + "\n"
  }

  private static func row(_ tensor: PlannedTensor) -> [String] {
    var inputs = tensor.inputs.map { "\($0)" }
    if case .taskArithmetic(let base, _, _, _) = tensor.method { inputs[base] += "=base" }
    return [
      tensor.name, tensor.method.name, inputs.joined(separator: " "), tensor.method.parameters,
      tensor.shape.description, tensor.dtype.rawValue, "\(tensor.bytesToRead)",
    ]
  }
}
