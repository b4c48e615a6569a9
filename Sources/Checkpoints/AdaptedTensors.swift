internal import Tensors

/// How an adapter changes one tensor of its base.
package enum AdaptedTensor: Sendable, Equatable {
  /// By its factors. `weight` is what they are added to; `isOwn` where that is the adapter's and not the base's.
  case factors(Adapter.Factors, isTransposed: Bool, weight: TensorOutline, isOwn: Bool)
  /// By another tensor, which the adapter holds.
  case replaced(TensorOutline)
}

extension Adapter {
  /// What becomes of the tensors of a base, by their names there; those that are not named stay as they are.
  ///
  /// A name of `modules_to_save` that the base lacks is a new tensor.
  ///
  /// - Throws: `CheckpointError.adapter` where the base lacks a tensor or has it in another shape.
  package func applied(to base: [TensorOutline], path: String) throws(CheckpointError) -> [String: AdaptedTensor] {
    let names = BaseNames(base)
    var found: [String: AdaptedTensor] = [:]
    do throws(AdapterRefusal) {
      for (wanted, tensor) in replacements.sorted(by: { $0.key.precedes($1.key) }) {
        let weight = names.find(wanted)
        guard let name = weight?.name ?? (isSaved(wanted) ? wanted : nil) else {
          throw AdapterRefusal(.baseLacks(tensor.name, needed: wanted))
        }
        // Another size would be another model, with a configuration that the adapter does not have.
        if let weight, weight.shape != tensor.shape { throw misfit(tensor, weight) }
        if case .replaced(let other) = found.updateValue(.replaced(tensor), forKey: name) {
          throw AdapterRefusal(.repeatedTensor(tensor.name, other: other.name))
        }
      }
      let orientations = try orientations(names)
      for part in factors {
        let (weight, isOwn) = try target(of: part, names)
        let isTransposed =
          part.isEmbedding || (part.a != nil && isTransposed(part, weight, orientations))
        try check(part, weight, isTransposed)
        let name = names.find(Self.wanted(part))?.name ?? Self.wanted(part)
        let change = AdaptedTensor.factors(part, isTransposed: isTransposed, weight: weight, isOwn: isOwn)
        if case .factors(let other, _, _, _) = found.updateValue(change, forKey: name) {
          throw AdapterRefusal(.repeatedTensor(part.b.name, other: other.b.name))
        }
      }
    } catch {
      throw .adapter(path: path, error.fault)
    }
    return found
  }

  private static func wanted(_ part: Factors) -> String { part.module + (part.a == nil ? ".bias" : ".weight") }

  /// As PEFT has it: the end of the module's name.
  private func isSaved(_ tensor: String) -> Bool {
    let module = tensor.split(separator: ".").dropLast().joined(separator: ".")
    return config.modulesToSave.contains { module.hasSuffix($0) }
  }

  /// The tensor that factors are added to.
  private func target(of part: Factors, _ names: BaseNames) throws(AdapterRefusal) -> (TensorOutline, isOwn: Bool) {
    let wanted = Self.wanted(part)
    let own = replacements[wanted]
    guard let weight = own ?? names.find(wanted) else {
      throw AdapterRefusal(.baseLacks(part.b.name, needed: wanted))
    }
    guard weight.dtype.isMergeable else { throw AdapterRefusal(.unsupportedDType(weight.name, dtype: weight.dtype)) }
    return (weight, own != nil)
  }

  /// By the last part of modules' names, whether their weights that are not square lie transposed.
  private func orientations(_ names: BaseNames) throws(AdapterRefusal) -> [Substring: Bool] {
    var found: [Substring: Bool] = [:]
    for part in factors where !part.isEmbedding {
      guard let a = part.a, let weight = replacements[Self.wanted(part)] ?? names.find(Self.wanted(part)) else {
        continue
      }
      let straight = [part.b.shape.dimensions[0], a.shape.dimensions[1]]
      guard straight[0] != straight[1] else { continue }
      if weight.shape.dimensions == straight { found[Self.last(part.module)] = false }
      if weight.shape.dimensions == straight.reversed() { found[Self.last(part.module)] = true }
    }
    return found
  }

  private static func last(_ module: String) -> Substring { module.split(separator: ".").last ?? "" }

  /// The shapes tell, as PEFT goes by the module and not by its setting. A square weight lies like the others of
  /// its name, or as `fan_in_fan_out` says.
  private func isTransposed(_ part: Factors, _ weight: TensorOutline, _ orientations: [Substring: Bool]) -> Bool {
    let straight = [part.b.shape.dimensions[0], part.a?.shape.dimensions[1] ?? 1]
    if straight[0] == straight[1] { return orientations[Self.last(part.module)] ?? config.fanInFanOut }
    return weight.shape.dimensions != straight && weight.shape.dimensions == straight.reversed()
  }

  private func check(_ part: Factors, _ weight: TensorOutline, _ isTransposed: Bool) throws(AdapterRefusal) {
    let outputs = part.b.shape.dimensions[0]
    guard let a = part.a else {
      guard weight.shape.dimensions == [outputs] else { throw misfit(part.b, weight) }
      return
    }
    let inputs = a.shape.dimensions[1]
    guard weight.shape.dimensions.count == 2 else { throw misfit(part.b, weight) }
    let (rows, columns) = (weight.shape.dimensions[0], weight.shape.dimensions[1])
    guard outputs == (isTransposed ? columns : rows) else { throw misfit(part.b, weight) }
    guard inputs == (isTransposed ? rows : columns) else { throw misfit(a, weight) }
  }

  private func misfit(_ tensor: TensorOutline, _ weight: TensorOutline) -> AdapterRefusal {
    AdapterRefusal(
      .shapeMismatch(tensor.name, shape: tensor.shape, base: weight.name, baseShape: weight.shape))
  }
}

/// The tensors of a base by the names that adapters have for them.
///
/// transformers puts a model's prefix (`model.`, `transformer.`) before the names of a file that lacks it, and takes it
/// off where the model has none; so may an adapter's names differ from the file's.
private struct BaseNames {
  private let tensors: [String: TensorOutline]
  private let prefixes: Set<Substring>

  init(_ base: [TensorOutline]) {
    tensors = Dictionary(base.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    prefixes = Set(base.compactMap { $0.name.split(separator: ".", maxSplits: 1).first })
  }

  func find(_ name: String) -> TensorOutline? {
    if let exact = tensors[name] { return exact }
    let parts = name.split(separator: ".", maxSplits: 1)
    guard parts.count == 2 else { return nil }
    if !prefixes.contains(parts[0]), let bare = tensors[String(parts[1])] { return bare }
    let longer = prefixes.contains(parts[0]) ? [] : prefixes.compactMap { tensors["\($0).\(name)"] }
    return longer.count == 1 ? longer[0] : nil
  }
}
