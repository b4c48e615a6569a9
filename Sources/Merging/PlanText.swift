internal import Tensors

extension Double {
  /// As plans print parameters: exact, whole numbers without a fraction.
  package var inPlans: String {
    let text = "\(self)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

extension MethodCall {
  /// The method and its parameters on one line, e.g. `linear, weight 0.5 0.5, normalize 1`.
  fileprivate func text(inputs: [PlannedInput]) -> String {
    let others = inputs.enumerated().filter { $0.offset != base }.map { "\($0.element.model)" }
    var parts = ["\(name.rawValue) of \(others.joined(separator: " "))"]
    if let base { parts.append("base \(inputs[base].model)") }
    for (parameter, values) in perInput.sorted(by: { $0.key < $1.key }) {
      parts.append("\(parameter) \(values.isEmpty ? "none" : values.map(\.inPlans).joined(separator: " "))")
    }
    for (parameter, value) in settings.sorted(by: { $0.key < $1.key }) {
      parts.append("\(parameter) \(value.inPlans)")
    }
    return parts.joined(separator: ", ")
  }
}

extension Plan: CustomStringConvertible {
  /// The plan for people: what is read, the ways to merge by number, one line a tensor, and totals.
  package var description: String {
    var lines = ["arithmetic \(arithmetic)", ""]
    for (index, input) in inputs.enumerated() { lines.append("input \(index)  \(input)") }
    lines.append("")
    var ways: [String: Int] = [:]
    var rows = [["way", "dtype", "shape", "reads", "tensor"]]
    for tensor in tensors {
      let text = tensor.method.text(inputs: tensor.inputs)
      let way = ways[text] ?? ways.count + 1
      if ways.updateValue(way, forKey: text) == nil { lines.append("way \(way)  \(text)") }
      rows.append([
        "\(way)", tensor.dtype.rawValue, tensor.shape.description, "\(tensor.bytesToRead)", tensor.name,
      ])
    }
    lines += rowLines
    lines.append("")
    let widths = rows[0].indices.map { column in rows.map { $0[column].utf8.count }.max() ?? 0 }
    for row in rows {
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.utf8.count)
        line += column == row.count - 1 ? cell : column == 3 ? padding + cell + "  " : cell + padding + "  "
      }
      lines.append(line)
    }
    lines.append("")
    lines.append(
      "\(tensors.count) tensors, \(bytesToRead) bytes to read, \(bytesToWrite) bytes to write, "
        + "at most \(memory) bytes of memory a worker")
    return lines.joined(separator: "\n")
  }
}
