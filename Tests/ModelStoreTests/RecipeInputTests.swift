import Foundation
import TestSupport
import Testing

@testable import ModelStore

@Suite("references in recipes")
struct RecipeInputTests {
  /// A store that holds `one` and `two`, imported from folders of these names.
  private func prepared() throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      _ = try store.importCheckpoint(
        at: try stage.write(name, Stage.model(seed: 1, tune: tune)), name: name, base: nil)
    }
    return stage
  }

  private func recipe(_ reference: String) -> String {
    averageRecipe.replacingOccurrences(of: "model: two", with: "model: \(reference)")
  }

  /// What planning and merging `recipe` throw; nil where both succeed.
  private func refusal(_ recipe: String, _ stage: Stage) throws -> RepositoryError? {
    let store = try stage.open()
    do {
      _ = try store.plan(recipe: recipe, relativeTo: stage.folder.path)
      _ = try store.merge(recipe: recipe, relativeTo: stage.folder.path, name: nil)
    } catch {
      return error
    }
    return nil
  }

  @Test("a name and a folder that both fit are no conflict where they are the same model")
  func same() throws {
    let stage = try prepared()
    #expect(try refusal(recipe("two"), stage) == nil)
  }

  @Test("a name and a folder of other weights are a conflict, which ./x and the id resolve")
  func conflict() throws {
    let stage = try prepared()
    // The same shapes, so that only reading tells.
    try stage.write("two", Stage.model(seed: 1, tune: 6))
    let models = try stage.open().list(all: true).count
    let error = try refusal(recipe("two"), stage)
    #expect(error?.kind == .conflict)
    let id = try stage.open().show("two").summary.id
    #expect(error?.hint == "for the folder write ./two, for the model \(id.prefix(12))")
    #expect(try stage.open().list(all: true).count == models)
    #expect(try refusal(recipe("./two"), stage) == nil)
    #expect(try refusal(recipe(String(id.prefix(12))), stage) == nil)
    // From elsewhere there is no such folder.
    _ = try stage.open().merge(recipe: recipe("two"), relativeTo: "/", name: nil)
  }

  @Test("a plan is refused where the folder has other shapes or files")
  func plan() throws {
    let stage = try prepared()
    try stage.write("two", Stage.model(seed: 1, tune: 5, rows: 80))
    #expect { try stage.open().plan(recipe: recipe("two"), relativeTo: stage.folder.path) } throws: {
      ($0 as? RepositoryError)?.kind == .conflict
    }
  }

  @Test("a folder that is called like the beginning of an id is a conflict too")
  func prefix() throws {
    let stage = try prepared()
    let id = String(try stage.open().show("two").summary.id.prefix(9))
    #expect(try refusal(recipe(id), stage) == nil)
    try stage.write(id, Stage.model(seed: 4))
    #expect(try refusal(recipe(id), stage)?.kind == .conflict)
  }

  @Test("a folder without a checkpoint does not stand in a name's way")
  func otherFolder() throws {
    let stage = try prepared()
    try FileManager.default.removeItem(atPath: stage.folder.path + "/two")
    try FileManager.default.createDirectory(atPath: stage.folder.path + "/two", withIntermediateDirectories: false)
    #expect(try refusal(recipe("two"), stage) == nil)
  }

  @Test("a bare word that is only a folder is not found, and the hint says how to write it")
  func bareFolder() throws {
    let stage = try prepared()
    try stage.write("three", Stage.model(seed: 1, tune: 7))
    let error = try refusal(recipe("three"), stage)
    #expect(error?.kind == .notFound)
    #expect(error?.hint == "for the folder write ./three")
    #expect(try refusal(recipe("./three"), stage) == nil)
    #expect(try refusal(recipe("../\(stage.folder.path.split(separator: "/").last!)/three"), stage) == nil)
  }

  @Test("without a store a bare word is a folder, as with mergekit")
  func withoutStore() throws {
    let stage = try prepared()
    let out = stage.folder.path + "/out"
    for (index, first) in ["two", "./two", stage.folder.path + "/two"].enumerated() {
      _ = try Repository.merge(recipe: recipe(first), relativeTo: stage.folder.path, to: out + "\(index)")
      let weights = "/model.safetensors"
      #expect(FileManager.default.contentsEqual(atPath: out + "0" + weights, andPath: out + "\(index)" + weights))
    }
    let error = #expect(throws: RepositoryError.self) {
      try Repository.merge(recipe: recipe("none"), relativeTo: stage.folder.path, to: out)
    }
    #expect(error?.kind == .invalidInput || error?.kind == .notFound)
    #expect(!FileManager.default.fileExists(atPath: out))
  }
}
