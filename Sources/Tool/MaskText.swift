import ModelStore

/// Masks for people.
enum MaskText {
  static func text(_ report: MaskReport, all: Bool) -> String {
    let name = report.names.isEmpty ? nil : report.names.joined(separator: ", ")
    let entropy = Int(report.entropyBytes.rounded(.up))
    let head = facts(
      [
        ("mask", [name, report.id.shortID].compactMap(\.self).joined(separator: "  ")), ("space", report.space),
        ("rule", report.rule),
        (
          "density",
          "\(share(report.ones, report.elements)): "
            + "\(report.ones.grouped) of \(report.elements.of("bit"))"
        ),
        (
          "stored", "\(report.storedBytes.asSize); entropy \(entropy.asSize), \(((report.elements + 7) / 8).asSize) raw"
        ),
        ("from", report.parents.isEmpty ? nil : report.parents.map(\.line).joined(separator: ", ")),
      ] + report.data.map { ("data", "\($0.name)  \($0.sha256.shortID)") }
        + report.trainingLines.map { ("", "\($0.key): \($0.value)") })
    let lines = report.lines
    let shown = all || lines.count <= 12 ? lines[...] : lines.prefix(10)
    var table = Table(["ONES", "DENSITY", "ENTROPY", "STORED", "SHAPE", "TENSOR"], numbers: [0, 1, 2, 3])
    for line in shown {
      table.add([
        line.ones.grouped, share(line.ones, line.elements), Int(line.entropyBytes.rounded(.up)).asSize,
        line.storedBytes?.asSize ?? "-", "[" + line.shape.map(String.init).joined(separator: ", ") + "]", line.tensor,
      ])
    }
    return head + "\n\n" + table.text + rest(lines.count - shown.count)
  }

  static func text(_ overlap: MaskOverlap, all: Bool) -> String {
    let whole = overlap.all
    let head = facts([
      ("a", overlap.a), ("b", overlap.b), ("both", "\(whole.both.grouped) of \(whole.elements.of("bit"))"),
      ("only a", whole.onlyA.grouped), ("only b", whole.onlyB.grouped),
      ("Jaccard", "\(whole.jaccard.digits(4)), by chance \(whole.expectedJaccard.digits(4))"),
    ])
    let lines = overlap.lines
    let shown = all || lines.count <= 12 ? lines[...] : lines.prefix(10)
    var table = Table(["BOTH", "ONLY A", "ONLY B", "JACCARD", "CHANCE", "TENSOR"], numbers: [0, 1, 2, 3, 4])
    for line in shown {
      table.add([
        line.both.grouped, line.onlyA.grouped, line.onlyB.grouped, line.jaccard.digits(4),
        line.expectedJaccard.digits(4), line.tensor ?? "",
      ])
    }
    return head + "\n\n" + table.text + rest(lines.count - shown.count)
  }

  private static func share(_ ones: Int, _ elements: Int) -> String {
    (elements == 0 ? 0 : Double(ones) / Double(elements)).digits(4)
  }

  private static func rest(_ count: Int) -> String {
    count > 0 ? "\n… and \(count.grouped) more; --tensors lists all" : ""
  }
}
