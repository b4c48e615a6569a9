import ArgumentParser
import JSON
import ModelStore

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc",
    abstract: "Delete what nothing needs any more.",
    usage: "stemma gc [<options>]",
    discussion: """
      Keeps named models, the inputs of merges and the bases of deltas; deletes the rest. Nobody else may use the \
      store meanwhile.

      Example:  stemma gc --dry-run
      """)

  @Flag(name: [.customShort("n"), .long], help: "Only say what would be deleted.")
  var dryRun = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().collect(dryRun: dryRun)
    options.show(report.json) { Self.text(report) }
  }

  private static func text(_ report: CollectReport) -> String {
    let things = [
      report.models.of("model"), report.objects.of("object"), report.packs.of("pack"),
      report.documents.of("document"),
    ]
    let rewritten = report.packsRewritten > 0 ? "; \(report.packsRewritten.of("pack")) rewritten" : ""
    return (report.dryRun ? "would delete " : "deleted ") + things.joined(separator: ", ") + rewritten
      + "\n\(report.dryRun ? "would free" : "freed") \(report.bytes.asSize)"
  }
}
