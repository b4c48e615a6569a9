import ArgumentParser
import JSON
import ModelStore

struct Trust: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trust",
    abstract: "Say which other stores are believed here.",
    usage: "stemma trust [<store-id>] [--revoke] [<options>]",
    discussion: """
      Where files of another store were copied into this one, its advisories hold at once. What it withdrew, allowed \
      or cleared by evaluations has no effect until the store is trusted. Without an id, shows this store's own id and \
      those that are trusted. The list is kept on this machine alone, in trust.yml.

      Example:  stemma trust 5f1c0a6be2d94f7f8a3b6d5e4c2b1a09
      """)

  @Argument(help: ArgumentHelp("The id of another store: 32 hex digits.", valueName: "store-id"))
  var store: String?

  @Flag(help: "Trust it no longer.")
  var revoke = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if revoke, store == nil { throw ValidationError("--revoke expects a store id") }
  }

  func run() throws {
    let repository = try options.open()
    let report = try store.map { try repository.trust($0, revoking: revoke) } ?? repository.trust()
    options.show(report.json) {
      let trusted = report.trusted.isEmpty ? ["trusts no other store"] : report.trusted.map { "trusts      \($0)" }
      return (["this store  \(report.own)"] + trusted).joined(separator: "\n")
    }
  }
}
