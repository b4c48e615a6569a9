import ArgumentParser
import ModelStore

struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Compare two models tensor by tensor.",
    usage: "stemma diff <a> <b> [<options>]",
    discussion: """
      Shows how many elements have other bits, how far B is from A (relative L2 |b - a| / |a|), their cosine and the \
      largest change; by layer as a map from ' ' (equal bits) to '@'. Tensors with equal digests are not read. Of two \
      merges it also shows how the recipes differ. Text lists the tensors that differ most; --tensors and --json list \
      all.

      Example:  stemma diff base math
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var a: String

  @Argument(help: "The model to compare it with.")
  var b: String

  @Flag(help: "List every tensor that differs.")
  var tensors = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("comparing")
    defer { progress.finish() }
    let report = try repository.diff(a, b, progress: progress.update)
    progress.finish()
    options.show(report.json) { text(report) }
  }

  private func text(_ report: DiffReport) -> String {
    let different = report.tensors.filter { !$0.isEqual }
    let odd = report.onlyA.count + report.onlyB.count
    let head = facts([
      ("a", "\(report.a.label)  \(report.a.id.shortID)"), ("b", "\(report.b.label)  \(report.b.id.shortID)"),
      ("tensors", "\(different.count.grouped) of \(report.tensors.count.grouped) differ"),
      ("changed", "\(share(report.changed, report.elements)) of \(report.elements.of("element"))"),
      (
        "distance",
        different.isEmpty
          ? nil
          : "relative L2 \(number(report.relativeL2)), cosine \(number(report.cosine, 6)), "
            + "max \(number(report.maximum))"
      ),
      ("other form", report.reshaped.isEmpty ? nil : report.reshaped.count.of("tensor")),
      ("only in one", odd == 0 ? nil : odd.of("tensor")),
    ])
    let parts = [
      head, recipes(report.recipes), HeatMap(report.tensors).text, list(different),
      report.reshaped.map { "\($0.name.plain): \($0.from) → \($0.to)" }.joined(separator: "\n"),
      only(in: report.a.label, report.onlyA), only(in: report.b.label, report.onlyB),
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n\n")
  }

  private func recipes(_ lines: [String]?) -> String {
    guard let lines else { return "" }
    return lines.isEmpty ? "the recipes do the same" : "the recipes differ:\n" + shorten(lines.map { "  " + $0.plain })
  }

  private func only(in label: String, _ names: [String]) -> String {
    names.isEmpty ? "" : "only in \(label.plain):\n" + shorten(names.map { "  " + $0.plain })
  }

  private func shorten(_ lines: [String]) -> String {
    let shown = tensors || lines.count <= 12 ? lines : Array(lines.prefix(10))
    let rest = lines.count - shown.count
    return (shown + (rest > 0 ? ["  … and \(rest.grouped) more; --tensors lists all"] : [])).joined(separator: "\n")
  }

  private func list(_ lines: [DiffReport.TensorLine]) -> String {
    guard !lines.isEmpty else { return "" }
    let sorted = lines.sorted { ($0.relativeL2 ?? .infinity) > ($1.relativeL2 ?? .infinity) }
    let shown = tensors || lines.count <= 12 ? sorted[...] : sorted.prefix(10)
    var table = Table(["CHANGED", "REL L2", "COSINE", "MAX", "TENSOR"], numbers: [0, 1, 2, 3])
    for line in shown {
      table.add([
        share(line.changed, line.elements), number(line.relativeL2), number(line.cosine, 6), number(line.maximum),
        line.name,
      ])
    }
    let rest = lines.count - shown.count
    return table.text + (rest > 0 ? "\n… and \(rest.grouped) more; --tensors lists all" : "")
  }

  private func share(_ part: Int, _ whole: Int) -> String {
    let percent = whole == 0 ? 0 : Double(part) / Double(whole) * 100
    if part > 0, percent < 0.01 { return "< 0.01 %" }
    // Not all is never shown as all.
    return (part < whole ? min(99.99, percent) : percent).short + " %"
  }

  private func number(_ value: Double?, _ digits: Int32 = 4) -> String {
    value.map { $0.digits(digits) } ?? "-"
  }
}
