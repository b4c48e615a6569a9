package import JSON

/// How the bits of a mask were chosen.
package enum MaskRule: Sendable, Equatable {
  /// By somebody else: a file of zeros and ones.
  case given
  /// Logits above this number.
  case threshold(Double)
  /// Drawn with the probabilities that logits stand for, by random numbers of this kind.
  case bernoulli(seed: Int, rng: String)
  /// Drawn with one probability for all elements, or by nil with those that another mask's tensors have.
  case random(density: Double?, seed: Int)
  /// Of each tensor the share with the largest changes.
  case magnitude(share: Double)
  /// Made of other masks.
  case combination(operation: String)

  /// The random numbers of this program: counters and keys of Philox, see `Masks.md`.
  package static let rng = "philox4x32-10"

  init(_ value: JSONValue?, _ fields: NamedTensorsFields) throws(NamedTensorsRefusal) {
    guard let value, value.members != nil else { throw fields.refusal("rule", "an object", value) }
    let kind = try fields.text("kind", of: value, label: "rule kind")
    switch kind {
    case "given": self = .given
    case "threshold": self = .threshold(try fields.number("value", of: value, label: "rule value"))
    case "bernoulli":
      self = .bernoulli(
        seed: try fields.int("seed", of: value, label: "rule seed"),
        rng: try fields.text("rng", of: value, label: "rule rng"))
    case "random":
      let density = value["density"] == nil ? nil : try fields.number("density", of: value, label: "rule density")
      self = .random(density: density, seed: try fields.int("seed", of: value, label: "rule seed"))
    case "magnitude": self = .magnitude(share: try fields.number("share", of: value, label: "rule share"))
    case "combination":
      self = .combination(operation: try fields.text("operation", of: value, label: "rule operation"))
    default:
      throw NamedTensorsRefusal(
        .badSetting(
          "rule kind", expected: "given, threshold, bernoulli, random, magnitude or combination", found: kind.quoted))
    }
  }

  /// As `rule` of `mask_config.json` has it.
  package var json: JSONValue {
    switch self {
    case .given: ["kind": "given"]
    case .threshold(let value): ["kind": "threshold", "value": .number(value)]
    case .bernoulli(let seed, let rng): ["kind": "bernoulli", "seed": .integer(seed), "rng": .string(rng)]
    case .random(let density?, let seed):
      ["kind": "random", "density": .number(density), "seed": .integer(seed), "rng": .string(Self.rng)]
    case .random(nil, let seed): ["kind": "random", "seed": .integer(seed), "rng": .string(Self.rng)]
    case .magnitude(let share): ["kind": "magnitude", "share": .number(share)]
    case .combination(let operation): ["kind": "combination", "operation": .string(operation)]
    }
  }
}

extension MaskRule: CustomStringConvertible {
  /// In a few words: `threshold at 0.0`, `drawn, seed 7`.
  package var description: String {
    switch self {
    case .given: "given"
    case .threshold(let value): "threshold at \(value)"
    case .bernoulli(let seed, _): "drawn from logits, seed \(seed)"
    case .random(let density?, let seed): "random of density \(density), seed \(seed)"
    case .random(nil, let seed): "random of another mask's densities, seed \(seed)"
    case .magnitude(let share): "largest \(share) of changes"
    case .combination(let operation): "combination: \(operation)"
    }
  }
}
