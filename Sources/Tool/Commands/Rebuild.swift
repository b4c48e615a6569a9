import ArgumentParser
import JSON
import ModelStore

struct Rebuild: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebuild",
    abstract: "Make the database anew from packs and documents.",
    usage: "stemma rebuild [<options>]",
    discussion: """
      For a database that is lost or damaged: models, lineage, names and their history all come back. Nobody else \
      may use the store meanwhile.

      Example:  stemma rebuild
      """)

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try Repository.rebuild(at: options.locate())
    options.show(report.json) {
      let found = [report.models.of("model"), report.objects.of("object"), report.names.of("name")]
      let lines = ["rebuilt " + found.joined(separator: ", ")] + report.damage.map { "damaged: " + $0.plain }
      return lines.joined(separator: "\n")
    }
    guard report.damage.isEmpty else {
      throw RepositoryError(
        .corrupt, "\(report.damage.count.of("file")) could not be read", hint: "see: stemma verify")
    }
  }
}
