import ArgumentParser
import JSON
import ModelStore

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check the store's bytes and names for damage.",
    usage: "stemma verify [<options>]",
    discussion: """
      Reads every event, pack and document and checks its digest; says what is damaged or missing and which models \
      that hurts, with exit status 5. --full also decodes every object. Garbage that an interrupted command left is \
      no damage; 'stemma gc' removes it. A store that was put back as a whole to an earlier day looks whole: keep \
      what 'stemma log --head' prints somewhere else, and ask with --since whether the store still has it.

      Examples:  stemma verify --full
                 stemma verify --since "$(cat head-of-yesterday)"
      """)

  @Flag(help: "Also decode every object and check the digest of what comes out.")
  var full = false

  @Option(
    help: ArgumentHelp(
      "Check that the history contains this head, as 'stemma log --head' prints it.", valueName: "head"))
  var since: [String] = []

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    // What the file holds that the heads were written to may be given as it is.
    let heads = since.flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
    let progress = options.progress("verifying")
    defer { progress.finish() }
    let report = try repository.verify(full: full, since: heads, progress: progress.update)
    progress.finish()
    options.show(report.json) { Self.text(report) }
    guard report.damage.isEmpty else {
      throw RepositoryError(
        .corrupt, "the store is damaged in \(report.damage.count.of("place"))",
        hint: "what heals each place is said above")
    }
  }

  private static func text(_ report: VerifyReport) -> String {
    var lines = [
      "read \(report.events.of("event")), \(report.packs.of("pack")) and \(report.documents.of("document")), "
        + "\(report.bytes.asSize): "
        + "\(report.models.of("model")), \(report.objects.of("object"))"
    ]
    for damage in report.damage {
      lines.append("damaged: " + damage.what.plain)
      if !damage.models.isEmpty { lines.append("  hurts: " + damage.models.joined(separator: ", ").plain) }
      if let heals = damage.heals { lines.append("  heals: " + heals.plain) }
    }
    lines += report.remarks.map { "remark: " + $0.plain }
    lines += report.garbage.map { "garbage: " + $0.plain }
    if report.damage.isEmpty { lines.append("no damage") }
    return lines.joined(separator: "\n")
  }
}
