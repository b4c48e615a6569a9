import Tensors

@testable import Merging

/// What frozen cases exercise, and what of the methods' traits they do not.
struct FrozenCoverage {
  private struct Fact {
    let recipe: Recipe
    /// By parameter, what the recipe writes for it.
    let written: [String: Set<String>]
    /// The methods that its tensors are planned with.
    let planned: Set<MergeMethod>
    let read: Set<DType>
    let made: Set<DType>
  }

  private let facts: [Fact]

  init(_ cases: [FrozenCase]) throws { facts = try cases.map(Self.fact) }

  private init(facts: [Fact]) { self.facts = facts }

  /// Of all cases, found once.
  static let all = Result { try FrozenCoverage(FrozenCase.all) }

  private static func fact(_ frozen: FrozenCase) throws -> Fact {
    let (recipe, tensors) = (try frozen.recipe, try frozen.plans().flatMap(\.tensors))
    let places =
      [recipe.parameters] + recipe.modules.map(\.parameters) + recipe.modules.flatMap(\.slices).map(\.parameters)
      + recipe.sources.map(\.parameters)
    var written: [String: Set<String>] = [:]
    for (name, value) in places.flatMap({ $0 }) { written[name, default: []].insert("\(value)") }
    return Fact(
      recipe: recipe, written: written, planned: Set(tensors.map(\.method.name)),
      read: Set(tensors.flatMap { $0.inputs.map(\.plain.dtype) }), made: Set(tensors.map(\.dtype)))
  }

  /// The same without cases that write a parameter of a method.
  func without(_ parameter: String, of method: MergeMethod) -> FrozenCoverage {
    FrozenCoverage(facts: facts.filter { $0.recipe.method != method || $0.written[parameter] == nil })
  }

  /// A line for each method that no case has, and each parameter that cases do not write, or write only as one value
  /// and never leave out.
  var gaps: [String] {
    var gaps: [String] = []
    for method in MergeMethod.allCases {
      let own = facts.filter { $0.recipe.method == method }
      if own.isEmpty, !facts.contains(where: { $0.planned.contains(method) }) { gaps.append(method.rawValue) }
      for rule in method.parameters {
        let written = own.reduce(into: Set<String>()) { $0.formUnion($1.written[rule.name] ?? []) }
        let isLeftOut = rule.fallback != .required && own.contains { $0.written[rule.name] == nil }
        if written.isEmpty || written.count + (isLeftOut ? 1 : 0) < 2 {
          gaps.append("\(method.rawValue), parameter \(rule.name)")
        }
      }
      if method.prunesAtRandom, Set(own.map(\.recipe.settings.seed)).count < 2 {
        gaps.append("\(method.rawValue), seed")
      }
    }
    let variants = Set(facts.compactMap(\.recipe.settings.variant))
    gaps += Somf.Variant.allCases.filter { !variants.contains($0) }.map { "variant \($0.rawValue)" }
    for dtype in DType.allCases where dtype.isMergeable {
      if !facts.contains(where: { $0.read.contains(dtype) }) { gaps.append("input \(dtype.rawValue)") }
      if !facts.contains(where: { $0.made.contains(dtype) }) { gaps.append("output \(dtype.rawValue)") }
    }
    return gaps
  }
}
