import ArgumentParser
import JSON
import ModelStore

struct Evaluation: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluation",
    abstract: "Record and show what was measured of a model.",
    usage: "stemma evaluation add | list | show",
    discussion: """
      An evaluation belongs to a model's weights. A merge is judged by evaluations of its own only: what its inputs \
      were found to be says nothing about it.

      Example:  stemma evaluation add fused results.json
      """,
    subcommands: [EvaluationAdd.self, EvaluationList.self, EvaluationShow.self])
}

struct EvaluationAdd: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Record the results of an evaluator.",
    usage: "stemma evaluation add <model> <results> [<options>]",
    discussion: """
      RESULTS is JSON: 'evaluator' (program, version, sha256), 'data' (a list of name and sha256), 'metrics' (by name: \
      value, or n and hits; and 'data', the name of its data set, where there are several), 'losses' (by data set), \
      and 'record' for anything else. Of rates the Wilson 95 % interval is computed; the digests of tokenizer and chat \
      template are those of the model's files.

      Example:  stemma evaluation add fused results.json --evaluator ./evaluate.py
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Argument(help: "The results' file; '-' reads standard input.")
  var results: String

  @Option(
    help: ArgumentHelp("The evaluator's program, where the results do not have its digest.", valueName: "file"))
  var evaluator: String?

  @Option(help: ArgumentHelp("Who made it, for the record; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let text = try InputFile(at: results, called: "results", bytesMax: 16 << 20)
    let program = try evaluator.map { try InputFile(at: $0, called: "evaluator", bytesMax: 64 << 20).bytes }
    let report = try options.open().addEvaluation(
      of: model, results: text.bytes, label: "results '\(results.plain)'", evaluator: program, madeBy: madeBy)
    options.show(report.json) { report.text }
  }
}

struct EvaluationList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List evaluations, newest first.",
    usage: "stemma evaluation list [<model>] [<options>]",
    discussion: """
      With MODEL those of its weights only. INTERVAL is Wilson's at 95 %, of rates.

      Example:  stemma evaluation list fused
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let evaluations = try options.open().evaluations(of: model)
    options.show(["evaluations": .array(evaluations.map(\.json))]) {
      evaluations.isEmpty ? "no evaluations; add one with: stemma evaluation add MODEL RESULTS" : Self.text(evaluations)
    }
  }

  private static func text(_ evaluations: [EvaluationReport]) -> String {
    var table = Table(["ID", "MODEL", "METRIC", "DATA", "VALUE", "INTERVAL", "N"], numbers: [4, 6])
    for evaluation in evaluations {
      for (index, metric) in evaluation.metrics.enumerated() {
        table.add(
          (index == 0 ? [evaluation.id.shortID, evaluation.name ?? evaluation.model.shortID] : ["", ""])
            + [metric.name, metric.data, metric.value.digits(4), metric.interval, metric.n?.grouped ?? ""])
      }
    }
    return table.text
  }
}

struct EvaluationShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show one evaluation.",
    usage: "stemma evaluation show <id> [<options>]",
    discussion: """
      Example:  stemma evaluation show 3f2a91bc0d12
      """)

  @Argument(help: "Its id, or the first 8 or more digits of it.")
  var id: String

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().evaluation(id)
    options.show(report.json) { report.text }
  }
}

extension EvaluationReport {
  /// All of it, for people.
  fileprivate var text: String {
    let head = facts([
      ("evaluation", id),
      ("model", [name, model.shortID].compactMap(\.self).joined(separator: "  ")),
      ("weights", weightsID),
      ("evaluator", "\(program)\(programVersion.map { " " + $0 } ?? "")  sha256:\(programSHA256.shortID)"),
      ("tokenizer", tokenizer.map { "sha256:" + $0.shortID } ?? "none"),
      ("template", chatTemplate.map { "sha256:" + $0.shortID } ?? "none"),
      ("made", "\(madeAt.asTime) by \(madeBy)"),
    ])
    var table = Table(["METRIC", "DATA", "SHA-256", "VALUE", "INTERVAL", "HITS", "N"], numbers: [3, 5, 6])
    for metric in metrics {
      table.add([
        metric.name, metric.data, metric.dataSHA256.shortID, metric.value.digits(4), metric.interval,
        metric.hits?.grouped ?? "", metric.n?.grouped ?? "",
      ])
    }
    return head + "\n\n" + table.text
  }
}

extension MetricLine {
  /// `0.8256 to 0.9448`; empty where it is no rate.
  fileprivate var interval: String {
    guard let low, let high else { return "" }
    return "\(low.digits(4)) to \(high.digits(4))"
  }
}
