import Foundation
import Glibc
import JSON
import Merging
import Objects
import Tensors

/// Scores candidates one after the other: writes each to a folder, asks the evaluator, and keeps the answer on record.
final class Search {
  /// Told how many candidates are scored, of how many, and the least cost so far.
  typealias Progress = @Sendable (_ done: Int, _ budget: Int, _ best: Double) -> Void

  let log: SearchLog
  let inputs: SearchInputs
  let data: [DataFile]
  private let evaluator: Evaluator
  private let pool: WorkerPool
  /// Where a folder may lie if shared memory has no room.
  private let disk: String
  private let budget: Int
  private let progress: Progress?
  private var scratch: String?
  private var folder: CandidateFolder?
  private var best = Double.infinity

  init(
    log: SearchLog, inputs: SearchInputs, data: [DataFile], evaluator: Evaluator, pool: WorkerPool, disk: String,
    budget: Int, progress: Progress?
  ) {
    (self.log, self.inputs, self.data, self.evaluator) = (log, inputs, data, evaluator)
    (self.pool, self.disk, self.budget, self.progress) = (pool, disk, budget, progress)
  }

  deinit { end() }

  /// Ends the evaluator and takes the candidate's folder away.
  func end() {
    evaluator.end()
    folder = nil
    if let scratch { CandidateFolder.remove(scratch) }
    scratch = nil
  }

  /// The cost of candidate number `number`: from the record, else scored now. Not finite where the evaluator could not
  /// score it.
  ///
  /// - Parameters:
  ///   - facts: what makes it this candidate; must be what is on record.
  ///   - isAlike: its folder has the files of the last one's, so that these are written over.
  func cost(_ number: Int, _ facts: [JSONValue.Member], isAlike: Bool, recipe: () throws -> String) throws -> Double {
    let entry: JSONValue
    if number < log.entries.count {
      entry = log.entries[number]
      for fact in facts where entry[fact.key]?.canonical != fact.value.canonical {
        throw RepositoryError(
          .conflict, "\(log.folder), candidate \(number): '\(fact.key)' differs from what the seed leads to here",
          hint: "another machine or version began this search; finish it there, or remove the folder")
      }
    } else {
      try pool.checkInterruption()
      entry = try score(number, facts, try recipe(), isAlike: isAlike)
      try log.append(entry)
    }
    let cost = entry["cost"]?.double ?? .infinity
    best = min(best, cost)
    progress?(number + 1, budget, best)
    return cost
  }

  private func score(
    _ number: Int, _ facts: [JSONValue.Member], _ recipe: String, isAlike: Bool
  ) throws -> JSONValue {
    let members = [JSONValue.Member("candidate", .integer(number))] + facts
    let answer: Evaluator.Answer
    do {
      answer = try evaluator.score(write(recipe, number: number, isAlike: isAlike), data: data)
    } catch let error as Evaluator.Refused {
      // Where nothing works, not even the start, it is the evaluator that has to be put right; and a mixture needs all.
      guard number > 0, isAlike else {
        throw RepositoryError(
          .invalidInput, "the evaluator could not score candidate \(number): \(error.reason)",
          hint: "see also \(log.folder)/evaluator.log")
      }
      return .object(members + [.init("error", .string(error.reason)), .init("cost", .null)])
    } catch let error as MergeError where number > 0 && isAlike {
      // Numbers that a method cannot take, such as weights whose sum is 0.
      return .object(members + [.init("error", .string(error.description)), .init("cost", .null)])
    }
    let losses = data.map { ($0, answer.losses[$0.name] ?? nil) }
    let cost = losses.reduce(0) { $1.0.weight > 0 ? $0 + $1.0.weight * ($1.1 ?? .infinity) : $0 }
    return .object(
      members + [
        .init("losses", .object(losses.map { .init($0.name, $1.map(JSONValue.number) ?? .null) })),
        .init("metrics", answer.metrics ?? .null), .init("cost", cost.isFinite ? .number(cost) : .null),
      ])
  }

  /// Writes the result of a recipe to a folder; gives its path.
  private func write(_ recipe: String, number: Int, isAlike: Bool) throws -> String {
    let steps = try inputs.plan(recipe)
    let last = steps[steps.count - 1]
    let model = try inputs.result(of: steps)
    if folder == nil || !isAlike {
      folder.map { CandidateFolder.remove($0.path) }
      let files = last.files(called: "candidate")
      let texts = try files.paths.filter { $0 != "mergekit_config.yml" && !$0.contains("/") }
        .map { (path: $0, bytes: try files.read($0) ?? []) }
      let bytes = last.layout.shards.reduce(0) { $0 + $1.size } + texts.reduce(0) { $0 + $1.bytes.count }
      let scratch = try self.scratch ?? place(bytes: bytes)
      self.scratch = scratch
      folder = try CandidateFolder(
        at: isAlike ? "\(scratch)/model" : "\(scratch)/model-\(number)", layout: last.layout, texts: texts, pool: pool)
    }
    guard let folder else { preconditionFailure("the folder has just been made") }
    try folder.write(model)
    return folder.path
  }

  private func place(bytes: Int) throws -> String {
    let path = try CandidateFolder.place(for: log.folder, bytes: bytes, other: disk)
    guard mkdir(path, 0o700) == 0 else { throw StorageError(operation: "make folder", path: path, code: errno) }
    return path
  }
}
