import ArgumentParser
import JSON
import ModelStore

struct Tag: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tag",
    abstract: "Give a model one more name.",
    usage: "stemma tag <model> <name> [<options>]",
    discussion: """
      A name is made of letters, digits, '.', '_' and '-', with '/' between its parts and ':' before a tag. What a \
      name meant before stays in its history: stemma log --name NAME.

      A model with an open advisory gets no name without --allow-flagged. What names of a pattern need stands in \
      policy.yml in .stemma; where that is not met, --allow-flagged does not help.

      Example:  stemma tag math math:v1
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Argument(help: "The new name.")
  var name: String

  @Flag(name: [.short, .long], help: "Take the name from the model that has it now.")
  var force = false

  @OptionGroup(title: "Advisories and policies") var gate: GateOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let id = try options.open().tag(model, as: name, replacing: force, permission: gate.permission)
    options.show(["name": .string(name), "id": .string(id)]) { "\(name) is now \(id.shortID)" }
  }
}
