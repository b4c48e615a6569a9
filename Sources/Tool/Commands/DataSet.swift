import ArgumentParser
import JSON
import ModelStore

/// The data sets of the store.
struct DataSet: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Store and show data sets.",
    discussion: """
      A data set is a file of JSON lines and what is known of its making. Data sets are called by name or id as models \
      are; export, tag, remove, log and advise work on them too, and 'mask learn' and 'tune' take them as --data.
      """,
    subcommands: [DataSetImport.self, DataSetShow.self])
}

struct DataSetImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Store a file of JSON lines and the record of its making.",
    usage: "stemma data import <path> [--record <file>] [--name <name>] [<options>]",
    discussion: """
      Each line is an object; its 'kind' (harmful, benign, domain) and 'split' (train, validation, test) are counted. \
      The record is a JSON object, such as stemma-synthesise writes; where it names a generator, guard or pool of \
      models that are in the store, these become the data set's parents. PATH may be an exported data set too.

      Example:  stemma data import safety.jsonl --record record.json --name safety
      """)

  @Argument(help: "The file, or a data set's folder.")
  var path: String

  @Option(help: ArgumentHelp("How it was made: a JSON object.", valueName: "file"))
  var record: String?

  @Option(help: "A name for the data set.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("importing")
    defer { progress.finish() }
    let report = try repository.importDataSet(
      at: path, record: record, name: name, madeBy: madeBy, progress: progress.update)
    progress.finish()
    options.show(report.json) { report.text }
  }
}

struct DataSetShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a data set's counts and the record of its making.",
    usage: "stemma data show <data set> [<options>]",
    discussion: "Example:  stemma data show safety")

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var dataSet: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().showDataSet(dataSet)
    options.show(report.json) { report.text }
  }
}

extension DataSetReport {
  /// For people.
  fileprivate var text: String {
    func counts(_ counts: [(name: String, count: Int)]) -> String? {
      let told = counts.filter { $0.count > 0 }.map { "\($0.count.grouped) \($0.name)" }
      return told.isEmpty ? nil : told.joined(separator: ", ")
    }
    let name = names.isEmpty ? nil : names.joined(separator: ", ")
    return facts(
      [
        ("data set", [name, id.shortID].compactMap(\.self).joined(separator: "  ")),
        ("file", "\(file)  \(bytes.asSize)  sha256 \(sha256.shortID)"), ("examples", examples.grouped),
        ("kinds", counts(kinds)), ("splits", counts(splits)), ("stored", storedBytes.asSize),
        ("from", parents.isEmpty ? nil : parents.map(\.line).joined(separator: ", ")),
      ] + recordLines.enumerated().map { ($0 == 0 ? "record" : "", "\($1.key): \($1.value)") })
  }
}
