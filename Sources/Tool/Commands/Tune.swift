import ArgumentParser
import Glibc
import JSON
import ModelStore

struct Tune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Find the numbers of a recipe by what data say of its models.",
    usage: "stemma tune <recipe> --data <file> --evaluator <command> [<options>]",
    discussion: """
      A number of the recipe is marked by what stands in its place: 'weight: {search: [0, 1.5]}'; with 'start: 0.5' \
      where to begin (else in the middle), and with 'blocks: 4' a number for each fourth of the layers. CMA-ES looks \
      for the least cost, the sum of weight times loss over the data. --method cocktail needs no marks: it mixes the \
      recipe's models linearly, by softmax(-loss / temperature) of each one's own loss.

      The evaluator is a shell command, started once. It reads and writes JSON lines: {"model": folder} is answered by \
      {"losses": {name: number, …}}, where the names are those of the data files without their endings. The protocol \
      is described in Sources/ModelStore/ModelStore.docc/Tuning.md.

      Every candidate is kept in the work folder. A search that was ended in any way goes on there when it is run \
      again, and comes to the same winner; with a larger --budget it goes on further. Data marked 'test' is refused.

      Examples:  stemma tune recipe.yml --data safety.jsonl \\
                     --data domain.jsonl@0.3 \\
                     --evaluator 'python3 score.py' --name tuned
                 stemma tune recipe.yml --data safety.jsonl \\
                     --evaluator ./score --method cocktail \\
                     --out mixed.yml
      """)

  @Argument(help: "The recipe's file; '-' reads standard input.")
  var recipe: String

  @Option(
    help: ArgumentHelp(
      "JSON lines or a data set to tune on, and what its loss counts for (1 if not given). Can be given again.",
      valueName: "file[@weight]"))
  var data: [DataOption]

  @Option(help: ArgumentHelp("What scores a model: a shell command.", valueName: "command"))
  var evaluator: String

  @Option(help: ArgumentHelp("cmaes or cocktail.", valueName: "method"))
  var method = MethodOption.cmaes

  @Option(help: ArgumentHelp("How many candidates to score, the start included.", valueName: "count"))
  var budget = 100

  @Option(help: ArgumentHelp("What the search's random numbers start from.", valueName: "number"))
  var seed: UInt32 = 0

  @Option(help: ArgumentHelp("Of the cocktail: higher is closer to equal weights.", valueName: "number"))
  var temperature: Double?

  @Option(help: "Merge by the recipe that was found, and call the model so.")
  var name: String?

  @Option(help: ArgumentHelp("Write the recipe that was found to this new file.", valueName: "file"))
  var out: String?

  @Option(
    help: ArgumentHelp("The work folder; beside the recipe, as RECIPE.tune, if not given.", valueName: "folder"))
  var work: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @Option(
    help: ArgumentHelp(
      "exact-1, or mergekit-0.1.5 to get the bytes that mergekit writes on a CPU.", valueName: "arithmetic"))
  var arithmetic: String?

  @OptionGroup(title: "Gates") var gate: GateOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if temperature != nil, method != .cocktail { throw ValidationError("--temperature goes with --method cocktail") }
    if recipe == "-", work == nil { throw ValidationError("a recipe from standard input needs --work") }
  }

  func run() throws {
    let text = try Recipe(at: recipe)
    var request = TuneRequest(
      recipe: text.text, directory: text.directory, data: data.map(\.data), evaluator: evaluator,
      work: work ?? recipe + ".tune")
    (request.method, request.budget, request.seed) = (method == .cmaes ? .cmaes : .cocktail, budget, seed)
    if let temperature { request.temperature = temperature }
    (request.name, request.out, request.madeBy) = (name, out, madeBy)
    request.permission = gate.permission
    request.options = MergeOptions(arithmetic: arithmetic)
    let progress = options.progress("scoring")
    defer { progress.finish() }
    let report = try tune(request, progress)
    progress.finish()
    options.show(report.json) { self.text(report) }
  }

  private func tune(_ request: TuneRequest, _ progress: Progress) throws(RepositoryError) -> TuneReport {
    try Repository.tune(
      request, in: store(), threads: options.threads, interruption: { Interruption.stops($0) },
      progress: progress.line { done, budget, best in "candidate \(done) of \(budget), least cost \(best)" })
  }

  /// Nil where there is none and none is asked for.
  private func store() throws(RepositoryError) -> Repository? {
    do {
      return try options.open()
    } catch
      where error.kind == .notFound && name == nil && options.store == nil
      && Console.variable("STEMMA_STORE").isEmpty
    {
      return nil
    }
  }

  private func text(_ report: TuneReport) -> String {
    var lines: [(String, String?)] = []
    for parameter in report.parameters {
      lines.append((lines.isEmpty ? "found" : "", "\(parameter.label)  \(parameter.value)"))
    }
    if let cost = report.cost {
      let start = report.startCost.map { ", at the start \($0)" } ?? ""
      lines.append(("cost", "\(cost)\(start)"))
      lines.append(("losses", report.losses.map { "\($0.data) \($0.loss)" }.joined(separator: ", ")))
      lines.append(("candidates", "\(report.candidates.grouped), the best is number \(report.winner)"))
    } else {
      lines.append(("models", "\(report.candidates.grouped), the best is number \(report.winner)"))
    }
    lines.append(("recipe", report.out ?? "\(report.work)/winner.yml"))
    if let model = report.model { lines.append(("model", "\(model.name ?? "")  \(model.id.shortID)")) }
    return facts(lines)
  }
}

enum MethodOption: String, ExpressibleByArgument {
  case cmaes
  case cocktail
}

/// `FILE` or `FILE@WEIGHT`.
struct DataOption: ExpressibleByArgument {
  let data: TuneRequest.Data

  init?(argument: String) {
    guard let at = argument.lastIndex(of: "@"), let weight = Double(argument[argument.index(after: at)...]) else {
      data = .init(path: argument)
      return
    }
    data = .init(path: String(argument[..<at]), weight: weight)
  }
}
