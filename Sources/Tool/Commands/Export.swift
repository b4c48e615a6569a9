import ArgumentParser
import ModelStore

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a model's files to a folder, or a part of it to a file.",
    usage: "stemma export <model> <out> [<options>]",
    discussion: """
      Every file is the one that was imported, byte for byte; merges are rebuilt. All of it is checked by digest \
      before OUT appears. OUT must be a new or empty folder; with --tensor or --range, a new file.

      Only what is asked for is read or computed. --range takes bytes FROM:TO of one --tensor or one --file, counted \
      from 0, TO not included; either may be left out. A range is made from checked blocks, and '-' as OUT writes it \
      to standard output.

      A model with an open advisory, its own or one that it inherits, is refused with status 4; --allow-flagged \
      writes it all the same and records that.

      Examples:  stemma export fused ./out
                 stemma export fused ./out --files 'model-00002*'
                 stemma export fused norm.safetensors --tensor model.norm.weight
                 stemma export fused - --file model.safetensors --range 0:1000000
      """)

  @Argument(help: "A name, an id, or the first 8 or more digits of an id.")
  var model: String

  @Argument(help: "The folder to make; with --tensor or --range, the file.")
  var out: String

  @Option(
    help: ArgumentHelp("Only files whose path matches. Can be given again.", valueName: "glob"))
  var files: [String] = []

  @Option(
    help: ArgumentHelp("Only this tensor, as a safetensors file. Can be given again.", valueName: "name"))
  var tensor: [String] = []

  @Option(help: ArgumentHelp("The file that --range is of.", valueName: "path"))
  var file: String?

  @Option(help: ArgumentHelp("Only these bytes of the tensor or file.", valueName: "from:to"))
  var range: ByteRange?

  @OptionGroup var flags: FlagOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if !files.isEmpty, !tensor.isEmpty || file != nil || range != nil {
      throw ValidationError("--files goes without --tensor, --file and --range")
    }
    if (range != nil) != (file != nil), tensor.isEmpty {
      throw ValidationError("--range goes with --tensor or --file, and --file with --range")
    }
    if file != nil, !tensor.isEmpty { throw ValidationError("--file goes without --tensor") }
    if range != nil, tensor.count > 1 { throw ValidationError("--range is of one --tensor, found \(tensor.count)") }
    if out == "-", range == nil || options.json {
      throw ValidationError("'-' takes a --range, and no --json")
    }
  }

  func run() throws {
    let repository = try options.open()
    if let range, out == "-" {
      return try repository.readRange(model, of: part, from: range.start, to: range.end, permission: permission) {
        Console.write($0)
      }
    }
    let progress = options.progress("exporting")
    defer { progress.finish() }
    let report = try export(repository, progress)
    progress.finish()
    options.show(report.json) {
      let proof = range == nil ? "digests agree" : "its blocks are checked"
      return "wrote \(report.files.of("file")), \(report.bytes.asSize), to \(report.path.plain); \(proof)"
    }
  }

  private var permission: Permission { Permission(allowsFlagged: flags.allowFlagged) }

  private var part: ModelPart { file.map { .file($0) } ?? .tensor(tensor.first ?? "") }

  private func export(_ repository: Repository, _ progress: Progress) throws(RepositoryError) -> ExportReport {
    if let range {
      return try repository.exportRange(
        model, of: part, from: range.start, to: range.end, at: out, permission: permission,
        progress: progress.update)
    }
    if !tensor.isEmpty {
      return try repository.exportTensors(
        model, tensors: tensor, to: out, permission: permission, progress: progress.update)
    }
    return try repository.export(model, to: out, files: files, permission: permission, progress: progress.update)
  }
}

/// Bytes `FROM:TO`, the last one not included.
struct ByteRange: ExpressibleByArgument {
  let start: Int
  /// Nil for all that follow.
  let end: Int?

  init?(argument: String) {
    let ends = argument.split(separator: ":", omittingEmptySubsequences: false)
    let numbers = ends.map { $0.isEmpty ? nil : Int($0) }
    guard ends.count == 2, zip(ends, numbers).allSatisfy({ $0.isEmpty || ($1 ?? -1) >= 0 }) else { return nil }
    start = numbers[0] ?? 0
    end = numbers[1]
  }
}
