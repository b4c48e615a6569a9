import ArgumentParser
import ModelStore

struct Materialise: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "materialise",
    abstract: "Compute a merge once and keep its bytes.",
    usage: "stemma materialise <model> [<options>]",
    discussion: """
      Its tensors are stored as deltas against the merge's base where that pays, each proved by its digest. From then \
      on it is read, not computed. 'stemma evict' is the way back.

      Example:  stemma materialise fused
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("computing")
    defer { progress.finish() }
    let report = try repository.materialise(model, progress: progress.update)
    progress.finish()
    options.show(report.json) {
      report.tensors == 0
        ? "\(report.label) is \(report.state) already"
        : "\(report.label) is \(report.state); kept \(report.tensors.of("tensor")), \(report.bytes.asSize)"
    }
  }
}
