import ArgumentParser
import JSON
import ModelStore

struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Make a model from others by a recipe.",
    usage: "stemma merge <recipe> --name <name> | --out <folder> [<options>]",
    discussion: """
      Reads a recipe in mergekit's YAML. The store keeps the recipe and the digests of the result, and \
      'stemma export' rebuilds its bytes when they are wanted; --stored keeps the bytes too. (--store is another \
      thing: where the store is.) With --out the result is written to a new folder and no store is used, so the \
      inputs must be folders. An input 'base+adapter' is the base with a PEFT adapter applied.

      Several recipes in one file, parted by lines of '---', are steps: later ones use the 'name' of earlier ones as a \
      model. The one without a name is the result. No step before it is written out.

      What mergekit has no words for stands in the recipe under 'stemma': 'seed' (of random pruning), 'rescale' \
      ('l1', or 'paper'), and 'allow_nonfinite: true', which lets NaN and infinity through.

      Examples:  stemma merge recipe.yml --name fused
                 stemma merge recipe.yml --out ./fused
      """)

  @Argument(help: "The recipe's file; '-' reads standard input.")
  var recipe: String

  @Option(help: "A name for the new model.")
  var name: String?

  @Flag(help: "Keep the bytes too, not only what rebuilds them.")
  var stored = false

  @Option(help: ArgumentHelp("Write the result to this folder, without a store.", valueName: "folder"))
  var out: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @Flag(help: "Write no model card (README.md).")
  var noCard = false

  @OptionGroup(title: "Arithmetic") var arithmetic: ArithmeticOptions

  @OptionGroup(title: "Advisories and policies") var gate: GateOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    let usesStore =
      stored || gate.flags.allowFlagged || [name, madeBy, options.store, gate.policy].contains { $0 != nil }
    if out != nil, usesStore {
      throw ValidationError(
        "--out uses no store: it goes without --name, --stored, --made-by, --store, --allow-flagged and --policy")
    }
  }

  func run() throws {
    let recipe = try Recipe(at: recipe)
    let progress = options.progress("merging")
    defer { progress.finish() }
    let report = try merge(recipe, progress)
    progress.finish()
    options.show(report.json) { text(report) }
  }

  private func merge(_ recipe: Recipe, _ progress: Progress) throws(RepositoryError) -> MergeReport {
    var merge = arithmetic.merge
    merge.writesCard = !noCard
    if let out {
      return try Repository.merge(
        recipe: recipe.text, relativeTo: recipe.directory, to: out, options: merge, threads: options.threads,
        interruption: { Interruption.stops($0) }, progress: progress.update)
    }
    return try options.open().merge(
      recipe: recipe.text, relativeTo: recipe.directory, name: name, keepBytes: stored, options: merge,
      madeBy: madeBy, permission: gate.permission, progress: progress.update)
  }

  private func text(_ report: MergeReport) -> String {
    facts([
      ("model", [report.name, report.id.shortID].compactMap(\.self).joined(separator: "  ")),
      ("method", report.method),
      ("state", out.map { "written to \($0)" } ?? report.state),
      ("size", "\(report.bytes.asSize), \(report.tensors.of("tensor"))"),
      ("stored", out == nil ? report.bytesAdded.asSize : nil),
    ])
  }
}
