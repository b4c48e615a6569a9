import Checkpoints
import Glibc
import JSON
import Merging
import Objects

/// The files of a model that are no tensors, in its folder itself, to be read when one is needed.
struct ModelFiles {
  /// What the recipe calls the model.
  let reference: String
  let paths: [String]
  private let content: (String) throws -> [UInt8]

  init(reference: String, paths: [String], content: @escaping (String) throws -> [UInt8]) {
    self.reference = reference
    self.paths = paths
    self.content = content
  }

  /// The same under another name.
  func called(_ reference: String) -> ModelFiles { ModelFiles(reference: reference, paths: paths, content: content) }

  /// The bytes of a file; nil where the model has none of the name.
  func read(_ path: String) throws -> [UInt8]? { paths.contains(path) ? try content(path) : nil }
}

/// A model as a recipe's input: its tensors' outlines, and its files.
struct MergeSource {
  let input: ModelInput
  let files: ModelFiles

  /// The input with the class that config.json names, where it is one.
  var describedInput: ModelInput {
    get throws {
      var input = input
      let classes = try files.read("config.json").flatMap { try? JSONValue.parse($0) }?["architectures"]?.elements
      if let classes, classes.count == 1 { input.architecture = classes[0].text }
      return input
    }
  }
}

extension Repository {
  func files(of manifest: Manifest, reference: String) -> ModelFiles {
    let files = manifest.files.filter { $0.header == nil }
    return ModelFiles(reference: reference, paths: files.map(\.path)) { path in
      guard let file = files.first(where: { $0.path == path }) else { return [] }
      return try self.readObject(file.object)
    }
  }

  /// Throws `invalidInput` where two of the model's files have a tensor of one name.
  func mergeSource(of manifest: Manifest, reference: String) throws -> MergeSource {
    if let (tensor, first, second) = manifest.ambiguity {
      throw RepositoryError(
        .invalidInput, "\(reference): tensor \(tensor) expected in one file, found in \(first) and \(second)",
        hint: "import the folder again and say which file is the model: --weights \(first)")
    }
    return MergeSource(
      input: manifest.mergeInput(reference: reference), files: files(of: manifest, reference: reference))
  }
}

extension OutputVocabulary {
  /// The vocabulary that a recipe asks for; nil where it asks for none. Reads the tokenizers of its models.
  init?(_ recipe: Recipe, _ sources: [MergeSource]) throws {
    guard let tokenizer = recipe.tokenizer else { return nil }
    var vocabularies: [String: Vocabulary] = [:]
    for source in sources { vocabularies[source.input.reference] = try TokenizerFiles(source.files).vocabulary() }
    try self.init(tokenizer, models: recipe.mergedReferences, base: recipe.base, vocabularies: vocabularies)
  }
}
