import JSON
import Merging
import Tensors

/// A plan as a derivation keeps it: the distinct ways to make a tensor, and a number for each tensor.
///
/// Names, dtypes and shapes of the tensors are the manifest's, in the order of names. So a fused model is rebuilt by
/// what was planned when it was made, whatever a later planner would make of its recipe.
enum PlanRecord {
  private struct Way: Hashable {
    let method: MethodCall
    let inputs: [Int]
    let dtypes: [DType]
  }

  static func json(_ plan: Plan) -> JSONValue {
    var numbers: [Way: Int] = [:]
    var ways: [JSONValue] = []
    let tensors = plan.tensors.map { tensor -> JSONValue in
      let way = Way(method: tensor.method, inputs: tensor.inputs, dtypes: tensor.inputDTypes)
      if numbers[way] == nil {
        numbers[way] = ways.count
        ways.append(json(way))
      }
      return .integer(numbers[way]!)
    }
    return ["inputs": .array(plan.inputs.map(JSONValue.string)), "ways": .array(ways), "tensors": .array(tensors)]
  }

  private static func json(_ way: Way) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("method", .string(way.method.name.rawValue)), .init("inputs", .array(way.inputs.map(JSONValue.integer))),
      .init("dtypes", .array(way.dtypes.map { .string($0.rawValue) })),
    ]
    if let base = way.method.base { members.append(.init("base", .integer(base))) }
    if !way.method.perInput.isEmpty {
      members.append(
        .init("per_input", .object(way.method.perInput.map { .init($0, .array($1.map(JSONValue.number))) })))
    }
    if !way.method.settings.isEmpty {
      members.append(.init("settings", .object(way.method.settings.map { .init($0, .number($1)) })))
    }
    return .object(members)
  }

  /// The plan again; nil where the record does not fit the manifest's tensors or names an unknown method.
  static func plan(_ record: JSONValue, arithmetic: String, tensors: [Manifest.TensorEntry]) -> Plan? {
    guard let inputs = record["inputs"]?.elements?.map(\.text), !inputs.contains(nil),
      let list = record["ways"]?.elements, let numbers = record["tensors"]?.elements, numbers.count == tensors.count
    else { return nil }
    let ways = list.map { way($0, inputs: inputs.count) }
    var planned: [PlannedTensor] = []
    for (tensor, number) in zip(tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }, numbers) {
      guard let index = number.int, ways.indices.contains(index), let way = ways[index] else { return nil }
      planned.append(
        PlannedTensor(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, method: way.method, inputs: way.inputs,
          inputDTypes: way.dtypes))
    }
    return Plan(arithmetic: arithmetic, inputs: inputs.compactMap { $0 }, tensors: planned)
  }

  private static func way(_ record: JSONValue, inputs count: Int) -> Way? {
    guard let name = record["method"]?.text.flatMap(MergeMethod.init(rawValue:)),
      let inputs = record["inputs"]?.elements?.compactMap(\.int), !inputs.isEmpty,
      inputs.allSatisfy({ (0..<count).contains($0) }),
      let dtypes = record["dtypes"]?.elements?.compactMap({ $0.text.flatMap(DType.init(rawValue:)) }),
      dtypes.count == inputs.count
    else { return nil }
    let base = record["base"]?.int
    if let base, !inputs.indices.contains(base) { return nil }
    var perInput: [String: [Double]] = [:]
    for member in record["per_input"]?.members ?? [] {
      perInput[member.key] = member.value.elements?.compactMap(\.double)
      guard perInput[member.key]?.count == inputs.count - (base == nil ? 0 : 1) else { return nil }
    }
    var settings: [String: Double] = [:]
    for member in record["settings"]?.members ?? [] { settings[member.key] = member.value.double }
    return Way(
      method: MethodCall(name, base: base, perInput: perInput, settings: settings), inputs: inputs, dtypes: dtypes)
  }
}
