import Foundation
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
    let models: [Int]
    /// For each input the index of the adapter that is applied to it.
    let adapters: [Int?]
    let dtypes: [DType]
    let working: DType?
    /// Into the record's row maps.
    var rows: Int?
  }

  static func json(_ plan: Plan) -> JSONValue {
    var numbers: [Way: Int] = [:]
    var ways: [JSONValue] = []
    var maps: [RowMap] = []
    let tensors = plan.tensors.map { tensor -> JSONValue in
      let way = Way(
        method: tensor.method, models: tensor.inputs.map(\.model), adapters: tensor.inputs.map { $0.change?.adapter },
        dtypes: tensor.inputs.map(\.dtype),
        working: tensor.workingDType, rows: tensor.rows.map { RowRecord.number(of: $0, in: &maps) })
      if numbers[way] == nil {
        numbers[way] = ways.count
        ways.append(json(way))
      }
      let number = JSONValue.integer(numbers[way]!)
      let isPlain = tensor.inputs.allSatisfy {
        $0.tensor == tensor.name && $0.name == tensor.name && $0.change == nil && $0.realignment == nil
      }
      if isPlain {
        return number
      }
      return .array([number] + tensor.inputs.map(place))
    }
    var members: [JSONValue.Member] = [
      .init("inputs", .array(plan.inputs.map(JSONValue.string))), .init("ways", .array(ways)),
      .init("tensors", .array(tensors)),
    ]
    if !maps.isEmpty { members.append(.init("row_maps", .array(maps.map(RowRecord.json)))) }
    if let seed = plan.seed { members.append(.init("seed", .integer(Int(seed)))) }
    return .object(members)
  }

  private static func json(_ way: Way) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("method", .string(way.method.name.rawValue)), .init("inputs", .array(way.models.map(JSONValue.integer))),
      .init("dtypes", .array(way.dtypes.map { .string($0.rawValue) })),
    ]
    if way.adapters.contains(where: { $0 != nil }) {
      members.append(.init("adapters", .array(way.adapters.map { $0.map(JSONValue.integer) ?? .null })))
    }
    if let rows = way.rows { members.append(.init("rows", .integer(rows))) }
    if let working = way.working { members.append(.init("working_dtype", .string(working.rawValue))) }
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
    let maps = (record["row_maps"]?.elements ?? []).map(RowRecord.map)
    var planned: [PlannedTensor] = []
    for (tensor, number) in zip(tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }, numbers) {
      guard let index = number.int ?? number.elements?.first?.int, ways.indices.contains(index), let way = ways[index]
      else { return nil }
      let places = number.elements.map { Array($0.dropFirst()) } ?? way.models.map { _ in .string(tensor.name) }
      guard places.count == way.models.count else { return nil }
      let rows = way.rows.flatMap { maps.indices.contains($0) ? maps[$0] : nil }
      if way.rows != nil, rows?.inputs.count != way.models.count || rows?.rows != tensor.shape.dimensions.first {
        return nil
      }
      let read = way.models.indices.compactMap {
        input(places[$0], model: way.models[$0], adapter: way.adapters[$0], dtype: way.dtypes[$0])
      }
      guard read.count == places.count,
        read.allSatisfy({ $0.auxiliaries.allSatisfy(inputs.indices.contains) })
      else { return nil }
      planned.append(
        PlannedTensor(
          name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, method: way.method, inputs: read,
          workingDType: way.working, rows: rows))
    }
    let seed = record["seed"]?.int.flatMap(UInt32.init(exactly:))
    return Plan(arithmetic: arithmetic, seed: seed, inputs: inputs.compactMap { $0 }, tensors: planned)
  }

  private static func way(_ record: JSONValue, inputs count: Int) -> Way? {
    guard let name = record["method"]?.text.flatMap(MergeMethod.init(rawValue:)),
      let inputs = record["inputs"]?.elements?.compactMap(\.int), !inputs.isEmpty,
      inputs.allSatisfy({ (0..<count).contains($0) }),
      let dtypes = record["dtypes"]?.elements?.compactMap({ $0.text.flatMap(DType.init(rawValue:)) }),
      dtypes.count == inputs.count
    else { return nil }
    let adapters = record["adapters"]?.elements?.map(\.int) ?? inputs.map { _ in nil }
    guard adapters.count == inputs.count, adapters.allSatisfy({ $0.map((0..<count).contains) ?? true }) else {
      return nil
    }
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
      method: MethodCall(name, base: base, perInput: perInput, settings: settings), models: inputs, adapters: adapters,
      dtypes: dtypes, working: record["working_dtype"]?.text.flatMap(DType.init(rawValue:)), rows: record["rows"]?.int)
  }
}

/// The measurements of one tensor in a document: f64, little-endian, in base64; nothing lost.
enum MeasurementText {
  static func encode(_ measurements: [Double]) -> String {
    let bytes = measurements.flatMap { value in
      (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt64(8 * $0)) }
    }
    return Data(bytes).base64EncodedString()
  }

  static func decode(_ text: String) -> [Double]? {
    guard let bytes = Data(base64Encoded: text), bytes.count % 8 == 0 else { return nil }
    return stride(from: 0, to: bytes.count, by: 8).map { start in
      let bits = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
      return Double(bitPattern: bits)
    }
  }
}
