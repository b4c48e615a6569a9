import Lineage
import Objects
import Testing

@testable import ModelStore

@Suite("bounds and intervals") struct BoundTests {
  private let data = Digest(of: Array("data".utf8))
  private let other = Digest(of: Array("other".utf8))

  private func evaluation(_ sequence: Int, _ metrics: EvaluationRow.Metric...) -> EvaluationRow {
    let model = Digest(of: Array("model".utf8))
    return EvaluationRow(
      digest: Digest(of: Array("\(sequence)".utf8)), weightsID: model, model: model, madeAt: "", madeBy: "",
      event: EventPlace(sequence: sequence, entry: model, store: .random()), metrics: metrics)
  }

  private func rate(_ hits: Int, of n: Int, on data: Digest) -> EvaluationRow.Metric {
    .init(name: "rate", data: data, value: Double(hits) / Double(n), n: n, hits: hits)
  }

  @Test("Wilson's interval is that of the books, and ends at 0 and 1")
  func wilson() {
    for (hits, n, low, high) in [
      (90, 100, 0.8256343, 0.9447708), (0, 10, 0, 0.2775328), (10, 10, 0.7224672, 1), (1, 2, 0.0945312, 0.9054688),
    ] {
      let interval = WilsonInterval(hits: hits, of: n)
      #expect(abs(interval.low - low) < 1e-6 && abs(interval.high - high) < 1e-6, "\(hits) of \(n): \(interval)")
    }
    #expect(WilsonInterval(hits: 0, of: 7).low == 0)
    #expect(WilsonInterval(hits: 7, of: 7).high == 1)
  }

  @Test("a bound is read and written the same way")
  func spelling() throws {
    for text in [
      "refusal_rate >= 0.9 on sha256:\(data.hex)", "lower(refusal_rate) > 0.85", "upper(over/refusal) <= 0.1",
      "loss < 2.0",
    ] {
      #expect(try Bound(text, place: "here").text == text)
    }
    #expect(try Bound("a  >=  1 on \(data.hex)", place: "here").text == "a >= 1.0 on sha256:\(data.hex)")
  }

  @Test(
    "what is no bound is refused",
    arguments: [
      "", "rate", "rate >= ", "rate => 0.9", "rate >= much", "rate >= nan", "rate >= inf", "rate >= 0x1p3",
      "rate >= 0.9 on", "rate >= 0.9 on sha256:12", "rate >= 0.9 at sha256:12", "middle(rate) >= 1", "ra te >= 0.9",
      "lower() >= 1",
    ])
  func refused(text: String) {
    #expect {
      try Bound(text, place: "here")
    } throws: { error in
      guard let error = error as? RepositoryError else { return false }
      return error.kind == .invalidInput && error.message.hasPrefix("here: ") && error.message.contains(text)
    }
  }

  @Test("the value counts, and the ends of the interval where they are asked for")
  func quantities() throws {
    let row = evaluation(1, rate(90, of: 100, on: data))
    func meets(_ text: String) throws -> Bool { try Bound(text, place: "").evaluation(among: [row]) != nil }
    #expect(try meets("rate >= 0.9") && meets("rate <= 0.9") && !meets("rate > 0.9") && !meets("rate < 0.9"))
    #expect(try meets("lower(rate) >= 0.82") && !meets("lower(rate) >= 0.83"))
    #expect(try meets("upper(rate) <= 0.95") && !meets("upper(rate) <= 0.94"))
    let loss = evaluation(1, .init(name: "rate", data: data, value: 1))
    #expect(try Bound("lower(rate) >= 0", place: "").evaluation(among: [loss]) == nil)
  }

  @Test("the newest evaluation with the metric on the data decides, alone")
  func newest() throws {
    let bound = try Bound("rate >= 0.9 on sha256:\(data.hex)", place: "")
    let good = evaluation(1, rate(95, of: 100, on: data))
    let bad = evaluation(2, rate(50, of: 100, on: data))
    let elsewhere = evaluation(3, rate(50, of: 100, on: other))
    #expect(bound.evaluation(among: [good]) == good)
    #expect(bound.evaluation(among: [bad, good]) == nil)
    #expect(bound.evaluation(among: [elsewhere, good]) == good)
    #expect(bound.evaluation(among: [elsewhere]) == nil)
    let loose = try Bound("rate >= 0.9", place: "")
    #expect(loose.evaluation(among: [elsewhere, good]) == nil)
    #expect(loose.evaluation(among: [evaluation(4, rate(1, of: 1, on: data), rate(0, of: 1, on: other))]) == nil)
  }

  private func draft(_ text: String, evaluator: Digest? = nil) throws -> EvaluationDraft {
    try EvaluationDraft(parsing: Array(text.utf8), label: "results", evaluator: evaluator)
  }

  private var head: String {
    """
    "evaluator": {"program": "p", "sha256": "\(data.hex)"}, "data": [{"name": "s", "sha256": "\(data.hex)"}]
    """
  }

  @Test("results are read: rates from their counts, losses by data set")
  func results() throws {
    let found = try draft(
      """
      {\(head), "metrics": {"rate": {"n": 3, "hits": 1}, "length": {"value": 12}}, "losses": {"s": 1.5},
       "record": {"any": ["thing"]}}
      """)
    #expect(
      found.metrics == [
        .init(name: "rate", data: data, value: 1.0 / 3, n: 3, hits: 1), .init(name: "length", data: data, value: 12),
        .init(name: "loss", data: data, value: 1.5),
      ])
    #expect(
      try draft(
        #"{"evaluator": {"program": "p"}, "data": [{"name": "s", "sha256": "\#(data.hex)"}],"#
          + #" "losses": {"s": 1}}"#, evaluator: other
      ).evaluator == other)
  }

  @Test("results that leave something open or contradict themselves are refused, and say where")
  func refusedResults() throws {
    let two = head.dropLast(1) + #", {"name": "t", "sha256": "\#(other.hex)"}]"#
    for (text, message) in [
      ("[", "no JSON"), ("{}", "evaluator"), ("{\(head)}", "at least one of metrics or losses"),
      (#"{\#(head), "metrics": {"rate": {"value": 0.5, "n": 3, "hits": 1}}}"#, "hits / n = 0.33"),
      (#"{\#(head), "metrics": {"rate": {"n": 1, "hits": 2}}}"#, "not more than n"),
      (#"{\#(head), "metrics": {"rate": {"hits": 2}}}"#, "hits of n"),
      (#"{\#(head), "metrics": {"rate": {"n": 0, "hits": 0}}}"#, "from 1"),
      (#"{\#(head), "metrics": {"rate": {}}}"#, "a value, or n and hits"),
      (#"{\#(head), "metrics": {"rate": {"vlaue": 1}}}"#, "unknown key 'vlaue'"),
      (#"{\#(head), "metrics": {"refusal_rate": {"value": 42, "n": 100}}}"#, "a rate from 0 to 1"),
      (#"{\#(head), "metrics": {"rate": {"value": 1, "data": "t"}}}"#, "one of the data sets s"),
      (#"{\#(head), "metrics": {"two words": {"value": 1}}}"#, "names of metrics"),
      (#"{\#(head), "losses": {"t": 1}}"#, "one of the data sets s"),
      (#"{\#(two), "metrics": {"rate": {"value": 1}}}"#, "beside 2 data sets"),
      (#"{\#(head), "metrics": {"rate": [{"value": 1}, {"value": 2}]}}"#, "found two"),
      (#"{\#(head), "metric": {}}"#, "unknown key 'metric'"),
      (#"{"evaluator": {"program": "p"}, "data": [], "losses": {}}"#, "evaluator.sha256"),
      (#"{"evaluator": {"program": "p", "sha256": "\#(data.hex)"}, "data": []}"#, "at least one data set"),
    ] {
      #expect("\(text)") {
        try draft(text)
      } throws: { error in
        guard let error = error as? RepositoryError else { return false }
        return error.kind == .invalidInput && error.message.contains(message)
      }
    }
    #expect(throws: RepositoryError.self) { try draft("{\(head), \"losses\": {\"s\": 1}}", evaluator: other) }
  }
}
