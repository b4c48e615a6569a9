import ModelStore

/// Subspaces for people.
enum SubspaceText {
  static func text(_ report: SubspaceReport, all: Bool) -> String {
    let name = report.names.isEmpty ? nil : report.names.joined(separator: ", ")
    let head = facts([
      ("subspace", [name, report.id.shortID].compactMap(\.self).joined(separator: "  ")), ("rule", report.rule),
      ("from", report.parents.isEmpty ? nil : report.parents.map(\.line).joined(separator: ", ")),
      ("stored", report.storedBytes.asSize),
    ])
    let shown = all || report.lines.count <= 12 ? report.lines[...] : report.lines.prefix(10)
    var table = Table(["RANK", "ENERGY", "ERROR", "SHAPE", "TENSOR"], numbers: [0, 1, 2])
    for line in shown {
      table.add([
        line.rank.grouped, line.energy.digits(4), line.orthonormality.digits(2),
        "[" + line.shape.map(String.init).joined(separator: ", ") + "]", line.tensor,
      ])
    }
    return head + "\n\n" + table.text + rest(report.lines.count - shown.count)
  }

  static func text(_ overlap: SubspaceOverlap, all: Bool) -> String {
    let head = facts([
      ("a", overlap.a), ("b", overlap.b),
      ("MSO", "\(overlap.overlap.digits(4)) on average, by chance \(overlap.chance.digits(4))"),
    ])
    let shown = all || overlap.lines.count <= 12 ? overlap.lines[...] : overlap.lines.prefix(10)
    var table = Table(["MSO", "CHANCE", "RANK A", "RANK B", "TENSOR"], numbers: [0, 1, 2, 3])
    for line in shown {
      table.add([
        line.overlap.digits(4), line.chance.digits(4), line.rankA.grouped, line.rankB.grouped, line.tensor,
      ])
    }
    return head + "\n\n" + table.text + rest(overlap.lines.count - shown.count)
  }

  private static func rest(_ count: Int) -> String {
    count > 0 ? "\n… and \(count.grouped) more; --tensors lists all" : ""
  }
}
