import JSON
import Merging
import Objects
import Tensors

/// The models that the candidates of a search are made of: folders, and models of a store.
final class SearchInputs {
  /// By reference; those that are not among them are folders.
  let models: [String: Digest]
  private let folders: [String: FolderInput]
  private let references: [String]
  private let repository: Repository?
  private let options: MergeOptions
  private let pool: WorkerPool
  private var opened: [String: FolderTensorSource.Input] = [:]

  /// - Parameter recording: folders are imported, so that what is searched is what is recorded.
  init(of steps: RecipeSteps, _ request: TuneRequest, in repository: Repository?, recording: Bool, pool: WorkerPool)
    throws
  {
    references = steps.partsFromOutside
    self.repository = repository
    self.pool = pool
    options = request.options
    var folders: [String: FolderInput] = [:]
    var models: [String: Digest] = [:]
    if let repository {
      let found = try references.map {
        (reference: $0, input: try repository.recipeInput($0, relativeTo: request.directory, reading: recording))
      }
      for case .model(let model) in found.map(\.input) {
        let allowed = try repository.pass(model, "to tune it", request.permission)
        // The evaluator sees what is made of it; a winner that gets a name records it again.
        try repository.recordExport(
          model, to: Repository.path(request.work, relativeTo: request.directory), passing: allowed)
      }
      if recording {
        models = try repository.imported(found, for: steps, madeBy: request.madeBy)
      } else {
        for case (let reference, .model(let model)) in found { models[reference] = model }
      }
    }
    for reference in references where models[reference] == nil {
      folders[reference] = try FolderInput(reference, relativeTo: request.directory)
    }
    (self.folders, self.models) = (folders, models)
  }

  /// Plans recipes on these models. Reads no weights.
  func plan(_ recipe: String, writesCard: Bool = false) throws -> [PlannedStep] {
    var options = options
    options.writesCard = writesCard
    return try PlannedStep.all(of: RecipeSteps(yaml: recipe), options) { reference in
      if let folder = folders[reference] { return folder.inputModel }
      guard let repository, let model = models[reference] else {
        throw RepositoryError(.internal, "the search has no input \(reference)")
      }
      return try repository.inputModel(reference, model, among: models)
    }
  }

  /// What the last of these recipes makes, measured and ready to be computed.
  func result(of steps: [PlannedStep]) throws -> FusedModel {
    try Repository.result(of: steps, pool: pool) { reference in
      if let input = opened[reference] { return input }
      let input: FolderTensorSource.Input
      if let folder = folders[reference] {
        input = .folder(folder)
      } else if let repository {
        let reader = try ModelReader(models[reference] ?? repository.resolve(reference), in: repository)
        input = .stored(try StoreTensorSource(models: [reader], spaces: repository.spaces))
      } else {
        throw RepositoryError(.internal, "the search has no input \(reference)")
      }
      opened[reference] = input
      return input
    }
  }

  /// For the record: every input with its model id, or the digest of its folder's files.
  func record() throws -> JSONValue {
    .array(
      try references.map { reference in
        if let model = models[reference] { return ["reference": .string(reference), "model": .string(model.hex)] }
        let digest = try folders[reference]?.digest(pool).hex
        return ["reference": .string(reference), "files_sha256": .init(digest)]
      })
  }
}
