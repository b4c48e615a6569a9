import ArgumentParser
import JSON
import ModelStore

struct Remove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Take away all names of a model.",
    usage: "stemma remove <model> [<options>]",
    discussion: """
      Its bytes go with the first 'stemma gc' after 14 days, unless a merge or a delta still rests on them. Until then \
      'stemma tag ID NAME' brings it back.

      Example:  stemma remove math
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let names = try options.open().remove(model)
    options.show(["names": .array(names.map(JSONValue.string))]) {
      "took away the \(names.count == 1 ? "name" : "names") " + names.joined(separator: ", ")
    }
    options.remark(
      "what nothing needs any more goes with 'stemma gc', after 14 days; at once with: stemma gc --older-than 0")
  }
}
