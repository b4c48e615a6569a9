import ArgumentParser
import JSON
import ModelStore

struct Blast: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blast",
    abstract: "Show what a model has reached: its descendants, and how much of it is in each.",
    usage: "stemma blast <model> [<options>]",
    discussion: """
      MASS is the sum over all paths of the products of shares. The share of an input of a merge is |w| / sum of |w| \
      after gradients, weighted by elements; a base that others are differences to counts with weight 1; inputs of \
      methods without weights share evenly. KINSHIP is of the heaviest path: 'made' where Stemma did every step, \
      'declared' where somebody said so, 'inferred' where weights were compared.

      Example:  stemma blast bad
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().blast(model)
    options.show(report.json) { Self.text(report) }
  }

  private static func text(_ report: BlastReport) -> String {
    let label = report.name ?? report.id.shortID
    if report.descendants.isEmpty { return "nothing on record descends from \(label.plain)" }
    var table = Table(["MASS", "MODEL", "ID", "", "KINSHIP", "PATH"], numbers: [0])
    for descendant in report.descendants {
      for (index, path) in descendant.paths.enumerated() {
        let steps = path.steps.dropLast().map { ($0.name ?? $0.id.shortID) + ($0.claimed ? " (claimed)" : "") }
        let line = ([label] + steps + ["\(path.steps.last?.role ?? "") × \(path.mass.digits(4))"])
          .joined(separator: " → ")
        let more = index == descendant.paths.count - 1 && descendant.hasMorePaths ? " …" : ""
        table.add(
          (index == 0
            ? [
              descendant.mass.digits(4), descendant.names.first ?? "-", descendant.id.shortID,
              descendant.flagged ? "flagged" : "",
            ] : ["", "", "", ""]) + [path.kinship, line + more])
      }
    }
    return table.text
  }
}
