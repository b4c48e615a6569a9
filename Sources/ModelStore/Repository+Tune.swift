import Foundation
import Glibc
import JSON
import Lineage
import Merging
import Objects
import Tensors
import Tuning

extension Repository {
  /// Finds the numbers of a recipe by what data say of the models it makes, and records the winner.
  ///
  /// The same request gives the same winner, whether the search was killed in between and run again or not, as long as
  /// the evaluator answers the same. Candidates are durable in the work folder as soon as each is scored; a named
  /// winner is recorded as `merge` does. Nothing but the work folder is left behind on a throw.
  ///
  /// - Parameters:
  ///   - repository: nil: the inputs must be folders, and the request has no name.
  ///   - interruption: is handed, before the work begins, what stops it.
  public static func tune(
    _ request: TuneRequest, in repository: Repository?, threads: Int? = nil,
    interruption: ((@escaping @Sendable () -> Void) -> Void)? = nil,
    progress: (@Sendable (_ done: Int, _ budget: Int, _ best: Double) -> Void)? = nil
  ) throws(RepositoryError) -> TuneReport {
    try door {
      let pool = repository?.pool ?? WorkerPool(width: defaultWorkers(threads))
      interruption?({ pool.interrupt() })
      return try Tuner(request, in: repository, pool: pool, progress: progress).run()
    }
  }
}

/// One run of a search, from its request to its report.
private struct Tuner {
  let request: TuneRequest
  let repository: Repository?
  let pool: WorkerPool
  let progress: Search.Progress?
  let data: [DataFile]
  let log: SearchLog

  init(
    _ request: TuneRequest, in repository: Repository?, pool: WorkerPool, progress: Search.Progress?
  ) throws {
    guard request.budget >= 1 else {
      throw RepositoryError(.invalidInput, "budget: 1 candidate or more expected, found \(request.budget)")
    }
    guard request.temperature > 0, request.temperature.isFinite else {
      throw RepositoryError(.invalidInput, "temperature: a number above 0 expected, found \(request.temperature)")
    }
    if let name = request.name {
      try Names.check(name)
      guard let repository else {
        throw RepositoryError(.notFound, "a store expected for the name \(name), found none")
      }
      try repository.requireWritable()
    }
    let data = try DataFile.read(request.data, relativeTo: request.directory, in: repository)
    let log = try SearchLog(folder: Repository.path(request.work, relativeTo: request.directory))
    (self.data, self.log) = (data.enumerated().map { $1.placed(at: "\(log.folder)/data-\($0 + 1).jsonl") }, log)
    // What would fail at the very end is refused at the very beginning.
    if log.entries.isEmpty {
      if let name = request.name, try repository?.lineage.name(name) != nil {
        throw RepositoryError(.conflict, "name \(name) is taken", hint: "choose another name")
      }
      if let name = request.name { try repository?.passNameOfNew(name, request.permission) }
      if let out = request.out, exists(Repository.path(out, relativeTo: request.directory)) {
        throw RepositoryError(.conflict, "\(out): a new file expected, found one that is there")
      }
    }
    (self.request, self.repository, self.pool, self.progress) = (request, repository, pool, progress)
  }

  func run() throws -> TuneReport {
    let marked = try MarkedRecipe(yaml: request.recipe)
    switch request.method {
    case .cmaes:
      guard !marked.marks.isEmpty else {
        throw RepositoryError(
          .invalidInput, "the recipe: a number marked to be searched expected, found none",
          hint: "write {search: [0, 1.5]} in a number's place")
      }
      return try evolve(marked)
    case .cocktail:
      return try mix(MixtureRecipe(yaml: marked.marks.isEmpty ? request.recipe : SearchedRecipe.outline(marked)))
    }
  }

  /// CMA-ES from the marks' starts, each interval a sixth wide; the start itself is candidate 0.
  private func evolve(_ marked: MarkedRecipe) throws -> TuneReport {
    let inputs = try inputs(of: SearchedRecipe.outline(marked))
    let recipe = try SearchedRecipe(marked) { try inputs.plan($0) }
    let search = try begin(inputs, [.init("parameters", recipe.record)], budget: request.budget)
    defer { search.end() }
    var strategy = EvolutionStrategy(
      start: recipe.box.point(of: recipe.start), sigma: 1 / 6.0, seed: request.seed)
    var candidates: [[Double]] = []
    var costs: [Double] = []
    func score(_ values: [Double], generation: Int) throws {
      let facts: [JSONValue.Member] = [
        .init("seed", .integer(Int(request.seed))), .init("generation", .integer(generation)),
        .init("values", .array(values.map(JSONValue.number))),
      ]
      costs.append(try search.cost(costs.count, facts, isAlike: true) { try recipe.text(values) })
      candidates.append(values)
    }
    try score(recipe.start, generation: 0)
    while costs.count < request.budget {
      let points = strategy.ask().prefix(request.budget - costs.count)
      for point in points { try score(recipe.box.values(at: point), generation: strategy.generation + 1) }
      if points.count == strategy.population { strategy.tell(costs.suffix(points.count)) }
    }
    search.end()
    let winner = costs.indices.min { costs[$0] < costs[$1] } ?? 0
    guard costs[winner].isFinite else {
      throw RepositoryError(
        .invalidInput, "the search: a candidate with a finite cost expected, found none among \(costs.count)",
        hint: "see \(log.folder)/candidates.jsonl")
    }
    return try finish(
      Found(
        recipe: recipe.text(candidates[winner]), winner: winner, candidates: costs.count,
        parameters: zip(recipe.labels, candidates[winner]).map { .init(label: $0, value: $1) },
        cost: costs[winner], startCost: costs[0].isFinite ? costs[0] : nil), inputs)
  }

  /// LM-Cocktail: the loss of each model by itself, and a linear recipe with softmax(−loss / temperature).
  private func mix(_ mixture: MixtureRecipe) throws -> TuneReport {
    let references = mixture.references
    let even = try mixture.text(weights: references.map { _ in 1 / Double(references.count) })
    let inputs = try inputs(of: even)
    _ = try inputs.plan(even)
    let search = try begin(
      inputs, [.init("temperature", .number(request.temperature))], budget: references.count)
    defer { search.end() }
    let total = data.reduce(0) { $0 + $1.weight }
    let losses = try references.enumerated().map { number, reference in
      try search.cost(number, [.init("model", .string(reference))], isAlike: false) {
        try MixtureRecipe.copy(of: reference)
      } / total
    }
    search.end()
    guard let weights = Cocktail.weights(losses: losses, temperature: request.temperature) else {
      throw RepositoryError(
        .invalidInput, "the cocktail: a model with a finite loss expected, found none among \(losses.count)")
    }
    let winner = losses.indices.min { losses[$0] < losses[$1] } ?? 0
    return try finish(
      Found(
        recipe: mixture.text(weights: weights), winner: winner, candidates: losses.count,
        parameters: zip(references, weights).map { .init(label: "weight of \($0)", value: $1) }, cost: nil,
        startCost: nil), inputs)
  }

  private func inputs(of recipe: String) throws -> SearchInputs {
    try SearchInputs(
      of: RecipeSteps(yaml: recipe), request, in: repository, recording: request.name != nil, pool: pool)
  }

  /// Starts the evaluator and takes up the work folder.
  private func begin(_ inputs: SearchInputs, _ own: [JSONValue.Member], budget: Int) throws -> Search {
    for file in data { try file.examples.place() }
    let evaluator = try Evaluator(
      command: request.evaluator, data: data, log: "\(log.folder)/evaluator.log", pool: pool)
    let search = Search(
      log: log, inputs: inputs, data: data, evaluator: evaluator, pool: pool,
      disk: repository?.layout.temporary ?? log.folder, budget: budget, progress: progress)
    try log.begin(
      .object(
        [
          .init("version", 1), .init("method", .string(request.method.rawValue)),
          .init("seed", .integer(Int(request.seed))), .init("recipe", .string(request.recipe)),
          .init("arithmetic", .string(request.options.arithmetic)),
          .init("arithmetic_seed", request.options.seed.map { .integer(Int($0)) } ?? .null),
          .init("inputs", try inputs.record()), .init("data", .array(data.map(\.record))),
          .init("evaluator", try evaluator.record(relativeTo: request.directory)),
        ] + own))
    return search
  }

  private struct Found {
    let recipe: String
    let winner: Int
    let candidates: Int
    let parameters: [TuneReport.Parameter]
    let cost: Double?
    let startCost: Double?
  }

  /// Writes and records the winner.
  private func finish(_ found: Found, _ inputs: SearchInputs) throws -> TuneReport {
    let recipe = heading(found) + found.recipe
    try log.write(Array(recipe.utf8), as: "winner.yml")
    if let out = request.out { try publish(recipe, at: Repository.path(out, relativeTo: request.directory)) }
    var model: MergeReport?
    if let repository, let name = request.name {
      var options = request.options
      options.search = .object(
        log.search + [
          .init("budget", .integer(request.budget)), .init("winner", .integer(found.winner)),
          .init("candidates", .array(Array(log.entries.prefix(found.candidates)))),
        ])
      // No bytes of the result are the data's.
      options.data = data.compactMap { $0.examples.parent(share: 0) }
      model = try repository.merge(
        RecipeSteps(yaml: recipe), models: inputs.models, name: name, options: options, madeBy: request.madeBy,
        permission: request.permission, progress: nil)
    }
    let losses = log.entries[found.winner]["losses"]
    return TuneReport(
      method: request.method.rawValue, seed: request.seed, candidates: found.candidates, winner: found.winner,
      parameters: found.parameters, cost: found.cost, startCost: found.startCost,
      losses: found.cost == nil ? [] : data.compactMap { file in losses?[file.name]?.double.map { (file.name, $0) } },
      recipe: recipe, work: log.folder, out: request.out, model: model)
  }

  /// What a reader of the recipe should know of its numbers. No times and no paths: the same search, the same bytes.
  private func heading(_ found: Found) -> String {
    let evaluator = log.search.first { $0.key == "evaluator" }?.value
    let how =
      request.method == .cmaes
      ? "CMA-ES, seed \(request.seed), \(found.candidates) candidates"
      : "LM-Cocktail, temperature \(request.temperature)"
    var lines = ["Numbers found by stemma tune: \(how)."]
    if let cost = found.cost {
      lines.append("Cost \(cost)" + (found.startCost.map { ", at the start \($0)" } ?? "") + ".")
    }
    lines += data.map { "Data \($0.name), weight \($0.weight): sha256 \($0.digest.hex)" }
    lines.append("Evaluator \(evaluator?["program"]?.text ?? "") \(evaluator?["version"]?.text ?? "")")
    return lines.map { line in
      "# " + String(String.UnicodeScalarView(line.unicodeScalars.map { $0.value < 0x20 ? " " : $0 })) + "\n"
    }.joined()
  }

  /// Writes the recipe where it was asked for; what is there already must be the same.
  private func publish(_ recipe: String, at path: String) throws {
    if exists(path), FileManager.default.contents(atPath: path) == Data(recipe.utf8) { return }
    let bytes = Array(recipe.utf8)
    _ = try OutputFile.make(path, size: bytes.count) { file in
      try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    }
  }
}
