import JSON
import Merging

/// A row map as a derivation keeps it: for each input three numbers a run: how many rows, the input that they come from
/// (-1 zeros, -2 means of the inputs that have the token, -3 padding), and the first row there.
enum RowRecord {
  /// The place of a map among those of a plan; puts it there where it is new.
  static func number(of map: RowMap, in maps: inout [RowMap]) -> Int {
    if let known = maps.firstIndex(of: map) { return known }
    maps.append(map)
    return maps.count - 1
  }

  static func json(_ map: RowMap) -> JSONValue {
    let runs = map.inputs.map { runs in
      JSONValue.array(
        runs.flatMap { run -> [JSONValue] in
          let (source, first) =
            switch run.source {
            case .row(let input, let first): (input, first)
            case .zero: (-1, 0)
            case .mean: (-2, 0)
            case .padding: (-3, 0)
            }
          return [.integer(run.count), .integer(source), .integer(first)]
        })
    }
    return [
      "rows": .integer(map.rows), "input_rows": .array(map.inputRows.map(JSONValue.integer)), "runs": .array(runs),
    ]
  }

  /// The map again; nil where the record is none.
  static func map(_ record: JSONValue) -> RowMap? {
    guard let rows = record["rows"]?.int, let counts = record["input_rows"]?.elements?.map(\.int),
      let lists = record["runs"]?.elements?.map(runs), !counts.contains(nil), !lists.contains(nil)
    else { return nil }
    return RowMap(rows: rows, inputRows: counts.compactMap { $0 }, inputs: lists.compactMap { $0 })
  }

  private static func runs(_ list: JSONValue) -> [RowMap.Run]? {
    guard let numbers = list.elements?.compactMap(\.int), numbers.count == list.elements?.count,
      numbers.count % 3 == 0
    else { return nil }
    var runs: [RowMap.Run] = []
    var start = 0
    for at in stride(from: 0, to: numbers.count, by: 3) {
      let source: RowMap.Source
      switch numbers[at + 1] {
      case -1: source = .zero
      case -2: source = .mean
      case -3: source = .padding
      case let input where input >= 0: source = .row(input: input, first: numbers[at + 2])
      default: return nil
      }
      guard (1...1 << 40).contains(numbers[at]) else { return nil }
      runs.append(.init(start: start, count: numbers[at], source: source))
      start += numbers[at]
    }
    return runs
  }
}
