import ArgumentParser
import JSON
import ModelStore

struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gc",
    abstract: "Delete what nothing needs any more.",
    usage: "stemma gc [<options>]",
    discussion: """
      Keeps named models, the inputs of merges and the bases of deltas, and for 14 days what lost its name or never \
      had one; deletes the rest. --older-than says how long. A model that waits is brought back with \
      'stemma tag ID NAME'. Of other ancestors of kept models the lineage stays, so that 'stemma log' still shows \
      them: they become absent. Packs of which less than half is needed are written anew. \
      Only the deleting itself needs the store to itself.

      Examples:  stemma gc --dry-run
                 stemma gc --older-than 0
      """)

  @Flag(name: [.customShort("n"), .long], help: "Only say what would be deleted.")
  var dryRun = false

  @Option(
    help: ArgumentHelp(
      "How long what has no name stays: days, or a number with h, m or s.", valueName: "days"))
  var olderThan: Age = .days(14)

  @Flag(help: "Wait for other processes as long as it takes; else ten seconds.")
  var wait = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().collect(dryRun: dryRun, olderThan: olderThan.seconds, waiting: wait)
    options.show(report.json) { Self.text(report) }
    if let refusal = report.refusal {
      options.remark("\(refusal); with a clock that is right: stemma gc --older-than 0")
    }
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
    if !report.waiting.isEmpty {
      let (count, bytes) = (report.waiting.count, report.waiting.reduce(0) { $0 + $1.bytes })
      lines.append(
        "\(count.of("model")) without a name, of \(bytes.asSize), \(count == 1 ? "waits" : "wait"); "
          + "bring one back with: stemma tag ID NAME")
      if report.dryRun {
        var table = Table(["ID", "LAST NAME", "SIZE", "SINCE", "GOES AFTER"], numbers: [2])
        for model in report.waiting {
          table.add([
            model.id.shortID, model.lastName ?? "-", model.bytes.asSize, String(model.since.prefix(10)),
            String(model.until.prefix(10)),
          ])
        }
        lines.append(table.text)
      }
    }
    if report.filesWaiting > 0 {
      lines.append(
        "\(report.filesWaiting.of("file")) that nothing names, of \(report.fileBytesWaiting.asSize), too young to go")
    }
    return (lines + ["\(report.dryRun ? "would free" : "freed") \(report.bytes.asSize)"]).joined(separator: "\n")
  }
}

/// A time span on the command line: days, or a number with a unit.
struct Age: ExpressibleByArgument {
  let seconds: Int

  static func days(_ count: Int) -> Age { Age(seconds: count * 86_400) }

  init(seconds: Int) { self.seconds = seconds }

  init?(argument: String) {
    let units: [Character: Int] = ["d": 86_400, "h": 3600, "m": 60, "s": 1]
    let unit = argument.last.flatMap { units[$0] }
    guard let number = Int(unit == nil ? argument : String(argument.dropLast())), number >= 0, number <= 100_000_000
    else { return nil }
    seconds = number * (unit ?? 86_400)
  }

  var defaultValueDescription: String { "\(seconds / 86_400)" }
}
