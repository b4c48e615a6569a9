import ArgumentParser
import ModelStore

struct Evict: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evict",
    abstract: "Drop the bytes of a merge that can be computed again.",
    usage: "stemma evict <model> [<options>]",
    discussion: """
      The model stays, and 'stemma export' rebuilds it. It is computed once before anything is dropped; tensors that \
      other models share stay. The space comes back with 'stemma gc'. 'stemma materialise' is the way back.

      Example:  stemma evict fused && stemma gc
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Flag(help: "Wait for other processes as long as it takes; else ten seconds.")
  var wait = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("checking")
    defer { progress.finish() }
    let report = try repository.evict(model, waiting: wait, progress: progress.update)
    progress.finish()
    options.show(report.json) {
      report.tensors == 0
        ? "\(report.label) is \(report.state); no tensor is its alone, nothing to drop"
        : "\(report.label) is \(report.state); dropped \(report.tensors.of("tensor")), \(report.bytes.asSize)"
    }
    if report.tensors > 0 { options.remark("their space comes back with: stemma gc") }
  }
}
