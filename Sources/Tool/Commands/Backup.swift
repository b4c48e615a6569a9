import ArgumentParser
import JSON
import ModelStore

struct Backup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup",
    abstract: "Copy the store, while it is in use.",
    usage: "stemma backup <folder> [<options>]",
    discussion: """
      FOLDER is new, or has a backup of this store: then only what is new is copied, and what the store has no more \
      goes. Packs are compared with their digests on the way. The copy is a store itself. A run that was cut off is \
      taken up by the next one.

      Example:  stemma backup /mnt/backup/stemma
      """)

  @Argument(help: "A new folder, or one with a backup of this store.")
  var folder: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let bytes = try options.open().backup(to: folder)
    options.show(["path": .string(folder), "bytes": .integer(bytes)]) {
      "copied \(bytes.asSize) to \(folder.plain)"
    }
  }
}
