import ArgumentParser
import JSON
import ModelStore

struct Init: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Make an empty store.",
    usage: "stemma init [<folder>] [<options>]",
    discussion: """
      Makes a folder .stemma in FOLDER, which is the current one if not given. Commands called anywhere below it \
      find it by themselves.

      Example:  stemma init
      """)

  @Argument(help: "The folder to make .stemma in.")
  var folder: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if folder != nil, options.store != nil { throw ValidationError("give FOLDER or --store, not both") }
  }

  func run() throws {
    let path = try Repository.create(at: folder ?? options.store ?? GlobalOptions.workingDirectory())
    options.show(["store": .string(path)]) { "made an empty store in \(path.plain)" }
  }
}
