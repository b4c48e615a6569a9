import ArgumentParser
import JSON
import ModelStore

struct Untag: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "untag",
    abstract: "Take a name away.",
    usage: "stemma untag <name> [<options>]",
    discussion: """
      The model stays until it has no name left and 'stemma gc' finds that nothing else needs it.

      Example:  stemma untag math:v1
      """)

  @Argument(help: "The name to take away.")
  var name: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    try options.open().untag(name)
    options.show(["name": .string(name)]) { "took away the name \(name)" }
  }
}
