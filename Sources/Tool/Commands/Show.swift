import ArgumentParser
import JSON
import ModelStore

struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show one model: its files, tensors and parents.",
    usage: "stemma show <model> [<options>]",
    discussion: """
      Text shows the first tensors only; --tensors shows all of them, and --json always does.

      The SHA-256 of a safetensors file is on record where the file was imported. Of a merge it is '-', null with \
      --json, until --sha256 computes it.

      Example:  stemma show math --tensors
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Flag(help: "List every tensor.")
  var tensors = false

  @Flag(help: "Compute the SHA-256 of files that is not on record.")
  var sha256 = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("computing")
    defer { progress.finish() }
    let details = try repository.show(model, withDigests: sha256, progress: progress.update)
    progress.finish()
    options.show(details.json) { text(details) }
  }

  private func text(_ details: ModelDetails) -> String {
    let summary = details.summary
    var lines: [(String, String?)] = [
      ("id", summary.id),
      ("weights", details.weightsID),
      ("names", summary.names.isEmpty ? "-" : summary.names.joined(separator: ", ")),
      ("state", summary.state),
      ("made", Self.made(details)),
      ("from", details.parents.isEmpty ? nil : details.parents.map(\.line).joined(separator: ", ")),
      ("size", "\(summary.bytes.asSize) in \(details.files.count.of("file")), \(summary.tensors.of("tensor"))"),
      ("packed", details.packedBytes.asSize),
    ]
    for flag in summary.flags { lines.append(("flagged", flag.line)) }
    for flag in summary.cleared { lines.append(("cleared", flag.line)) }
    let head = facts(lines)
    return [head, files(details), list(details.tensors)].filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private static func made(_ details: ModelDetails) -> String? {
    guard let kind = details.summary.kind else { return nil }
    let time = details.summary.madeAt.map { " " + $0.asTime }
    return kind + (details.method.map { " (\($0))" } ?? "") + (time ?? "") + (details.madeBy.map { " by \($0)" } ?? "")
  }

  private func files(_ details: ModelDetails) -> String {
    var table = Table(["FILE", "SIZE", "TENSORS", "SHA-256"], numbers: [1, 2])
    for file in details.files {
      let tensors = file.tensors > 0 ? file.tensors.grouped : ""
      table.add([file.path, file.bytes.asSize, tensors, file.sha256?.shortID ?? "-"])
    }
    return table.text
  }

  private func list(_ lines: [ModelDetails.TensorLine]) -> String {
    guard !lines.isEmpty else { return "" }
    let shown = tensors || lines.count <= 12 ? lines[...] : lines.prefix(10)
    var table = Table(["SHA-256", "DTYPE", "SHAPE", "TENSOR"])
    for line in shown {
      let shape = "[" + line.shape.map(String.init).joined(separator: ", ") + "]"
      table.add([line.sha256.shortID, line.dtype, shape, line.name])
    }
    let rest = lines.count - shown.count
    return table.text + (rest > 0 ? "\n… and \(rest.grouped) more; --tensors lists all" : "")
  }
}
