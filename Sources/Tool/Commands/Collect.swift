import ArgumentParser
import JSON
import ModelStore

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc",
    abstract: "Delete what nothing needs any more.",
    usage: "stemma gc [<options>]",
    discussion: """
      Keeps named models, the inputs of merges and the bases of deltas; deletes the rest. Of other ancestors of kept \
      models the lineage stays, so that 'stemma log' still shows them: they become absent. Packs of which less than \
      half is needed are written anew. Nobody else may use the store meanwhile.

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
    var lines = [(report.dryRun ? "would delete " : "deleted ") + things.joined(separator: ", ")]
    if report.packsRewritten > 0 {
      lines.append(
        "\(report.dryRun ? "would rewrite" : "rewrote") \(report.packsRewritten.of("pack")) of mostly garbage")
    }
    if report.modelsAbsent > 0 {
      let verb = report.dryRun ? "would keep" : "kept"
      lines.append("\(verb) only the lineage of \(report.modelsAbsent.of("model")), from which others descend")
    }
    return (lines + ["\(report.dryRun ? "would free" : "freed") \(report.bytes.asSize)"]).joined(separator: "\n")
  }
}
