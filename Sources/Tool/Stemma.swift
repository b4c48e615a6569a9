import ArgumentParser
import Glibc

/// The root of the command line.
@main
struct Stemma: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stemma",
    abstract: "Keeps model checkpoints compressed, knows where each came from, and rebuilds merges.",
    discussion: """
      A first walk:

        stemma init
        stemma import ./llama-base --name base
        stemma import ./math-tune --name math --base base
        stemma log math
        stemma merge recipe.yml --name fused
        stemma export fused ./out

      A model is called by its name, or by its id or the first 8 or more digits of it. Exit status: 0 done, \
      1 internal fault, 2 invalid input or usage, 3 not found, 4 conflict, 5 corrupt, 6 unsupported, \
      7 disk or permission, 130 interrupted.
      """,
    version: "0.1.0",
    groupedSubcommands: [
      CommandGroup(
        name: "Store",
        subcommands: [Init.self, Stats.self, Verify.self, Repack.self, Backup.self, Rebuild.self]),
      CommandGroup(
        name: "Model",
        subcommands: [
          Import.self, Export.self, Plan.self, Merge.self, Tune.self, Extract.self, Evict.self, Materialise.self,
        ]),
      CommandGroup(name: "Safety", subcommands: [Mask.self, Subspace.self, DataSet.self]),
      CommandGroup(name: "Look-up", subcommands: [List.self, Show.self, Log.self, Diff.self]),
      CommandGroup(
        name: "Verdict",
        subcommands: [Evaluation.self, Advise.self, Withdraw.self, Advisories.self, Trust.self, Blast.self]),
      CommandGroup(
        name: "Name and removal", subcommands: [Tag.self, Untag.self, Remove.self, Collect.self, Purge.self]),
    ])

  /// Parses, runs, and turns whatever was thrown into one line and an exit status.
  static func main() {
    // A closed pipe and a file at its size limit are errors to report, not ends without a word.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    Interruption.listen()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Failure(error).leave()
    }
  }
}
