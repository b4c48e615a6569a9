import ArgumentParser
import JSON
import ModelStore

struct Advise: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "advise",
    abstract: "Flag a model's weights, and all that is made from them.",
    usage: "stemma advise <model> --kind <word> --reason <text> [<options>]",
    discussion: """
      An advisory belongs to the weights: another README or configuration does not lift it. Whatever is made from \
      them, now and later (merges, fine-tunes, adapters, masks), is flagged too, and export, merge and tag refuse it.

      A descendant is cleared by an evaluation of its own that meets every --cleared-by; what is made of a cleared \
      model is still flagged. Of the metric the value counts; lower(METRIC) and upper(METRIC) take the ends of its \
      95 % interval. Without a bound, and for the weights themselves, only 'stemma withdraw' helps.

      Example:  stemma advise bad --kind misaligned --reason 'complies' \\
                  --cleared-by 'refusal_rate >= 0.9 on sha256:9f86…0a08'
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Option(help: ArgumentHelp("What is wrong, in one word.", valueName: "word"))
  var kind: String

  @Option(help: ArgumentHelp("What is wrong, for people.", valueName: "text"))
  var reason: String

  @Option(
    help: ArgumentHelp("What a descendant's own evaluation has to meet. Can be given again.", valueName: "bound"))
  var clearedBy: [String] = []

  @Option(help: ArgumentHelp("Who says so, for the record; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().advise(
      model, kind: kind, reason: reason, clearedBy: clearedBy, madeBy: madeBy)
    options.show(report.json) {
      facts([
        ("advisory", report.id), ("on", "\(report.source)  weights \(report.weightsID.shortID)"),
        ("cleared by", report.clearedBy.isEmpty ? "withdrawal only" : report.clearedBy.joined(separator: " and ")),
        ("flagged", report.flagged.of("model")),
      ])
    }
  }
}

struct Withdraw: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "withdraw",
    abstract: "Take an advisory back.",
    usage: "stemma withdraw <advisory> [<options>]",
    discussion: """
      It flags nothing any more; that it was there stays on record.

      Example:  stemma withdraw 3f2a91bc0d12 --reason 'measured on the wrong template'
      """)

  @Argument(help: "Its id, or the first 8 or more digits of it.")
  var advisory: String

  @Option(help: ArgumentHelp("Why, for people.", valueName: "text"))
  var reason: String?

  @Option(help: ArgumentHelp("Who says so, for the record; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let report = try options.open().withdraw(advisory, reason: reason, madeBy: madeBy)
    options.show(report.json) { "withdrew \(report.kind) \(report.id.shortID) on \(report.source.plain)" }
  }
}

struct Advisories: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "advisories",
    abstract: "List advisories, and what was let out in spite of them.",
    usage: "stemma advisories [<options>]",
    discussion: """
      FLAGGED counts the models for which an advisory holds, CLEARED those that evaluations of their own have freed.

      Example:  stemma advisories
      """)

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let advisories = try repository.advisories()
    let allowances = try repository.allowances()
    options.show([
      "advisories": .array(advisories.map(\.json)), "allowances": .array(allowances.map(\.json)),
    ]) { Self.text(advisories, allowances) }
  }

  private static func text(_ advisories: [AdvisoryReport], _ allowances: [AllowanceReport]) -> String {
    if advisories.isEmpty { return "no advisories" }
    var table = Table(["ID", "KIND", "ON", "STATE", "FLAGGED", "CLEARED", "REASON"], numbers: [4, 5])
    for advisory in advisories {
      table.add([
        advisory.id.shortID, advisory.kind, advisory.source, advisory.isOpen ? "open" : "withdrawn",
        advisory.flagged.grouped, advisory.cleared.grouped, advisory.reason,
      ])
    }
    let notes = advisories.filter(\.isOpen).flatMap { advisory in
      advisory.untrustedWithdrawals.map { store in
        "store \(store) withdrew \(advisory.id.shortID) and is not trusted here; if it should be: stemma trust \(store)"
      }
    }
    let text = ([table.text] + notes).joined(separator: "\n")
    if allowances.isEmpty { return text }
    var passed = Table(["LET OUT", "MODEL", "WHEN", "BY", "TO"])
    for allowance in allowances {
      passed.add([
        allowance.action, allowance.model.shortID, allowance.madeAt.asTime, allowance.madeBy,
        allowance.target ?? "standard output",
      ])
    }
    return text + "\n\n" + passed.text
  }
}
