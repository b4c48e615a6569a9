import Checkpoints
import JSON
import Tensors

/// The tensors of a model, mask or subspace by name, to be compared with another's.
struct TensorShapes {
  /// What the user called it.
  let label: String
  let shapes: [String: Shape]

  init(_ label: String, _ tensors: [(name: String, shape: Shape)]) {
    self.label = label
    shapes = Dictionary(tensors.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
  }

  init(_ label: String, _ mask: Mask) { self.init(label, mask.tensors.map { ($0.name, $0.shape) }) }
  init(_ label: String, _ subspace: Subspace) { self.init(label, subspace.tensors.map { ($0.name, $0.shape) }) }
  init(_ label: String, _ manifest: Manifest) { self.init(label, manifest.tensors.map { ($0.name, $0.shape) }) }

  /// Throws `invalidInput`, naming the tensors, where the other has not the same ones in the same shapes.
  func requireSame(as other: TensorShapes) throws {
    let names = Set(shapes.keys).union(other.shapes.keys)
    var faults: [String] = []
    for name in names.sorted(by: { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }) {
      switch (shapes[name], other.shapes[name]) {
      case (let mine?, let theirs?) where mine != theirs:
        faults.append("\(name.quoted) \(mine) in \(label) and \(theirs) in \(other.label)")
      case (_?, nil): faults.append("\(name.quoted) only in \(label)")
      case (nil, _?): faults.append("\(name.quoted) only in \(other.label)")
      default: break
      }
    }
    if faults.isEmpty { return }
    let rest = faults.count > 5 ? " and \(faults.count - 5) more" : ""
    throw RepositoryError(
      .invalidInput,
      "\(label) and \(other.label): the same tensors in the same shapes expected, found "
        + faults.prefix(5).joined(separator: ", ") + rest)
  }
}
