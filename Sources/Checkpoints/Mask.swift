package import JSON
package import Tensors

/// A mask: for each tensor of a model or adapter one bit an element, and the rule that chose them.
///
/// The bits themselves are in `mask.safetensors`; this is what `mask_config.json` says, checked against that file.
package struct Mask: Sendable, Equatable {
  /// What the elements are that the bits stand for.
  package enum Space: String, Sendable, CaseIterable {
    /// Weights of a model.
    case weight
    /// Entries of an adapter's factors.
    case loraFactor = "lora_factor"
  }

  /// The bits of one tensor.
  package struct Tensor: Sendable, Equatable {
    package let name: String
    /// Of the tensor whose elements the bits stand for.
    package let shape: Shape
    /// Bits that are 1.
    package let ones: Int

    package init(name: String, shape: Shape, ones: Int) {
      self.name = name
      self.shape = shape
      self.ones = ones
    }

    package var elements: Int { shape.elementCount ?? 0 }

    /// The tensor that holds the bits.
    package var outline: TensorOutline {
      TensorOutline(name: name, dtype: .u8, shape: Shape([BitMask.byteCount(of: elements)]))
    }
  }

  /// A file that a mask was learnt on.
  package struct DataFile: Sendable, Equatable {
    package let name: String
    /// 64 hex digits.
    package let sha256: String

    package init(name: String, sha256: String) {
      self.name = name
      self.sha256 = sha256
    }
  }

  package let space: Space
  package let rule: MaskRule
  /// Sorted by name.
  package let tensors: [Tensor]
  package let data: [DataFile]
  /// What the program that learnt it tells.
  package let training: JSONValue?
  /// Ids of the masks or models that the rule was applied to.
  package let madeFrom: [String]

  /// The file that holds a mask's bits, and the one that says what they are.
  package static let bitsFile = "mask.safetensors"
  package static let configFile = "mask_config.json"

  /// True for the files of a mask: its configuration and its bits, and no other tensors beside them.
  package static func isMask(_ paths: some Sequence<String>) -> Bool {
    WeightFiles.areAlone(configFile, bitsFile, paths)
  }

  package init(
    space: Space, rule: MaskRule, tensors: [Tensor], data: [DataFile] = [], training: JSONValue? = nil,
    madeFrom: [String] = []
  ) {
    self.space = space
    self.rule = rule
    self.tensors = tensors.sorted { $0.name.precedes($1.name) }
    self.data = data
    self.training = training
    self.madeFrom = madeFrom
  }

  /// Reads a configuration's text and compares it with the tensors of `mask.safetensors`; `path` names it in errors.
  ///
  /// - Throws: `CheckpointError.named`.
  package init(parsing bytes: [UInt8], bits: [TensorOutline], path: String) throws(CheckpointError) {
    do throws(NamedTensorsRefusal) {
      let fields = try NamedTensorsFields(bytes, file: Self.configFile)
      let space = try fields.text("space", of: fields.value)
      guard let space = Space(rawValue: space) else {
        throw NamedTensorsRefusal(
          .badSetting("space", expected: "weight or lora_factor", found: space.quoted))
      }
      var tensors: [Tensor] = []
      for (name, shape, entry) in try fields.tensors() {
        let ones = try fields.int("ones", of: entry, label: "tensors \(name.quoted) ones")
        guard (0...(shape.elementCount ?? 0)).contains(ones) else {
          throw NamedTensorsRefusal(
            .badSetting("tensors \(name.quoted) ones", expected: "a count of bits of \(shape)", found: "\(ones)"))
        }
        tensors.append(Tensor(name: name, shape: shape, ones: ones))
      }
      var data: [DataFile] = []
      for entry in fields.value["data"]?.elements ?? [] {
        data.append(
          DataFile(
            name: try fields.text("name", of: entry, label: "data name"),
            sha256: try fields.text("sha256", of: entry, label: "data sha256")))
      }
      self.init(
        space: space, rule: try MaskRule(fields.value["rule"], fields), tensors: tensors, data: data,
        training: fields.value["training"],
        madeFrom: (fields.value["made_from"]?.elements ?? []).compactMap(\.text))
      try NamedTensorsFields.compare(self.tensors.map(\.outline), with: bits, config: Self.configFile)
    } catch {
      throw .named(path: path, error.fault)
    }
  }

  /// The text of `mask_config.json`.
  package var config: [UInt8] {
    var members: [JSONValue.Member] = [
      .init("format", .integer(NamedTensorsFields.format)), .init("space", .string(space.rawValue)),
      .init("rule", rule.json),
    ]
    let files = data.map { file -> JSONValue in ["name": .string(file.name), "sha256": .string(file.sha256)] }
    if !files.isEmpty { members.append(.init("data", .array(files))) }
    if let training { members.append(.init("training", training)) }
    if !madeFrom.isEmpty { members.append(.init("made_from", .array(madeFrom.map(JSONValue.string)))) }
    let entries = tensors.map { tensor in
      JSONValue.Member(
        tensor.name,
        ["shape": .array(tensor.shape.dimensions.map(JSONValue.integer)), "ones": .integer(tensor.ones)])
    }
    members.append(.init("tensors", .object(entries)))
    return Array((JSONValue.object(members).pretty() + "\n").utf8)
  }

  package var elements: Int { tensors.reduce(0) { $0 + $1.elements } }
  package var ones: Int { tensors.reduce(0) { $0 + $1.ones } }

  /// The share of bits that are 1; 0 where there are none.
  package var density: Double { elements == 0 ? 0 : Double(ones) / Double(elements) }

  /// The rule and density in a few words.
  package var summary: String {
    let thousandths = (density * 1000).rounded() / 1000
    return "\(rule), density \(thousandths)"
  }

  /// Throws `CheckpointError.named` where the bits of a tensor are not those that were counted: `ones` and `last` are
  /// their number and their last byte.
  package func check(
    _ tensor: Tensor, ones: Int, last: UInt8, path: String
  ) throws(CheckpointError) {
    if BitMask.hasStrayBits(last, elements: tensor.elements) {
      throw .named(path: path, .strayBits(tensor.name, elements: tensor.elements))
    }
    if ones != tensor.ones { throw .named(path: path, .ones(tensor.name, expected: tensor.ones, found: ones)) }
  }
}
