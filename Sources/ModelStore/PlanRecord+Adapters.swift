import JSON
import Merging
import Tensors

// How a plan's record tells which tensor is read: its name, or an object for a weight with an adapter applied, for one
// that an adapter holds or that has another name in the model, for one that lies in pieces, and for one behind a mask
// or a subspace.
extension PlanRecord {
  /// The part of an input that its way does not hold.
  static func place(_ input: PlannedInput) -> JSONValue {
    if input.change == nil, input.name == input.tensor, input.realignment == nil { return .string(input.tensor) }
    var members: [JSONValue.Member] = [.init("weight", .string(input.tensor))]
    if !input.pieces.isEmpty { members.append(.init("pieces", .array(input.pieces.map(JSONValue.string)))) }
    if input.name != input.tensor { members.append(.init("name", .string(input.name))) }
    if let realignment = input.realignment { members.append(.init("realigned", json(realignment))) }
    guard let change = input.change else { return .object(members) }
    members += [
      .init("dtype", .string(change.weightDType.rawValue)),
      .init("rank", .integer(change.rank)), .init("scale", .number(change.scale)),
      .init("transposed", .bool(change.isTransposed)),
      .init("b", factor(change.b)),
    ]
    if let a = change.a { members.append(.init("a", factor(a))) }
    if let magnitude = change.magnitude { members.append(.init("magnitude", factor(magnitude))) }
    return .object(members)
  }

  /// The input again; nil where the record is no place of a tensor, or of a weight with an adapter where the way has
  /// none.
  static func input(_ place: JSONValue, model: Int, adapter: Int?, dtype: DType) -> PlannedInput? {
    guard let record = place["realigned"] else {
      return plainInput(place, model: model, adapter: adapter, dtype: dtype)
    }
    guard let realignment = realignment(record), realignment.wideDType == dtype else { return nil }
    return plainInput(place, model: model, adapter: adapter, dtype: realignment.dtype)?.realigned(by: realignment)
  }

  /// The same before a mask or a subspace.
  private static func plainInput(_ place: JSONValue, model: Int, adapter: Int?, dtype: DType) -> PlannedInput? {
    guard let weight = place.text ?? place["weight"]?.text else { return nil }
    let name = place["name"]?.text
    guard let adapter else {
      let pieces = place["pieces"]?.elements?.compactMap(\.text) ?? []
      return PlannedInput(model: model, tensor: weight, dtype: dtype, name: name, pieces: pieces)
    }
    guard let stored = place["dtype"]?.text.flatMap(DType.init(rawValue:)),
      let rank = place["rank"]?.int, rank > 0, let scale = place["scale"]?.double,
      let isTransposed = place["transposed"]?.truth,
      let b = place["b"].flatMap(factor)
    else { return nil }
    let change = LowRank(
      weightDType: stored, adapter: adapter, a: place["a"].flatMap(factor), b: b,
      magnitude: place["magnitude"].flatMap(factor), rank: rank, scale: scale, isTransposed: isTransposed)
    guard change.dtype == dtype, (place["a"] == nil) == (change.a == nil),
      (place["magnitude"] == nil) == (change.magnitude == nil)
    else { return nil }
    return PlannedInput(model: model, tensor: weight, dtype: dtype, name: name, change: change)
  }

  private static func json(_ realignment: Realignment) -> JSONValue {
    let anchor = realignment.anchor
    var members: [JSONValue.Member] = [
      .init("dtype", .string(realignment.dtype.rawValue)),
      .init("anchor", .array([.integer(anchor.model), .string(anchor.tensor), .string(anchor.dtype.rawValue)])),
    ]
    if let mask = realignment.mask {
      members.append(
        .init(
          "mask", .array([.integer(mask.model), .string(mask.tensor), .integer(mask.ones), .bool(mask.rescales)])))
    }
    if let projection = realignment.projection {
      members.append(
        .init(
          "project",
          .array([
            .integer(projection.model), .string(projection.tensor), .integer(projection.rank),
            .string(projection.isOnto ? "onto" : "out"),
          ])))
    }
    return .object(members)
  }

  private static func realignment(_ record: JSONValue) -> Realignment? {
    guard let dtype = record["dtype"]?.text.flatMap(DType.init(rawValue:)), dtype.isMergeable,
      let anchor = record["anchor"]?.elements, anchor.count == 3, let model = anchor[0].int,
      let tensor = anchor[1].text, let stored = anchor[2].text.flatMap(DType.init(rawValue:)), stored.isMergeable
    else { return nil }
    var mask: Realignment.Mask?
    if let fields = record["mask"]?.elements {
      guard fields.count == 4, let model = fields[0].int, let tensor = fields[1].text, let ones = fields[2].int,
        let rescales = fields[3].truth
      else { return nil }
      mask = .init(model: model, tensor: tensor, ones: ones, rescales: rescales)
    }
    var projection: Realignment.Projection?
    if let fields = record["project"]?.elements {
      guard fields.count == 4, let model = fields[0].int, let tensor = fields[1].text, let rank = fields[2].int,
        rank >= 0, let side = fields[3].text, ["onto", "out"].contains(side)
      else { return nil }
      projection = .init(model: model, tensor: tensor, rank: rank, isOnto: side == "onto")
    }
    return Realignment(
      dtype: dtype, anchor: .init(model: model, tensor: tensor, dtype: stored), mask: mask, projection: projection)
  }

  private static func factor(_ factor: LowRank.Factor) -> JSONValue {
    var elements: [JSONValue] = [.string(factor.name), .string(factor.dtype.rawValue)]
    if let mask = factor.mask {
      elements.append(.array([.integer(mask.model), .integer(mask.ones), .bool(mask.rescales)]))
      if let anchor = mask.anchor {
        elements.append(.array([.integer(anchor.model), .string(anchor.dtype.rawValue)]))
      }
    }
    return .array(elements)
  }

  private static func factor(_ value: JSONValue) -> LowRank.Factor? {
    guard let fields = value.elements, (2...4).contains(fields.count), let name = fields[0].text,
      let dtype = fields[1].text.flatMap(DType.init(rawValue:)), dtype.isMergeable
    else { return nil }
    if fields.count == 2 { return LowRank.Factor(name: name, dtype: dtype) }
    guard let mask = fields[2].elements, mask.count == 3, let model = mask[0].int, let ones = mask[1].int,
      let rescales = mask[2].truth
    else { return nil }
    var anchor: LowRank.Mask.Anchor?
    if fields.count == 4 {
      guard let place = fields[3].elements, place.count == 2, let model = place[0].int,
        let dtype = place[1].text.flatMap(DType.init(rawValue:)), dtype.isMergeable
      else { return nil }
      anchor = .init(model: model, dtype: dtype)
    }
    return LowRank.Factor(
      name: name, dtype: dtype, mask: .init(model: model, ones: ones, rescales: rescales, anchor: anchor))
  }
}
