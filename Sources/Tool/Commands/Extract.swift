import ArgumentParser
import JSON
import ModelStore

struct Extract: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Make a LoRA adapter of the difference between two models.",
    usage: "stemma extract <model> --base <model> --rank <rank> [--out <folder>] [--name <name>] [<options>]",
    discussion: """
      Looks for the best factors of each two-dimensional weight that changed (randomised singular value \
      decomposition) and writes PEFT's files; embeddings, heads, norms and biases that changed are saved whole. Says \
      what the factors leave out: RESIDUAL is |difference - factors| / |difference|, and ENERGY the share of the \
      squares that they hold. Memory: one matrix in f32, or two where the rank is near its size, and its factors.

      --out writes the adapter to a new folder; --name stores it, linked to both models. At least one is needed.

      Example:  stemma extract math --base base --rank 16 --name math-lora
      """)

  @Argument(help: "The fine-tuned model: a name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Option(help: ArgumentHelp("The model that it was made from.", valueName: "model"))
  var base: String

  @Option(help: "The most dimensions that the factors of a weight may have.")
  var rank: Int

  @Option(help: ArgumentHelp("What the random search starts from; 0 if not given.", valueName: "number"))
  var seed: UInt32 = 0

  @Option(help: ArgumentHelp("Write the adapter to this new folder.", valueName: "folder"))
  var out: String?

  @Option(help: "Store the adapter by this name.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @Flag(help: "List every tensor.")
  var tensors = false

  @OptionGroup(title: "Advisories and policies") var gate: GateOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if out == nil, name == nil { throw ValidationError("expected --out FOLDER or --name NAME, or both") }
    if rank < 1 { throw ValidationError("--rank: expected a whole number above 0, found \(rank)") }
  }

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("extracting")
    defer { progress.finish() }
    let report = try repository.extract(
      model, base: base, rank: rank, seed: seed, to: out, name: name, madeBy: madeBy,
      permission: gate.permission, progress: progress.update)
    progress.finish()
    options.show(report.json) { text(report) }
  }

  private func text(_ report: ExtractReport) -> String {
    let head = facts(
      [
        ("adapter", [report.name, report.model?.shortID].compactMap(\.self).joined(separator: "  ")),
        ("written", report.path),
        ("factors", report.lines.count.of("weight")),
        ("residual", "\(report.residual.digits(4)) of the difference of these weights"),
        ("saved whole", report.whole.isEmpty ? nil : report.whole.count.of("tensor")),
        ("as in base", report.equal.of("tensor")),
        ("size", report.bytes.asSize),
      ].filter { $0.1 != "" })
    guard !report.lines.isEmpty else { return head }
    let sorted = report.lines.sorted { $0.residual > $1.residual }
    let shown = tensors || sorted.count <= 12 ? sorted[...] : sorted.prefix(10)
    var table = Table(["RESIDUAL", "ENERGY", "RANK", "SHAPE", "TENSOR"], numbers: [0, 1, 2])
    for line in shown {
      table.add([
        line.residual.digits(4), line.energy.digits(4), line.rank.grouped,
        "[" + line.shape.map(String.init).joined(separator: ", ") + "]", line.tensor,
      ])
    }
    let rest = sorted.count - shown.count
    return head + "\n\n" + table.text + (rest > 0 ? "\n… and \(rest.grouped) more; --tensors lists all" : "")
  }
}
