import ArgumentParser
import JSON
import ModelStore

struct Backup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Copy the store, while it is in use.",
    usage: "stemma backup <folder> [<options>]",
    discussion: """
      FOLDER must be new. The copy is a store itself.

      Example:  stemma backup /mnt/backup/stemma
      """)

  @Argument(help: "The folder to make.")
  var folder: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let bytes = try options.open().backup(to: folder)
    options.show(["path": .string(folder), "bytes": .integer(bytes)]) {
      "copied \(bytes.asSize) to \(folder.plain)"
    }
  }
}
