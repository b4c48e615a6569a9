package import JSON
import Merging

/// How the tensors of two models differ.
public struct DiffReport: Sendable {
  /// A model of the two.
  public struct Side: Sendable {
    public let id: String
    /// The model's first name, or the short form of its id.
    public let label: String
  }

  /// A tensor that both have, of the same shape, and of the same dtype or of two float dtypes.
  public struct TensorLine: Sendable {
    public let name: String
    /// Both, as `BF16 → F32`, where there are two.
    public let dtype: String
    public let shape: [Int]
    /// Where it is in the network.
    public let place: TensorPlace
    /// Of its elements (bytes where an element is smaller), whose bits differ; of two dtypes, whose numbers do.
    public let changed: Int
    public let elements: Int
    /// True where the digests are equal; then nothing was read.
    public let isEqual: Bool
    /// |b − a| / |a|, infinite where a is all zeros; nil where the dtype has no arithmetic here or a number in it is
    /// not finite.
    public let relativeL2: Double?
    public let cosine: Double?
    /// The largest |b − a|.
    public let maximum: Double?
  }

  /// A tensor that both have, in another shape, or in two dtypes of which one is no float.
  public struct Reshaped: Sendable {
    public let name: String
    public let from: String
    public let to: String
  }

  public let a: Side
  public let b: Side
  /// By layer and name.
  public let tensors: [TensorLine]
  public let onlyA: [String]
  public let onlyB: [String]
  public let reshaped: [Reshaped]
  /// Of all shared tensors.
  public let changed: Int
  public let elements: Int
  /// Over the shared tensors whose digests differ, together, as for one tensor.
  public let relativeL2: Double?
  public let cosine: Double?
  public let maximum: Double?
  /// How the recipes differ, in words; nil where not both models are merges.
  public let recipes: [String]?

  package var json: JSONValue {
    [
      "a": ["id": .string(a.id), "label": .string(a.label)], "b": ["id": .string(b.id), "label": .string(b.label)],
      "changed": .integer(changed), "elements": .integer(elements), "relative_l2": .init(relativeL2),
      "cosine": .init(cosine), "max": .init(maximum), "only_a": .array(onlyA.map(JSONValue.string)),
      "only_b": .array(onlyB.map(JSONValue.string)),
      "reshaped": .array(
        reshaped.map { ["name": .string($0.name), "from": .string($0.from), "to": .string($0.to)] }),
      "recipes": recipes.map { .array($0.map(JSONValue.string)) } ?? .null,
      "tensors": .array(tensors.map(Self.json)),
    ]
  }

  private static func json(_ line: TensorLine) -> JSONValue {
    [
      "name": .string(line.name), "dtype": .string(line.dtype), "shape": .array(line.shape.map(JSONValue.integer)),
      "layer": line.place.layer.map(JSONValue.integer) ?? .null, "kind": .string(line.place.kind),
      "equal": .bool(line.isEqual), "changed": .integer(line.changed), "elements": .integer(line.elements),
      "relative_l2": .init(line.relativeL2), "cosine": .init(line.cosine), "max": .init(line.maximum),
    ]
  }
}

/// Where a tensor is in a network, by its name.
public struct TensorPlace: Sendable, Hashable {
  /// What comes before the layer's number, such as `model.layers`; empty outside of layers.
  public let stack: String
  public let layer: Int?
  /// `q`, `gate`, `norm` … or the last word of the name.
  public let kind: String

  /// Reads a tensor's name.
  public init(_ name: String) {
    let place = LayerStacks.layer(of: name)
    stack = place?.stack ?? ""
    layer = place?.index
    var words = (place?.rest ?? name).split(separator: ".")
    if let last = words.last, ["weight", "bias"].contains(last), words.count > 1 { words.removeLast() }
    let word = String(words.last { Int($0) == nil } ?? words.first ?? "")
    let short = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    if short.contains(word) {
      kind = String(word.dropLast(5))
    } else {
      kind = word.contains("norm") || word.hasPrefix("ln_") ? "norm" : word
    }
  }
}
