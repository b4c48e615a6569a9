internal import Tensors

extension Double {
  /// As plans print parameters: exact, whole numbers without a fraction.
  package var inPlans: String {
    let text = "\(self)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

extension MethodCall {
  /// The method and its parameters, e.g. `linear of 0 1, weight 0.5 0.5, normalize 1`.
  fileprivate func text(inputs: [PlannedInput]) -> String {
    let others = inputs.enumerated().filter { $0.offset != base }.map(\.element.place)
    var parts = ["\(name.rawValue) of \(others.joined(separator: " "))"]
    if let base { parts.append("base \(inputs[base].place)") }
    for (parameter, values) in perInput.sorted(by: { $0.key < $1.key }) {
      parts.append("\(parameter) \(values.isEmpty ? "none" : values.map(\.inPlans).joined(separator: " "))")
    }
    for (parameter, value) in settings.sorted(by: { $0.key < $1.key }) {
      parts.append("\(parameter) \(value.inPlans)")
    }
    return parts.joined(separator: ", ")
  }
}

extension PlannedInput {
  /// The number of the input, with that of an adapter: `0+1`.
  fileprivate var unmasked: String { "\(model)" + (change.map { "+\($0.adapter)" } ?? "") }

  /// The same with what is done to it: `2(mask 4/mean out 5)`, `0+1(factors 4/mean)`.
  fileprivate var place: String {
    let factors = change?.masks.first.map {
      "factors \($0.model)" + ($0.rescales ? "/mean" : "") + ($0.anchor.map { " from \($0.model)" } ?? "")
    }
    let mask = realignment?.mask.map { "mask \($0.model)" + ($0.rescales ? "/mean" : "") }
    let projection = realignment?.projection.map { "\($0.isOnto ? "onto" : "out") \($0.model)" }
    let done = [factors, mask, projection].compactMap(\.self)
    return done.isEmpty ? unmasked : "\(unmasked)(\(done.joined(separator: " ")))"
  }
}

extension Plan: CustomStringConvertible {
  /// The plan for people: what is read, the ways to merge by number, one line a tensor, and totals.
  package var description: String {
    var lines = ["arithmetic \(arithmetic)", ""]
    for (index, input) in inputs.enumerated() { lines.append("input \(index)  \(input)") }
    var applied: Set<String> = []
    for input in tensors.flatMap(\.inputs) where input.change != nil && applied.insert(input.unmasked).inserted {
      lines.append("input \(input.unmasked)  \(label(of: input))")
    }
    lines.append("")
    var ways: [String: Int] = [:]
    var rows = [["way", "dtype", "shape", "reads", "tensor"]]
    for tensor in tensors {
      let text = tensor.method.text(inputs: tensor.inputs)
      let way = ways[text] ?? ways.count + 1
      if ways.updateValue(way, forKey: text) == nil { lines += Self.wrapped(text, behind: "way \(way)  ") }
      rows.append([
        "\(way)", tensor.dtype.rawValue, tensor.shape.description, "\(tensor.bytesToRead)", tensor.name,
      ])
    }
    lines += rowLines.flatMap { Self.wrapped($0, behind: "") }
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
    let plural = tensors.count == 1 ? "" : "s"
    lines.append("\(tensors.count) tensor\(plural), \(bytesToRead) bytes to read, \(bytesToWrite) bytes to write")
    return lines.joined(separator: "\n")
  }

  /// A text in lines of at most 80 columns, broken behind commas, or at blanks where that is not enough.
  private static func wrapped(_ text: String, behind head: String) -> [String] {
    var lines: [String] = []
    var line = head
    func place(_ width: Int) {
      guard line.count + width > 80, line.count > head.count else { return }
      lines.append(String(line.dropLast()))
      line = String(repeating: " ", count: head.count)
    }
    for part in text.replacing(", ", with: ",\n").split(separator: "\n") {
      place(part.count)
      for word in part.split(separator: " ") {
        place(word.count)
        line += word + " "
      }
    }
    return lines + [String(line.dropLast())]
  }
}
