import ArgumentParser
import JSON
import ModelStore

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Store a checkpoint, losslessly.",
    usage: "stemma import <folder> [<options>]",
    discussion: """
      FOLDER holds safetensors files, a config and whatever else belongs to the model; every file is kept byte for \
      byte. --base says which model it was made from; without it the nearest one is looked for by comparing weights. \
      Tensors are stored as differences to that model, or to another stored one where this is smaller.

      A folder with adapter_config.json and adapter_model.safetensors is an adapter of PEFT (LoRA, rsLoRA, DoRA). It \
      is checked against its base, which has to be in the store: that of --base, else the one that its configuration \
      names. Recipes use it as 'base+adapter', or by its own name. Folders of masks and subspaces are stored as such.

      The model is the tensors of the shards that model.safetensors.index.json lists, or of model.safetensors; other \
      safetensors files, as in folders inside, are kept beside it. --weights says which file or index it is.

      Examples:  stemma import ./math-tune --name math --base base
                 stemma import ./math-lora --name math-lora --base base
      """)

  @Argument(help: "The checkpoint's folder.")
  var folder: String

  @Option(help: "A name for the model; it can be given later with 'stemma tag'.")
  var name: String?

  @Option(help: ArgumentHelp("The stored model that this one was made from.", valueName: "model"))
  var base: String?

  @Option(help: ArgumentHelp("The safetensors file or index in the folder that is the model.", valueName: "file"))
  var weights: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @Flag(help: "Do not check bytes that are stored already; else damaged ones are stored anew.")
  var trustStore = false

  @OptionGroup(title: "Advisories and policies") var gate: GateOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("importing")
    defer { progress.finish() }
    let report = try repository.importCheckpoint(
      at: folder, name: name, base: base, weights: weights, madeBy: madeBy, trustsStore: trustStore,
      permission: gate.permission,
      progress: progress.update)
    progress.finish()
    options.show(report.json) { Self.text(report) }
    if report.name == nil, report.names.isEmpty {
      options.remark(
        "it has no name: 'stemma gc' takes it after 14 days; name it with: stemma tag \(report.id.shortID) NAME")
    }
    for remark in report.remarks { options.remark(remark.plain) }
    if !report.leftOut.isEmpty { options.remark("left out: " + report.leftOut.joined(separator: ", ").plain) }
  }

  private static func text(_ report: ImportReport) -> String {
    let tensors = report.tensors.of("tensor")
    let kinds =
      (report.tensorsKnown > 0 ? ["\(report.tensorsKnown.grouped) known"] : [])
      + (report.tensorsDelta > 0 ? ["\(report.tensorsDelta.grouped) as deltas"] : [])
    let base: String =
      switch report.baseChoice {
      case "declared": "\(report.base ?? "?") (as declared)"
      case "named": "\(report.base ?? "?") (as its configuration says)"
      case "found": "\(report.base ?? "?") (found by comparing weights)"
      default: "none"
      }
    return facts([
      ("model", [report.name, report.id.shortID].compactMap(\.self).joined(separator: "  ")),
      ("base", base),
      ("", report.baseNote),
      ("tensors", kinds.isEmpty ? tensors : "\(report.tensors.grouped): " + kinds.joined(separator: ", ")),
      ("read", report.bytesRead.asSize),
      ("stored", report.alreadyStored ? "nothing new: the store had it already" : stored(report)),
    ])
  }

  private static func stored(_ report: ImportReport) -> String {
    let share = report.bytesRead > 0 ? 100 * Double(report.bytesAdded) / Double(report.bytesRead) : 100
    return "\(report.bytesAdded.asSize) (\(share.short) %)"
  }
}
