import JSON

/// What a program is asked to learn a mask from.
public struct MaskLearning: Sendable {
  /// A model, or an adapter for a mask of factors.
  public var aligned: String
  /// What was made of it: models, or adapters.
  public var tuned: [String]
  /// Files of JSON lines, or data sets of the store by their names.
  public var data: [String]
  /// A command line; it gets the job on its standard input.
  public var program: String
  /// `dpo` or `refusal`.
  public var loss: String
  /// What `dpo` compares with: `aligned` or `half_masked`.
  public var reference: String
  /// How bits are taken from logits: `threshold` (above 0) or `bernoulli`.
  public var rule: String
  public var seed: Int
  public var device: String
  /// Hyper-parameters by name, such as `steps`; the program has its own values for those not given. A value that reads
  /// as JSON is that, any other a string.
  public var hyper: [(name: String, value: String)]
  /// A folder to work in, which is kept: the same job resumes there. Nil for a temporary one.
  public var work: String?

  public init(
    aligned: String, tuned: [String], data: [String], program: String, loss: String = "refusal",
    reference: String = "aligned", rule: String = "threshold", seed: Int = 0, device: String = "cpu",
    hyper: [(name: String, value: String)] = [], work: String? = nil
  ) {
    self.aligned = aligned
    self.tuned = tuned
    self.data = data
    self.program = program
    self.loss = loss
    self.reference = reference
    self.rule = rule
    self.seed = seed
    self.device = device
    self.hyper = hyper
    self.work = work
  }

  /// How far the program is.
  public struct Step: Sendable {
    public let step: Int
    public let steps: Int
    public let loss: Double?

    /// Reads a line of the program's output.
    init(_ line: String) throws {
      guard let value = try? JSONValue.parse(Array(line.utf8)), value.members != nil else {
        throw RepositoryError(
          .invalidInput, "the learner: a JSON object a line expected on its standard output, found \(line.quoted)",
          hint: "let it say all else on its standard error")
      }
      step = value["step"]?.int ?? 0
      steps = value["steps"]?.int ?? 0
      loss = value["loss"]?.double
    }
  }

  private var hyperJSON: JSONValue {
    .object(hyper.map { .init($0, (try? JSONValue.parse(Array($1.utf8))) ?? .string($1)) })
  }

  /// What is asked for, without where it lies.
  func settings(space: String) -> [JSONValue.Member] {
    [
      .init("space", .string(space)), .init("loss", .string(loss)), .init("reference", .string(reference)),
      .init("rule", .string(rule)), .init("seed", .integer(seed)), .init("device", .string(device)),
      .init("hyper", hyperJSON),
    ]
  }

  /// The job as the program reads it.
  ///
  /// - Parameter base: the base of the adapters; nil for models.
  func job(
    space: String, aligned: String, tuned: [String], base: String?, data: [ExampleFile], out: String
  ) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("version", 1), .init("aligned", .string(aligned)), .init("tuned", .array(tuned.map(JSONValue.string))),
      .init("data", .array(data.map(\.json))),
    ]
    if let base { members.append(.init("base", .string(base))) }
    return .object(members + settings(space: space) + [.init("out", .string(out))])
  }

  /// Throws `invalidInput` for settings that the protocol does not have.
  func check() throws {
    for (key, value, allowed) in [
      ("loss", loss, ["dpo", "refusal"]), ("reference", reference, ["aligned", "half_masked"]),
      ("rule", rule, ["threshold", "bernoulli"]),
    ] where !allowed.contains(value) {
      throw RepositoryError(
        .invalidInput, "\(key): \(allowed.joined(separator: " or ")) expected, found \(value.quoted)")
    }
    if let name = hyper.map(\.name).first(where: { name in hyper.count { $0.name == name } > 1 || name.isEmpty }) {
      throw RepositoryError(.invalidInput, "hyper-parameter \(name.quoted): one value expected, found more")
    }
    if tuned.isEmpty { throw RepositoryError(.invalidInput, "at least one tuned model expected, found none") }
    if data.isEmpty { throw RepositoryError(.invalidInput, "at least one file of data expected, found none") }
  }
}
