import ArgumentParser
import ModelStore

/// How a merge computes: for `plan` and `merge`.
struct ArithmeticOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "exact-1, or mergekit-0.1.5 to get the bytes that mergekit writes on a CPU.", valueName: "arithmetic"))
  var arithmetic: String?

  @Option(
    help: ArgumentHelp("The seed of mergekit's random numbers, as its --random-seed.", valueName: "number"))
  var seed: UInt32?

  func validate() throws {
    if seed != nil, arithmetic?.hasPrefix("mergekit") != true {
      throw ValidationError("--seed belongs to --arithmetic mergekit-0.1.5; in exact arithmetic the recipe has it")
    }
  }

  var merge: MergeOptions { MergeOptions(arithmetic: arithmetic, seed: seed) }
}
