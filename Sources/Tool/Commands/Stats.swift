import ArgumentParser
import JSON
import ModelStore

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Show how many bytes the store takes, and saves.",
    usage: "stemma stats [<options>]",
    discussion: """
      Compares the store with plain folders of the same models.

      Example:  stemma stats
      """)

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().stats()
    options.show(report.json) { Self.text(report) }
  }

  private static func text(_ report: StatsReport) -> String {
    let total = report.packBytes + report.documentBytes + report.databaseBytes
    let share = report.modelBytes > 0 ? Double(total) / Double(report.modelBytes) * 100 : nil
    return facts([
      ("models", "\(report.models.grouped) (\(report.virtualModels.grouped) virtual), \(report.names.of("name"))"),
      ("objects", "\(report.objects.grouped) (\(report.deltaObjects.grouped) as deltas)"),
      ("as folders", report.modelBytes.asSize),
      ("distinct", report.objectBytes.asSize),
      ("packs", report.packBytes.asSize),
      ("documents", report.documentBytes.asSize),
      ("database", report.databaseBytes.asSize),
      ("total", total.asSize + (share.map { " (\($0.short) % of the folders)" } ?? "")),
    ])
  }
}
