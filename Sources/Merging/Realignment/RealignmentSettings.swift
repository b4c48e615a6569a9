/// What a recipe says under `stemma` about masks and subspaces, of all models that are not the base or of one.
package struct RealignmentSettings: Sendable, Equatable {
  /// A setting of one model: its own, none, or that of the recipe.
  package enum Choice<Value: Sendable & Equatable>: Sendable, Equatable {
    case inherited
    case none
    case own(Value)

    func resolved(_ shared: Value?) -> Value? {
      switch self {
      case .inherited: shared
      case .none: nil
      case .own(let value): value
      }
    }
  }

  /// `mask: NAME`, or `mask: {name: NAME, rescale: mean}`.
  package struct Mask: Sendable, Equatable {
    package let reference: String
    /// True for `mean`, which is SOMF's and the default; false for `none`.
    package let rescales: Bool
  }

  /// `project: {out: NAME}` or `project: {onto: NAME}`.
  package struct Projection: Sendable, Equatable {
    package let reference: String
    package let isOnto: Bool
  }

  package var mask: Choice<Mask> = .inherited
  package var projection: Choice<Projection> = .inherited
}

extension Recipe {
  /// The masks that the recipe names, each once.
  package var maskReferences: [String] {
    distinct(
      realignments.compactMap {
        if case .own(let mask) = $0.mask { mask.reference } else { nil }
      })
  }

  /// The subspaces that the recipe names, each once.
  package var subspaceReferences: [String] {
    distinct(
      realignments.compactMap {
        if case .own(let projection) = $0.projection { projection.reference } else { nil }
      } + [settings.subspace].compactMap(\.self))
  }

  /// The masks and then the subspaces that the recipe names, each once.
  package var auxiliaryReferences: [String] { distinct(maskReferences + subspaceReferences) }

  private var realignments: [RealignmentSettings] { sources.map(\.realignment) + [settings.realignment] }

  private func distinct(_ references: [String]) -> [String] {
    var seen: Set<String> = []
    return references.filter { seen.insert($0).inserted }
  }

  /// What is done to a source's tensors before they are merged; nil for the base, and where nothing is.
  func realignment(
    of source: Source, base: String?
  ) -> (mask: RealignmentSettings.Mask?, projection: RealignmentSettings.Projection?)? {
    if source.reference == base { return nil }
    let mask = source.realignment.mask.resolved(settings.realignment.mask.resolved(nil))
    let projection = source.realignment.projection.resolved(settings.realignment.projection.resolved(nil))
    return mask == nil && projection == nil ? nil : (mask, projection)
  }
}
