import ArgumentParser
import JSON
import ModelStore

/// The masks of the store.
struct Mask: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mask",
    abstract: "Store, make, learn and compare masks.",
    discussion: """
      A mask has one bit for each element of the tensors of a model or adapter, and says by what rule they were \
      chosen. The bits themselves are kept. Masks are called by name or id as models are; export, tag, remove and log \
      work on them too.
      """,
    subcommands: [MaskImport.self, MaskShow.self, MaskCombine.self, MaskMake.self, MaskLearn.self])
}

struct MaskImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Store a mask: its folder, or tensors of bits or logits.",
    usage: "stemma mask import <path> [--threshold <x> | --bernoulli] [<options>]",
    discussion: """
      PATH is a mask's folder (mask_config.json, mask.safetensors), a safetensors file, or a folder of such files. Of \
      files the tensors have the full shapes of the model's and are BOOL, or numbers that are all 0 or 1; with \
      --threshold X or --bernoulli they are logits: bits are 1 above X, or with the probability 1/(1+exp(-logit)).

      Example:  stemma mask import ./logits.safetensors --threshold 0 --name safety
      """)

  @Argument(help: "The folder or file.")
  var path: String

  @Option(help: "A name for the mask.")
  var name: String?

  @Option(help: ArgumentHelp("What the bits stand for: weight (if not given) or lora_factor.", valueName: "space"))
  var space: String?

  @Option(help: ArgumentHelp("The numbers are logits; bits are 1 above this.", valueName: "x"))
  var threshold: Double?

  @Flag(help: "The numbers are logits; bits are drawn.")
  var bernoulli = false

  @Option(help: ArgumentHelp("What the draw begins with; 0 if not given.", valueName: "number"))
  var seed: Int?

  @Option(
    help: ArgumentHelp(
      "The mask that was learnt with these logits: it gives its parents, data and record.", valueName: "mask"))
  var learntAs: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if threshold != nil, bernoulli { throw ValidationError("expected --threshold or --bernoulli, found both") }
    if seed != nil, !bernoulli { throw ValidationError("--seed: expected --bernoulli with it") }
    if let threshold, !threshold.isFinite { throw ValidationError("--threshold: expected a finite number") }
  }

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("importing")
    defer { progress.finish() }
    let reading = bernoulli ? MaskReading.bernoulli(seed: seed ?? 0) : threshold.map(MaskReading.threshold)
    let report = try repository.importMask(
      at: path, space: space, reading: reading, learntAs: learntAs, name: name, madeBy: madeBy,
      progress: progress.update)
    progress.finish()
    options.show(report.json) { MaskText.text(report, all: false) }
  }
}

struct MaskShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a mask's rule and counts, or compare it with another.",
    usage: "stemma mask show <mask> [--against <mask>] [<options>]",
    discussion: """
      ENTROPY is what a coder that knows only the density of a tensor needs for its bits; STORED is what they take in \
      the store. With --against, how many bits are 1 in both and in one only, the Jaccard index (both over either), \
      and CHANCE: the index that bits of the same densities would have by chance.

      Example:  stemma mask show safety --against control
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var mask: String

  @Option(help: ArgumentHelp("The mask to compare it with.", valueName: "mask"))
  var against: String?

  @Flag(help: "List every tensor.")
  var tensors = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    if let against {
      let overlap = try repository.compareMasks(mask, against)
      options.show(overlap.json) { MaskText.text(overlap, all: tensors) }
    } else {
      let report = try repository.showMask(mask)
      options.show(report.json) { MaskText.text(report, all: tensors) }
    }
  }
}

struct MaskCombine: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "combine",
    abstract: "Make one mask of others.",
    usage: "stemma mask combine --and|--or|--xor|--not|--minus <mask> ... [<options>]",
    discussion: """
      --and, --or and --xor take two masks or more, --minus two (the bits of the first that are not in the second), \
      --not one. They must have the same tensors, shapes and space.

      Example:  stemma mask combine --minus safety math-task --name safety-only
      """)

  @Flag(help: "What is done with the bits.")
  var operation: BitFlag

  @Argument(help: "The masks.")
  var masks: [String]

  @Option(help: "A name for the mask.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    try options.make(.combination(operation.combination, masks), name: name, madeBy: madeBy)
  }
}

/// What is done with the bits of masks, as a flag.
enum BitFlag: EnumerableFlag {
  case and, or, xor, not, minus

  fileprivate var combination: MaskCombination {
    switch self {
    case .and: .and
    case .or: .or
    case .xor: .xor
    case .not: .not
    case .minus: .minus
    }
  }
}

struct MaskMake: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "make",
    abstract: "Make a random mask, or one of the largest changes.",
    usage: """
      stemma mask make --random --like <model> [--density <p>] [<options>]
      stemma mask make --magnitude <share> --of <model> --against <model>
      """,
    discussion: """
      --random draws each bit with the probability P, from counters (Philox4x32-10) and a seed, for every tensor of \
      numbers of the model, adapter or mask of --like. Without --density that is a mask, and each tensor gets the \
      density that it has there: the control for that mask. --magnitude sets, in each tensor, the share of elements \
      that changed most.

      Example:  stemma mask make --random --like safety --seed 1 --name control
      """)

  @Flag(help: "Draw the bits.")
  var random = false

  @Option(help: ArgumentHelp("What has the tensors: a model, adapter or mask.", valueName: "model"))
  var like: String?

  @Option(help: ArgumentHelp("The share of bits that are 1.", valueName: "p"))
  var density: Double?

  @Option(help: ArgumentHelp("What the draw begins with; 0 if not given.", valueName: "number"))
  var seed: Int?

  @Option(help: ArgumentHelp("Set the bits of this share of each tensor.", valueName: "share"))
  var magnitude: Double?

  @Option(help: ArgumentHelp("The fine-tuned model.", valueName: "model"))
  var of: String?

  @Option(help: ArgumentHelp("The model that it was made from.", valueName: "model"))
  var against: String?

  @Option(help: "A name for the mask.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if random == (magnitude != nil) { throw ValidationError("expected one of --random and --magnitude") }
    if random, like == nil { throw ValidationError("--random: expected --like MODEL with it") }
    if random, of != nil || against != nil {
      throw ValidationError("--of and --against: expected --magnitude with them")
    }
    if !random, of == nil || against == nil {
      throw ValidationError("--magnitude: expected --of MODEL and --against MODEL with it")
    }
    if !random, like != nil || density != nil || seed != nil {
      throw ValidationError("--like, --density and --seed: expected --random with them")
    }
  }

  func run() throws {
    if let magnitude, let of, let against {
      try options.make(.magnitude(share: magnitude, of: of, against: against), name: name, madeBy: madeBy)
    } else if let like {
      try options.make(.random(density: density, seed: seed ?? 0, like: like), name: name, madeBy: madeBy)
    }
  }
}

extension GlobalOptions {
  /// Makes a mask and shows it.
  fileprivate func make(_ making: MaskMaking, name: String?, madeBy: String?) throws {
    let repository = try open()
    let progress = progress("making")
    defer { progress.finish() }
    let report = try repository.makeMask(making, name: name, madeBy: madeBy, progress: progress.update)
    progress.finish()
    show(report.json) { MaskText.text(report, all: false) }
  }
}
