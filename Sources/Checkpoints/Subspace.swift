internal import JSON
package import Tensors

/// Subspaces of the output sides of matrices: for a matrix of m × n an orthonormal basis of r columns of length m. The
/// projector is U Uᵀ.
///
/// The bases are in `subspace.safetensors`; this is what `subspace_config.json` says, checked against that file.
package struct Subspace: Sendable, Equatable {
  /// How much of each matrix was kept.
  package enum Rule: Sendable, Equatable {
    /// As few dimensions as hold this share of the squares.
    case energy(Double)
    /// This many dimensions, or as many as there are.
    case rank(Int)
    /// By somebody else.
    case given
  }

  /// The basis of one matrix.
  package struct Tensor: Sendable, Equatable {
    package let name: String
    /// Of the matrix, not of the basis.
    package let shape: Shape
    package let rank: Int
    /// The share of the squares of what it was derived from that the basis holds.
    package let energy: Double

    package init(name: String, shape: Shape, rank: Int, energy: Double) {
      self.name = name
      self.shape = shape
      self.rank = rank
      self.energy = energy
    }

    package var rows: Int { shape.dimensions[0] }

    /// The tensor that holds the basis.
    package var outline: TensorOutline { TensorOutline(name: name, dtype: .f32, shape: Shape([rows, rank])) }
  }

  package let rule: Rule
  /// Sorted by name.
  package let tensors: [Tensor]
  /// Ids of the two models that it was derived from.
  package let aligned: String?
  package let unaligned: String?

  /// The file that holds the bases, and the one that says what they are.
  package static let basisFile = "subspace.safetensors"
  package static let configFile = "subspace_config.json"

  /// The largest |UᵀU − I| of any two columns that is taken for rounding.
  package static let orthonormalityLimit = 1e-4

  /// True for the files of a subspace: its configuration and its bases, and no other tensors beside them.
  package static func isSubspace(_ paths: some Sequence<String>) -> Bool {
    WeightFiles.areAlone(configFile, basisFile, paths)
  }

  package init(rule: Rule, tensors: [Tensor], aligned: String? = nil, unaligned: String? = nil) {
    self.rule = rule
    self.tensors = tensors.sorted { $0.name.precedes($1.name) }
    self.aligned = aligned
    self.unaligned = unaligned
  }

  /// Reads a configuration's text and compares it with the tensors of `subspace.safetensors`; `path` is for errors.
  ///
  /// - Throws: `CheckpointError.named`.
  package init(parsing bytes: [UInt8], bases: [TensorOutline], path: String) throws(CheckpointError) {
    do throws(NamedTensorsRefusal) {
      let fields = try NamedTensorsFields(bytes, file: Self.configFile)
      let side = try fields.text("side", of: fields.value)
      guard side == "left" else {
        throw NamedTensorsRefusal(.badSetting("side", expected: "left", found: side.quoted))
      }
      var tensors: [Tensor] = []
      for (name, shape, entry) in try fields.tensors() {
        let key = "tensors \(name.quoted)"
        guard shape.dimensions.count == 2, shape.elementCount != 0 else {
          throw NamedTensorsRefusal(.badSetting("\(key) shape", expected: "a matrix", found: "\(shape)"))
        }
        let rank = try fields.int("rank", of: entry, label: "\(key) rank")
        guard (1...shape.dimensions[0]).contains(rank) else {
          throw NamedTensorsRefusal(
            .badSetting("\(key) rank", expected: "1 to \(shape.dimensions[0])", found: "\(rank)"))
        }
        tensors.append(
          Tensor(
            name: name, shape: shape, rank: rank,
            energy: try fields.number("energy", of: entry, label: "\(key) energy")))
      }
      self.init(
        rule: try Self.rule(fields), tensors: tensors, aligned: fields.value["aligned"]?.text,
        unaligned: fields.value["unaligned"]?.text)
      try NamedTensorsFields.compare(self.tensors.map(\.outline), with: bases, config: Self.configFile)
    } catch {
      throw .named(path: path, error.fault)
    }
  }

  private static func rule(_ fields: NamedTensorsFields) throws(NamedTensorsRefusal) -> Rule {
    guard let value = fields.value["rule"], value.members != nil else {
      throw fields.refusal("rule", "an object", fields.value["rule"])
    }
    let kind = try fields.text("kind", of: value, label: "rule kind")
    switch kind {
    case "given": return .given
    case "svd" where value["rank"] != nil: return .rank(try fields.int("rank", of: value, label: "rule rank"))
    case "svd": return .energy(try fields.number("energy", of: value, label: "rule energy"))
    default: throw NamedTensorsRefusal(.badSetting("rule kind", expected: "svd or given", found: kind.quoted))
    }
  }

  private var ruleJSON: JSONValue {
    switch rule {
    case .energy(let share): ["kind": "svd", "energy": .number(share)]
    case .rank(let rank): ["kind": "svd", "rank": .integer(rank)]
    case .given: ["kind": "given"]
    }
  }

  /// The text of `subspace_config.json`.
  package var config: [UInt8] {
    var members: [JSONValue.Member] = [
      .init("format", .integer(NamedTensorsFields.format)), .init("side", "left"), .init("rule", ruleJSON),
    ]
    if let aligned { members.append(.init("aligned", .string(aligned))) }
    if let unaligned { members.append(.init("unaligned", .string(unaligned))) }
    let entries = tensors.map { tensor in
      JSONValue.Member(
        tensor.name,
        [
          "shape": .array(tensor.shape.dimensions.map(JSONValue.integer)), "rank": .integer(tensor.rank),
          "energy": .number(tensor.energy),
        ])
    }
    members.append(.init("tensors", .object(entries)))
    return Array((JSONValue.object(members).pretty() + "\n").utf8)
  }

  /// The rule and ranks in a few words.
  package var summary: String {
    let ranks = tensors.map(\.rank)
    let (low, high) = (ranks.min() ?? 0, ranks.max() ?? 0)
    let range = low == high ? "rank \(low)" : "rank \(low) to \(high)"
    return switch rule {
    case .energy(let share): "energy \(share), \(range)"
    case .rank, .given: range
    }
  }
}
