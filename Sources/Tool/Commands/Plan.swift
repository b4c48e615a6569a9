import ArgumentParser
import Glibc
import ModelStore

struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Show what a merge would do, tensor by tensor.",
    usage: "stemma plan <recipe> [<options>]",
    discussion: """
      Reads a recipe in mergekit's YAML and checks it against its inputs; nothing is written. Without a store the \
      inputs must be folders.

      Example:  stemma plan recipe.yml
      """)

  @Argument(help: "The recipe's file; '-' reads standard input.")
  var recipe: String

  @OptionGroup(title: "Arithmetic") var arithmetic: ArithmeticOptions

  @OptionGroup(title: "Global options") var options: GlobalOptions

  func run() throws {
    let recipe = try Recipe(at: recipe)
    let report = try plan(recipe)
    options.show(report.json) { report.text.hasSuffix("\n") ? String(report.text.dropLast()) : report.text }
  }

  private func plan(_ recipe: Recipe) throws(RepositoryError) -> PlanReport {
    let repository: Repository
    do {
      repository = try options.open()
    } catch  where error.kind == .notFound && options.store == nil && Console.variable("STEMMA_STORE").isEmpty {
      return try Repository.plan(
        recipe: recipe.text, relativeTo: recipe.directory, options: arithmetic.merge)
    }
    return try repository.plan(recipe: recipe.text, relativeTo: recipe.directory, options: arithmetic.merge)
  }
}
