import ArgumentParser
import Foundation
import Glibc
import JSON
import ModelStore

struct Purge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "purge",
    abstract: "Delete the bytes of a model now, for good.",
    usage: "stemma purge <model> --reason <text> [<options>]",
    discussion: """
      For what must not be kept, such as a model whose licence was revoked. Its names go, its lineage stays, and the \
      history says who purged it and why. What other models have too stays; what was stored as differences to it is \
      stored anew first. Models that are computed from it have to be materialised or removed before. Backups that were \
      made before still have its bytes.

      Example:  stemma purge math --reason "licence revoked"
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Option(help: ArgumentHelp("Why, for the history.", valueName: "text"))
  var reason: String

  @Flag(name: [.short, .long], help: "Do not ask.")
  var yes = false

  @Flag(help: "Wait for other processes as long as it takes; else ten seconds.")
  var wait = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let details = try repository.show(model)
    if !yes {
      guard isatty(STDIN_FILENO) == 1 else {
        throw RepositoryError(
          .conflict, "purge: a yes expected, and there is nobody to ask", hint: "say it with --yes")
      }
      let label = details.summary.names.first ?? details.summary.shortID
      FileHandle.standardError.write(
        Data("Delete the bytes of \(label), \(details.summary.bytes.asSize), for good? [y/N] ".plain.utf8))
      guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
        throw RepositoryError(.conflict, "purge: not done")
      }
    }
    let report = try repository.purge(details.summary.id, reason: reason, waiting: wait)
    options.show(report.json) { Self.text(report) }
  }

  private static func text(_ report: PurgeReport) -> String {
    var lines = ["purged \(report.id.shortID): deleted \(report.objects.of("object")), \(report.bytes.asSize)"]
    if !report.names.isEmpty {
      lines.append(
        "took away the \(report.names.count == 1 ? "name" : "names") " + report.names.joined(separator: ", "))
    }
    if report.objectsRebased > 0 {
      lines.append("stored \(report.objectsRebased.of("object")) anew that rested on it")
    }
    if report.objectsShared > 0 {
      lines.append(
        "\(report.objectsShared.of("object")) stay, as others have them too: "
          + report.sharedWith.joined(separator: ", "))
    }
    return lines.map(\.plain).joined(separator: "\n")
  }
}
