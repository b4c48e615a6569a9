import ArgumentParser
import JSON
import ModelStore

struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the models, one line a name.",
    usage: "stemma list [<options>]",
    discussion: """
      --all also lists what has no name, and from when on 'stemma gc' takes it. STATE is 'stored' for models whose \
      bytes are kept, 'virtual' for merges that are rebuilt on demand, and 'absent' for models that are only known as \
      ancestors. Models for which an advisory holds are 'flagged'.

      Example:  stemma list --all
      """)

  @Flag(name: [.short, .long], help: "Also list models without a name.")
  var all = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let models = try options.open().list(all: all)
    options.show(["models": .array(models.map(\.json))]) {
      models.isEmpty ? "no models yet; add one with: stemma import FOLDER --name NAME" : Self.text(models)
    }
  }

  private static func text(_ models: [ModelSummary]) -> String {
    var table = Table(["NAME", "ID", "STATE", "TENSORS", "SIZE", "MADE", ""], numbers: [3, 4])
    for model in models {
      for name in model.names.isEmpty ? ["-"] : model.names {
        table.add([
          name, model.shortID, model.state, model.tensors.grouped, model.bytes.asSize,
          model.madeAt.map { String($0.prefix(10)) } ?? "-",
          (model.kind ?? "") + (model.flags.isEmpty ? "" : " flagged")
            + (model.goesAfter.map { " goes after \($0.prefix(10))" } ?? ""),
        ])
      }
    }
    return table.text
  }
}
