import ArgumentParser
import JSON
import ModelStore

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log",
    abstract: "Show where a model came from, or what a name has meant.",
    usage: "stemma log <model> | --name <name> [<options>]",
    discussion: """
      Draws the ancestors of MODEL as a tree, each once: their roles and coefficients, and who made them when. \
      A role in brackets is a claim that the bytes do not rest on.

      Examples:  stemma log fused
                 stemma log fused --dot | dot -Tsvg > fused.svg
                 stemma log --name fused
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String?

  @Option(help: "Show the history of a name instead, newest first.")
  var name: String?

  @Flag(help: "Print the ancestry as a graph for Graphviz.")
  var dot = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if (model == nil) == (name == nil) { throw ValidationError("expected either MODEL or --name NAME") }
    if dot, name != nil || options.json { throw ValidationError("--dot goes with MODEL alone") }
  }

  func run() throws {
    let repository = try options.open()
    if let name {
      let events = try repository.nameHistory(name)
      options.show(["events": .array(events.map(\.json))]) { Self.text(events) }
    } else if let model {
      let ancestry = Ancestry(try repository.log(model))
      if dot { Console.write(ancestry.dot) } else { options.show(ancestry.report.json) { ancestry.text } }
    }
  }

  private static func text(_ events: [NameEvent]) -> String {
    var table = Table(["NO.", "WHEN", "NAME", "MODEL", "BY"], numbers: [0])
    for event in events {
      table.add([
        event.sequence.grouped, event.madeAt.asTime, event.name, event.id?.shortID ?? "(taken away)", event.madeBy,
      ])
    }
    return table.text
  }
}
