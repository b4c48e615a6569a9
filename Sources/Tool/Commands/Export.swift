import ArgumentParser
import ModelStore

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a model's files to a folder.",
    usage: "stemma export <model> <folder> [<options>]",
    discussion: """
      Every file is the one that was imported, byte for byte; merges are rebuilt. All of it is checked by digest \
      before FOLDER appears. FOLDER must be new or empty.

      Example:  stemma export fused ./out
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Argument(help: "The folder to make.")
  var folder: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("exporting")
    defer { progress.finish() }
    let report = try repository.export(model, to: folder, progress: progress.update)
    progress.finish()
    options.show(report.json) {
      "wrote \(report.files.of("file")), \(report.bytes.asSize), to \(report.path.plain); digests agree"
    }
  }
}
