import ArgumentParser
import JSON
import ModelStore

struct Rebuild: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebuild",
    abstract: "Make the database anew from events, documents and packs.",
    usage: "stemma rebuild [<options>]",
    discussion: """
      For a database that is lost, damaged or older than the store: models, lineage, names and their history all come \
      back. Files of two stores that were copied together become one store. A store of version 0.1.0 is brought to \
      the new format. What is missing is told, with exit status 5; the database as it was is kept beside the new one \
      as stemma.sqlite.before-rebuild. Nobody else may use the store meanwhile.

      Example:  stemma rebuild
      """)

  @Flag(help: "Wait for other processes as long as it takes; else ten seconds.")
  var wait = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try Repository.rebuild(at: options.locate(), waiting: wait) { Interruption.stops($0) }
    options.show(report.json) {
      let found = [
        report.models.of("model"), report.objects.of("object"), report.names.of("name"), report.events.of("event"),
      ]
      let lines =
        ["rebuilt " + found.joined(separator: ", ")] + report.damage.map { "damaged: " + $0.plain }
        + report.remarks.map { "remark: " + $0.plain }
      return lines.joined(separator: "\n")
    }
    guard report.damage.isEmpty else {
      throw RepositoryError(
        .corrupt, "the store was rebuilt, and is damaged in \(report.damage.count.of("place"))",
        hint: "restore what is named from a backup, then rebuild again; see: stemma verify")
    }
  }
}
