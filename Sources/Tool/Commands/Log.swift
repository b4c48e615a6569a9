import ArgumentParser
import JSON
import ModelStore

struct Log: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log",
    abstract: "Show where a model came from, what a name has meant, or how far the history goes.",
    usage: "stemma log <model> | --name <name> | --head [<options>]",
    discussion: """
      Draws the ancestors of MODEL as a tree, each once: their roles and coefficients, and who made them when. \
      A role in brackets is a claim that the bytes do not rest on.

      Examples:  stemma log fused
                 stemma log fused --dot | dot -Tsvg > fused.svg
                 stemma log --name fused
                 stemma log --head > head-of-today
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String?

  @Option(help: "Show the history of a name instead, newest first.")
  var name: String?

  @Flag(help: "Print the ancestry as a graph for Graphviz.")
  var dot = false

  @Flag(help: "Print the last event of the store: with 'verify --since' it tells later whether it was rolled back.")
  var head = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if [model != nil, name != nil, head].count(where: { $0 }) != 1 {
      throw ValidationError("expected one of MODEL, --name NAME and --head")
    }
    if dot, model == nil || options.json { throw ValidationError("--dot goes with MODEL alone") }
  }

  func run() throws {
    let repository = try options.open()
    if head {
      let heads = try repository.heads()
      options.show(["heads": .array(heads.map(\.json))]) {
        heads.isEmpty ? "no event yet" : heads.map(\.text).joined(separator: "\n")
      }
    } else if let name {
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
