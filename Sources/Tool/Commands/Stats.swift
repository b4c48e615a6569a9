import ArgumentParser
import JSON
import ModelStore

struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Show how many bytes the store takes, and saves.",
    usage: "stemma stats [<options>]",
    discussion: """
      Compares the store with plain folders of the same models. --bytes adds what codecs and what kinds of tensors the \
      bytes are in, which takes a small read for each stored tensor; --repack what 'stemma repack' would save, which \
      samples all of them.

      Example:  stemma stats --bytes
      """)

  @Flag(help: "Also show the bytes by codec and by kind of tensor.")
  var bytes = false

  @Flag(help: "Also say, from samples, what a repack would save.")
  var repack = false

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("sampling")
    defer { progress.finish() }
    let report = try repository.stats(bytes: bytes, repack: repack, progress: progress.update)
    progress.finish()
    options.show(report.json) { Self.text(report) }
  }

  private static func text(_ report: StatsReport) -> String {
    let total = report.packBytes + report.documentBytes + report.databaseBytes
    var parts = [
      facts([
        ("models", "\(report.models.grouped) (\(report.virtualModels.grouped) virtual), \(report.names.of("name"))"),
        ("objects", "\(report.objects.grouped) (\(report.deltaObjects.grouped) as deltas)"),
        ("as folders", report.modelBytes.asSize),
        ("distinct", report.objectBytes.asSize),
        ("packs", report.packBytes.asSize + unused(report.garbageBytes)),
        ("documents", report.documentBytes.asSize),
        ("database", report.databaseBytes.asSize),
        ("total", total.asSize + (share(total, of: report.modelBytes).map { " (\($0) of the folders)" } ?? "")),
      ])
    ]
    if let bytes = report.bytes {
      parts.append(
        table("codec", "blocks", bytes.codecs.map { ($0.name, $0.blocks, $0.rawBytes, $0.codedBytes) }))
      let kinds = bytes.kinds.filter { $0.objects > 0 }
      parts.append(
        table("kind", "objects", kinds.map { ($0.name, $0.objects, $0.rawBytes, $0.packedBytes) }))
    }
    if let repack = report.repack { parts.append("a repack " + Repack.text(repack)) }
    return parts.joined(separator: "\n\n")
  }

  private static func unused(_ bytes: Int) -> String {
    bytes > 0 ? ", \(bytes.asSize) of it unused: comes back with stemma gc" : ""
  }

  private static func share(_ part: Int, of whole: Int) -> String? {
    whole > 0 ? "\((Double(part) / Double(whole) * 100).short) %" : nil
  }

  /// Rows of a name, a count, and bytes raw and stored.
  private static func table(_ head: String, _ counted: String, _ rows: [(String, Int, Int, Int)]) -> String {
    var table = Table([head, counted, "raw", "stored", "share"], numbers: [1, 2, 3, 4])
    for (name, count, raw, stored) in rows {
      table.add([name, count.grouped, raw.asSize, stored.asSize, share(stored, of: raw) ?? "–"])
    }
    return table.text
  }
}
