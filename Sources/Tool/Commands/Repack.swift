import ArgumentParser
import JSON
import ModelStore

struct Repack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repack",
    abstract: "Code what is stored anew, where that saves bytes.",
    usage: "stemma repack [<options>]",
    discussion: """
      Tries today's codecs and better bases for deltas: tensors of the same name in the parents of a model, in their \
      parents, and in the checkpoints before it. Only frames that come out smaller are replaced, or are no larger and \
      rest on fewer others. The old ones stay until 'stemma gc', so others may read meanwhile. A run that was cut off \
      can be started again, and goes on.

      Example:  stemma repack --dry-run
      """)

  @Flag(name: [.customShort("n"), .long], help: "Only say, from samples, what would be saved.")
  var dryRun = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("repacking")
    defer { progress.finish() }
    let report = try repository.repack(dryRun: dryRun, progress: progress.update)
    progress.finish()
    options.show(report.json) { Self.text(report) }
    if report.recoded > 0, !dryRun { options.remark("the space of the old frames comes back with: stemma gc") }
  }

  /// That of `stats --repack` too.
  static func text(_ report: RepackReport) -> String {
    let verb = report.isDry ? "would re-code" : "re-coded"
    guard report.recoded > 0 else { return "\(verb) nothing of \(report.objects.of("object"))" }
    let saved = Double(report.bytesBefore - report.bytesAfter) / Double(max(1, report.bytesBefore)) * 100
    let percent = saved.short == "0" ? "" : " (-\(saved.short) %)"
    return "\(verb) \(report.recoded.grouped) of \(report.objects.of("object")), \(report.rebased.grouped) on another "
      + "base\n\(report.bytesBefore.asSize) of frames become \(report.bytesAfter.asSize)\(percent)"
  }
}
