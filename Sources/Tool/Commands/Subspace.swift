import ArgumentParser
import JSON
import ModelStore

/// The subspaces of the store.
struct Subspace: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "subspace",
    abstract: "Derive, store and compare subspaces.",
    discussion: """
      A subspace has, for matrices of a model, an orthonormal basis of part of their output side. Recipes project task \
      vectors onto it or out of it. Whether a direction found so governs one behaviour alone is an open question; \
      overlaps are given beside those of random subspaces.
      """,
    subcommands: [SubspaceDerive.self, SubspaceImport.self, SubspaceShow.self])
}

struct SubspaceDerive: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "derive",
    abstract: "Find the leading directions of an alignment's change.",
    usage: "stemma subspace derive --aligned <model> --unaligned <model> [<options>]",
    discussion: """
      Of aligned - unaligned, for every matrix that differs, the left singular vectors with the largest values: as few \
      as hold the share of the squares (0.9 if nothing is given), or so many.

      Example:  stemma subspace derive --aligned chat --unaligned base --energy 0.9 --name safety
      """)

  @Option(help: ArgumentHelp("The aligned model.", valueName: "model"))
  var aligned: String

  @Option(help: ArgumentHelp("The model before its alignment.", valueName: "model"))
  var unaligned: String

  @Option(help: ArgumentHelp("The share of the squares to hold; 0.9 if not given.", valueName: "share"))
  var energy: Double?

  @Option(help: "The dimensions of each matrix's subspace.")
  var rank: Int?

  @Option(help: "A name for the subspace.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if energy != nil, rank != nil { throw ValidationError("expected --energy or --rank, found both") }
  }

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("deriving")
    defer { progress.finish() }
    let report = try repository.deriveSubspace(
      aligned: aligned, unaligned: unaligned, size: rank.map(SubspaceSize.rank) ?? .energy(energy ?? 0.9), name: name,
      madeBy: madeBy, progress: progress.update)
    progress.finish()
    options.show(report.json) { SubspaceText.text(report, all: false) }
  }
}

struct SubspaceImport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Store a subspace's folder.",
    usage: "stemma subspace import <folder> [--name <name>] [<options>]",
    discussion: """
      FOLDER holds subspace_config.json and subspace.safetensors: for each matrix an F32 tensor of its rows × rank \
      with orthonormal columns.

      Example:  stemma subspace import ./safety-space --name safety
      """)

  @Argument(help: "The folder.")
  var folder: String

  @Option(help: "A name for the subspace.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("importing")
    defer { progress.finish() }
    let report = try repository.importSubspace(at: folder, name: name, madeBy: madeBy, progress: progress.update)
    progress.finish()
    options.show(report.json) { SubspaceText.text(report, all: false) }
  }
}

struct SubspaceShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show a subspace's ranks and energies, or compare it with another.",
    usage: "stemma subspace show <subspace> [--against <subspace>] [<options>]",
    discussion: """
      ENERGY is the share of the squares of the change that the basis holds; ERROR is the largest |UᵀU - I|. With \
      --against, MSO = |AᵀB|² / min(k), and CHANCE, what random subspaces of these ranks have: max(k) / d.

      Example:  stemma subspace show safety --against task
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var subspace: String

  @Option(help: ArgumentHelp("The subspace to compare it with.", valueName: "subspace"))
  var against: String?

  @Flag(help: "List every tensor.")
  var tensors = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    if let against {
      let overlap = try repository.compareSubspaces(subspace, against)
      options.show(overlap.json) { SubspaceText.text(overlap, all: tensors) }
    } else {
      let report = try repository.showSubspace(subspace)
      options.show(report.json) { SubspaceText.text(report, all: tensors) }
    }
  }
}
