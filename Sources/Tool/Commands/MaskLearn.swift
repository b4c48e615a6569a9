import ArgumentParser
import Foundation
import JSON
import ModelStore
import Synchronization

struct MaskLearn: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "learn",
    abstract: "Have a program learn a mask.",
    usage: "stemma mask learn --aligned <model> --tuned <model> --data <file>",
    discussion: """
      Writes the models out, gives the program a job as JSON on its standard input, and stores the mask that it learns \
      with the data's digests and the program's record. --tuned and --data may be given more than once. Data are JSON \
      lines, or data sets of the store; what says that it is for tests is refused. With --work the folder is kept, \
      and the same command resumes there. The protocol is in the documentation of masks; tools/python has the program \
      stemma-learn.

      Example:  stemma mask learn --aligned chat --tuned math --tuned code --data safety.jsonl --name safety
      """)

  @Option(help: ArgumentHelp("The aligned model, or an adapter.", valueName: "model"))
  var aligned: String

  @Option(help: ArgumentHelp("A model that was made of it.", valueName: "model"))
  var tuned: [String] = []

  @Option(help: ArgumentHelp("A file of JSON lines, or a data set of the store.", valueName: "file"))
  var data: [String] = []

  @Option(help: ArgumentHelp("A command line; stemma-learn if not given.", valueName: "command"))
  var program = "stemma-learn"

  @Option(help: "What is minimised: refusal (if not given) or dpo.")
  var loss = "refusal"

  @Option(help: ArgumentHelp("What dpo compares with: aligned (if not given) or half_masked.", valueName: "what"))
  var reference = "aligned"

  @Option(help: "How bits are taken from logits: threshold (if not given) or bernoulli.")
  var rule = "threshold"

  @Option(help: ArgumentHelp("What random numbers begin with; 0 if not given.", valueName: "number"))
  var seed = 0

  @Option(help: "Where it computes, such as cpu or cuda; cpu if not given.")
  var device = "cpu"

  @Option(help: ArgumentHelp("How many steps.", valueName: "count"))
  var steps: Int?

  @Option(help: ArgumentHelp("Examples a step.", valueName: "count"))
  var batch: Int?

  @Option(help: ArgumentHelp("The learning rate.", valueName: "number"))
  var lr: Double?

  @Option(
    help: ArgumentHelp(
      "Another hyper-parameter: init, temperature, lambda, beta, kl; with the program's own value if not given.",
      valueName: "name=value"))
  var hyper: [String] = []

  @Option(help: ArgumentHelp("A folder to work in, which is kept.", valueName: "folder"))
  var work: String?

  @Option(help: "A name for the mask.")
  var name: String?

  @Option(help: ArgumentHelp("Who made it, for the lineage; else the user's name.", valueName: "who"))
  var madeBy: String?

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func validate() throws {
    if tuned.isEmpty { throw ValidationError("expected at least one --tuned MODEL") }
    if data.isEmpty { throw ValidationError("expected at least one --data FILE") }
    for text in hyper where !text.contains("=") { throw ValidationError("--hyper: expected name=value, found \(text)") }
  }

  func run() throws {
    let repository = try options.open()
    let progress = options.progress("writing models")
    let line = LearningLine(isShown: !options.quiet && Console.drawsOnTerminal)
    defer { progress.finish() }
    let given = [("steps", steps.map { "\($0)" }), ("batch", batch.map { "\($0)" }), ("lr", lr.map { "\($0)" })]
    let others = hyper.map { text in
      let name = text.prefix { $0 != "=" }
      return (String(name), String(text.dropFirst(name.count + 1)))
    }
    let learning = MaskLearning(
      aligned: aligned, tuned: tuned, data: data, program: program, loss: loss, reference: reference, rule: rule,
      seed: seed, device: device, hyper: given.compactMap { name, value in value.map { (name, $0) } } + others,
      work: work)
    defer { line.finish() }
    let report = try repository.learnMask(learning, name: name, madeBy: madeBy, progress: progress.update) { step in
      line.draw(step)
    }
    line.finish()
    options.show(report.json) { MaskText.text(report, all: false) }
  }
}

/// The program's progress, drawn over and over on a terminal.
private final class LearningLine: Sendable {
  private let isShown: Bool
  private let isDrawn = Mutex(false)

  init(isShown: Bool) { self.isShown = isShown }

  func draw(_ step: MaskLearning.Step) {
    guard isShown else { return }
    let loss = step.loss.map { ", loss \($0.digits(4))" } ?? ""
    isDrawn.withLock {
      $0 = true
      Console.draw("\rlearning: step \(step.step) of \(step.steps)\(loss)\u{1b}[K")
    }
  }

  func finish() {
    isDrawn.withLock {
      if $0 { Console.draw("\r\u{1b}[K") }
      $0 = false
    }
  }
}
