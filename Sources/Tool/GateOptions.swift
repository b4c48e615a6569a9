import ArgumentParser
import ModelStore

/// What may be done in spite of advisories.
struct FlagOptions: ParsableArguments {
  @Flag(help: "Let flagged models through; that is recorded.")
  var allowFlagged = false
}

/// What a new name has to stand up to.
struct GateOptions: ParsableArguments {
  @OptionGroup var flags: FlagOptions

  @Option(
    help: ArgumentHelp("A policy for names that holds beside the store's policy.yml.", valueName: "file"))
  var policy: String?

  var permission: Permission { Permission(allowsFlagged: flags.allowFlagged, policy: policy) }
}
