import Checkpoints
import Foundation
import Glibc
import JSON
import Objects
import Tensors

extension Repository {
  /// Has a program learn a mask, and stores it with the data's digests and the program's record.
  ///
  /// The models are written to a folder in shared memory where there is room for them, else in the store's `tmp/`; with
  /// `work`, there, and kept: the same job given again finds the models and whatever the program kept in its folder.
  /// Durable when it returns; on a throw nothing in the store has changed.
  public func learnMask(
    _ learning: MaskLearning, name: String?, madeBy: String? = nil,
    progress: (@Sendable (Int, Int) -> Void)? = nil, step: (MaskLearning.Step) -> Void = { _ in }
  ) throws(RepositoryError) -> MaskReport {
    try door {
      try requireWritable()
      if let name { try Names.check(name) }
      try learning.check()
      let inputs = try LearningInputs(learning, in: self)
      let here = FileManager.default.currentDirectoryPath
      let examples = try learning.data.map { try ExampleFile($0, relativeTo: here, in: self) }
      let work = try LearningFolder(learning.work, bytes: inputs.bytes, in: self)
      let data = examples.enumerated().map { $1.placed(at: work.path("data-\($0 + 1).jsonl")) }
      defer { work.discard() }
      let job = learning.job(
        space: inputs.space.rawValue, aligned: work.path("aligned"),
        tuned: inputs.tuned.indices.map { work.path("tuned-\($0 + 1)") },
        base: inputs.base.map { _ in work.path("base") },
        data: data, out: work.path("out"))
      try work.begin(job, inputs.ids)
      for file in data { try file.place() }
      let folders = [("aligned", inputs.aligned)] + inputs.tuned.enumerated().map { ("tuned-\($0 + 1)", $1) }
      for (folder, model) in folders + (inputs.base.map { [("base", $0)] } ?? []) {
        // A folder has its name only when it is whole.
        if !exists(work.path(folder)) {
          // For the program alone; that a flagged model was written is recorded.
          let permission = Permission(allowsFlagged: true)
          _ = try export(model.hex, to: work.path(folder), permission: permission, progress: progress)
        }
      }
      let program = ChildProgram(
        command: learning.program, input: work.path("job.json"), complaints: work.path("learner.log"))
      let ending = try program.run(pool: pool) { step(try MaskLearning.Step($0)) }
      guard ending.status == 0 else {
        throw RepositoryError(
          .io, "the learner ended with status \(ending.status): \(ending.lastWords ?? "it gave no reason")",
          hint: learning.work == nil ? nil : "its messages are in \(work.path("learner.log"))")
      }
      var draft = try learntMask(learning, inputs, out: work.path("out"))
      draft.data = data.map { .init(name: $0.name, sha256: $0.digest.hex) }
      draft.parents = inputs.parents + data.compactMap { $0.parent() }
      return try maskReport(try store(draft, name: name, madeBy: madeBy ?? whoami(), progress: nil).id)
    }
  }

  /// What the program left in its folder, as a mask to be.
  private func learntMask(_ learning: MaskLearning, _ inputs: LearningInputs, out: String) throws -> MaskDraft {
    func required(_ name: String) throws -> String {
      if exists("\(out)/\(name)") { return "\(out)/\(name)" }
      throw RepositoryError(.invalidInput, "the learner ended well, but \(name) expected from it, found none")
    }
    let recordPath = try required("record.json")
    let record: JSONValue
    do {
      record = try JSONValue.parse(Array(FileManager.default.contents(atPath: recordPath) ?? Data()))
    } catch {
      throw RepositoryError(.invalidInput, "the learner's record.json: \(error)")
    }
    guard record.members != nil else {
      throw RepositoryError(.invalidInput, "the learner's record.json: an object expected, found another value")
    }
    let bits = try MaskValues(at: try required("bits.safetensors"))
    let logits = try MaskValues(at: try required("logits.safetensors"))
    for (label, values) in [("bits.safetensors", bits), ("logits.safetensors", logits)] {
      try TensorShapes(learning.aligned, inputs.tensors)
        .requireSame(as: TensorShapes(label, values.places.map { ($0.outline.name, $0.outline.shape) }))
    }
    let isThreshold = learning.rule == "threshold"
    let expected = try logits.tensors(.threshold(0))
    let above = Dictionary(expected.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let tensors = try bits.tensors(.bits).map { tensor in
      MaskDraft.Tensor(name: tensor.name, shape: tensor.shape) { elements, out, space in
        try tensor.fill(elements, out, space)
        guard isThreshold, let logits = above[tensor.name] else { return }
        let wanted = space.buffer(74, count: out.count)
        try logits.fill(elements, wanted, space)
        guard memcmp(wanted.baseAddress!, out.baseAddress!, out.count) == 0 else {
          throw RepositoryError(
            .invalidInput,
            "the learner's tensor \(tensor.name.quoted): bits of the logits above 0 expected, found others")
        }
      }
    }
    let rule =
      isThreshold
      ? MaskRule.threshold(0) : .bernoulli(seed: learning.seed, rng: record["rng"]?.text ?? "the learner's own")
    return MaskDraft(
      space: inputs.space, rule: rule, tensors: tensors,
      training: .object(
        [.init("command", .string(learning.program))] + learning.settings(space: inputs.space.rawValue)
          + [.init("record", record)]))
  }
}

/// The models that a mask is learnt from: all of one kind, with the same tensors.
private struct LearningInputs {
  let aligned: Digest
  let tuned: [Digest]
  /// Of adapters.
  let base: Digest?
  let space: Mask.Space
  /// Those that get bits.
  let tensors: [(name: String, shape: Shape)]
  let parents: [Derivation.Parent]
  let bytes: Int

  init(_ learning: MaskLearning, in repository: Repository) throws {
    let references = [learning.aligned] + learning.tuned
    let models = try references.map { try repository.resolve($0) }
    for model in models { try repository.requirePresent(model) }
    let manifests = try models.map { try repository.manifest(of: $0) }
    try manifests[0].kind.requireWeights(learning.aligned)
    for (manifest, reference) in zip(manifests, references).dropFirst() {
      try manifest.kind.require(manifests[0].kind, reference)
      try TensorShapes(learning.aligned, manifests[0]).requireSame(as: TensorShapes(reference, manifest))
    }
    aligned = models[0]
    tuned = Array(models.dropFirst())
    let isFactor = manifests[0].kind == .adapter
    space = isFactor ? .loraFactor : .weight
    tensors = manifests[0].tensors.filter(\.dtype.isMergeable).map { ($0.name, $0.shape) }
    let bases = try isFactor ? models.map { try repository.linkedBase(of: $0) } : []
    for (other, reference) in zip(bases, references) where other == nil || other != bases[0] {
      throw RepositoryError(
        .invalidInput, "\(reference): an adapter of the base of \(learning.aligned) expected, found one of another")
    }
    base = bases.first ?? nil
    parents = zip(models, references).enumerated().map { index, model in
      .init(
        role: index == 0 ? "aligned" : "tuned", model: model.0, coefficient: nil, claimed: false, reference: model.1)
    }
    let whole = try base.map { try repository.manifest(of: $0).bytes } ?? 0
    bytes = manifests.reduce(whole) { $0 + $1.bytes }
  }

  /// What the folders of a job hold.
  var ids: [String] { ([aligned] + tuned + (base.map { [$0] } ?? [])).map(\.hex) }
}

/// Where a job is done.
private struct LearningFolder {
  private let root: String
  private let isKept: Bool

  /// - Parameter bytes: of the models that are going to be there.
  init(_ work: String?, bytes: Int, in repository: Repository) throws {
    isKept = work != nil
    if let work {
      root = absolute(work)
    } else {
      // Room for the models, and for the logits of one in f32 with what an optimiser keeps of them.
      let shared = "/dev/shm"
      let isRoomy = freeBytes(at: shared).map { $0 > bytes * 2 + (256 << 20) } ?? false
      root =
        isRoomy && access(shared, W_OK) == 0
        ? "\(shared)/stemma-\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        : repository.temporaryPath("-learn")
    }
    if !isKept { Self.removeOrphans(in: "/dev/shm") }
    try FileManager.default.createDirectory(
      atPath: root, withIntermediateDirectories: true, attributes: isKept ? nil : [.posixPermissions: 0o700])
  }

  /// Removes what learning that was killed has left in shared memory.
  private static func removeOrphans(in folder: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      let parts = name.split(separator: "-")
      guard parts.count == 3, parts[0] == "stemma", let process = pid_t(parts[1]), process > 0 else { continue }
      var status = stat()
      guard lstat("\(folder)/\(name)", &status) == 0, status.st_uid == getuid(), kill(process, 0) != 0, errno == ESRCH
      else { continue }
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }

  func path(_ name: String) -> String { "\(root)/\(name)" }

  /// Writes the job; where another is there, it is a conflict.
  func begin(_ job: JSONValue, _ models: [String]) throws {
    let ticket: JSONValue = ["job": job, "models": .array(models.map(JSONValue.string))]
    let (text, marker) = (Data(ticket.canonical), path("job.id"))
    if let found = FileManager.default.contents(atPath: marker) {
      guard found == text else {
        throw RepositoryError(
          .conflict, "\(root): the folder of this job expected, found that of another",
          hint: "choose another folder for --work, or empty this one")
      }
    } else {
      guard try FileManager.default.contentsOfDirectory(atPath: root).isEmpty else {
        throw RepositoryError(.conflict, "\(root): a new or empty folder expected, found files in it")
      }
      try text.write(to: URL(fileURLWithPath: marker))
    }
    try Data(job.compact + [UInt8(ascii: "\n")]).write(to: URL(fileURLWithPath: path("job.json")))
    try FileManager.default.createDirectory(atPath: path("out"), withIntermediateDirectories: true)
  }

  func discard() {
    if !isKept { try? FileManager.default.removeItem(atPath: root) }
  }
}
