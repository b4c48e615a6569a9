/// Where the rows of embeddings come from where the fused model has another vocabulary: for each input of a tensor,
/// runs of rows. Part of what a derivation keeps.
package struct RowMap: Sendable, Hashable {
  /// What a row is taken from.
  package enum Source: Sendable, Hashable {
    /// Rows of one of the tensor's inputs, one after the other: this one, or another for a token it lacks.
    case row(input: Int, first: Int)
    case zero
    /// The mean of the rows of all inputs that have the token, in the order of inputs.
    case mean
    /// The mean of all rows that have a token.
    case padding

    /// The first row read; -1 where none is.
    var first: Int { if case .row(_, let first) = self { first } else { -1 } }
  }

  /// Neighbouring rows of one source.
  package struct Run: Sendable, Hashable {
    package let start: Int
    package let count: Int
    package let source: Source

    package init(start: Int, count: Int, source: Source) {
      self.start = start
      self.count = count
      self.source = source
    }

    var end: Int { start + count }
  }

  /// Rows of the output.
  package let rows: Int
  /// Rows that each input has.
  package let inputRows: [Int]
  /// For each input all rows of the output, in order.
  package let inputs: [[Run]]

  /// Nil where runs do not cover exactly the rows, point outside an input, or average what nobody has.
  package init?(rows: Int, inputRows: [Int], inputs: [[Run]]) {
    (self.rows, self.inputRows, self.inputs) = (rows, inputRows, inputs)
    guard inputs.count == inputRows.count else { return nil }
    for runs in inputs {
      var next = 0
      for run in runs {
        guard run.start == next, run.count > 0, run.count <= rows - next else { return nil }
        if case .row(let input, let first) = run.source {
          guard inputs.indices.contains(input), first >= 0, first <= inputRows[input] - run.count else { return nil }
        }
        next = run.end
      }
      guard next == rows else { return nil }
    }
    var isWhole = true
    forEachStretch { stretch, runs in
      let isPadding = runs.count { $0.source == .padding }
      if isPadding > 0, isPadding < runs.count || stretch.upperBound != rows { isWhole = false }
      if runs.contains(where: { $0.source == .mean }) {
        if !runs.indices.contains(where: { isOwn(runs[$0], of: $0) }) { isWhole = false }
      }
    }
    if !isWhole || !inputs.isEmpty && tokens == 0 { return nil }
  }

  /// Rows that have a token; padding follows.
  package var tokens: Int {
    guard let last = inputs.first?.last, last.source == .padding else { return rows }
    return last.start
  }

  /// True where every input keeps its rows as they are.
  package var isIdentity: Bool {
    inputs.indices.allSatisfy {
      inputRows[$0] == rows && inputs[$0] == [Run(start: 0, count: rows, source: .row(input: $0, first: 0))]
    }
  }

  /// The runs of an input that overlap some rows.
  func runs(_ input: Int, _ wanted: Range<Int>) -> ArraySlice<Run> {
    let all = inputs[input]
    let first = index(input, of: wanted.lowerBound)
    let end = all[first...].firstIndex { $0.start >= wanted.upperBound } ?? all.count
    return all[first..<end]
  }

  /// The run of an input that holds a row.
  func run(_ input: Int, at row: Int) -> Run { inputs[input][index(input, of: row)] }

  /// True where an input takes a row of its own.
  func isOwn(_ run: Run, of input: Int) -> Bool {
    if case .row(input, _) = run.source { true } else { false }
  }

  private func index(_ input: Int, of row: Int) -> Int {
    let all = inputs[input]
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].end <= row { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// How many rows are what: kept where every input has them, averaged, or new to an input in another way.
  package var counts: (kept: Int, averaged: Int, new: Int) {
    var (kept, averaged) = (0, 0)
    forEachStretch { stretch, runs in
      if runs.contains(where: { $0.source == .mean }) {
        averaged += stretch.count
      } else if runs.indices.allSatisfy({ isOwn(runs[$0], of: $0) }) {
        kept += stretch.count
      }
    }
    return (kept, averaged, rows - kept - averaged)
  }

  /// Goes through rows that have the same run in every input.
  private func forEachStretch(_ body: (Range<Int>, [Run]) -> Void) {
    var places = inputs.map { _ in 0 }
    var row = 0
    while row < rows {
      let runs = inputs.indices.map { inputs[$0][places[$0]] }
      guard let end = runs.map(\.end).min() else { return }
      body(row..<end, runs)
      for input in inputs.indices where runs[input].end == end { places[input] += 1 }
      row = end
    }
  }
}

extension RowMap {
  /// The map without its padding; itself where it has none.
  var unpadded: RowMap {
    let kept = inputs.map { runs in runs.filter { $0.source != .padding } }
    return RowMap(rows: tokens, inputRows: inputRows, inputs: kept) ?? self
  }
}

extension OutputVocabulary {
  /// Where the rows of a tensor of these models come from.
  ///
  /// A model's own row wins, but for forced tokens. For the others there is one row for all models that lack it: the
  /// source that the recipe names; else that of the only model with the token, that of the base, the mean of all that
  /// have it; zeros where nobody has it.
  func rowMap(models: [String], base: String?) throws(MergeError) -> RowMap {
    let tables = models.map { own[$0] ?? [] }
    let basePlace = base.flatMap { models.firstIndex(of: $0) }
    var drafts = models.map { _ in RunDraft() }
    for id in 0..<ids.count {
      let setting = settings[id]
      let isForced = setting?.isForced ?? false
      let owners = tables.indices.filter { tables[$0][id] >= 0 }
      var source = RowMap.Source.mean
      if isForced || owners.count < models.count {
        if let setting {
          source = try Self.source(setting, models)
        } else if owners.isEmpty {
          source = .zero
        } else if let only = owners.count == 1 ? owners[0] : basePlace, tables[only][id] >= 0 {
          source = .row(input: only, first: tables[only][id])
        }
      }
      for input in tables.indices {
        let row = tables[input][id]
        drafts[input].append(row >= 0 && !isForced ? .row(input: input, first: row) : source, count: 1)
      }
    }
    for input in drafts.indices where rows > ids.count { drafts[input].append(.padding, count: rows - ids.count) }
    guard let map = RowMap(rows: rows, inputRows: models.map { modelRows[$0] ?? 0 }, inputs: drafts.map(\.runs)) else {
      preconditionFailure("a vocabulary made a map that does not cover it")
    }
    return map
  }

  private static func source(_ setting: Setting, _ models: [String]) throws(MergeError) -> RowMap.Source {
    switch setting.source {
    case .zero: return .zero
    case .row(let model, let row):
      if let place = models.firstIndex(of: model) { return .row(input: place, first: row) }
      throw .misfit(
        place: "tokenizer, token '\(setting.token)'", expected: "a source among the models of the slice",
        found: "'\(model)'", line: nil)
    case .none:
      throw .misfit(
        place: "tokenizer, token '\(setting.token)'",
        expected: "a source, because \(setting.isForced ? "it is forced" : "not every model has it")", found: "none",
        line: nil)
    }
  }
}

/// Runs that grow row by row.
private struct RunDraft {
  private(set) var runs: [RowMap.Run] = []

  mutating func append(_ source: RowMap.Source, count: Int) {
    guard let last = runs.last else { return runs.append(.init(start: 0, count: count, source: source)) }
    let continues: Bool
    switch (last.source, source) {
    case (.row(let a, let first), .row(let b, let next)): continues = a == b && first + last.count == next
    default: continues = last.source == source
    }
    if continues {
      runs[runs.count - 1] = .init(start: last.start, count: last.count + count, source: last.source)
    } else {
      runs.append(.init(start: last.end, count: count, source: source))
    }
  }
}
