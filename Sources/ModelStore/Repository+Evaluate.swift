package import JSON
import Lineage
import Objects

/// A metric of an evaluation.
public struct MetricLine: Sendable {
  public let name: String
  /// The data set's name in the evaluation, and its digest.
  public let data: String
  public let dataSHA256: String
  public let value: Double
  public let n: Int?
  public let hits: Int?
  /// Of a rate: its Wilson 95 % interval.
  public let low: Double?
  public let high: Double?

  package var json: JSONValue {
    [
      "name": .string(name), "data": .string(data), "data_sha256": .string(dataSHA256), "value": .number(value),
      "n": .init(n), "hits": .init(hits), "low": .init(low), "high": .init(high),
    ]
  }
}

/// What was measured of a model's weights.
public struct EvaluationReport: Sendable {
  public let id: String
  /// The model that was loaded, and its first name if it has one.
  public let model: String
  public let name: String?
  public let weightsID: String
  public let madeAt: String
  public let madeBy: String
  public let program: String
  public let programVersion: String?
  public let programSHA256: String
  /// Digests of the model's tokenizer files and of its chat template.
  public let tokenizer: String?
  public let chatTemplate: String?
  public let metrics: [MetricLine]
  package let record: JSONValue?

  package var json: JSONValue {
    [
      "id": .string(id), "model": .string(model), "name": .init(name), "weights_id": .string(weightsID),
      "made_at": .string(madeAt), "made_by": .string(madeBy),
      "evaluator": [
        "program": .string(program), "version": .init(programVersion), "sha256": .string(programSHA256),
      ],
      "tokenizer": .init(tokenizer), "chat_template": .init(chatTemplate),
      "metrics": .array(metrics.map(\.json)), "record": record ?? .null,
    ]
  }
}

extension Repository {
  /// Records what an evaluator found of a model, bound to its weights. Durable when it returns.
  ///
  /// It is the model's own evaluation, and of no other weights: not of a merge of it, nor of what it was merged from.
  ///
  /// - Parameters:
  ///   - results: the evaluator's results (`EvaluationDraft`).
  ///   - label: what the results are called in messages.
  ///   - evaluator: the bytes of the evaluator's program, where the results lack its digest.
  public func addEvaluation(
    of reference: String, results: [UInt8], label: String, evaluator: [UInt8]? = nil, madeBy: String? = nil
  ) throws(RepositoryError) -> EvaluationReport {
    try door {
      try requireWritable()
      let model = try resolve(reference)
      try requirePresent(model)
      guard let row = try lineage.model(model) else { throw LineageError.unknownModel(model) }
      let draft = try EvaluationDraft(
        parsing: results, label: label, evaluator: evaluator.map { Digest(of: $0) })
      let evaluation = Evaluation(
        draft, of: model, weightsID: row.weightsID,
        trappings: try trappings(of: manifest(of: model), label: reference),
        stamp: Stamp(madeBy: madeBy ?? whoami()))
      let document = evaluation.document
      try record(.evaluation(evaluation), document, of: model, evaluation.stamp)
      return try report(evaluation, document.digest)
    }
  }

  /// The evaluations of a model's weights, newest first; all there are for nil.
  public func evaluations(of reference: String? = nil) throws(RepositoryError) -> [EvaluationReport] {
    try door {
      let weights = try reference.map { try subject(resolve($0)).weightsID }
      return try lineage.evaluations(of: weights).map { try report(Evaluation(documents.get($0.digest)), $0.digest) }
    }
  }

  /// An evaluation by its id, or the first 8 or more digits of it.
  public func evaluation(_ id: String) throws(RepositoryError) -> EvaluationReport {
    try door {
      let found = id.utf8.count >= 8 ? try lineage.evaluations(prefix: id) : []
      guard let digest = found.first else {
        throw RepositoryError(.notFound, "no evaluation \(id)", hint: "see them with: stemma evaluation list")
      }
      guard found.count == 1 else {
        throw RepositoryError(.conflict, "\(id) is the beginning of several evaluations", hint: "give more digits")
      }
      return try report(Evaluation(documents.get(digest)), digest)
    }
  }

  private func report(_ evaluation: Evaluation, _ digest: Digest) throws -> EvaluationReport {
    let names = Dictionary(
      evaluation.data.map { ($0.digest, $0.name) }, uniquingKeysWith: { first, _ in first })
    return EvaluationReport(
      id: digest.hex, model: evaluation.model.hex, name: try lineage.names(of: evaluation.model).first,
      weightsID: evaluation.weightsID.hex, madeAt: evaluation.stamp.madeAt, madeBy: evaluation.stamp.madeBy,
      program: evaluation.program, programVersion: evaluation.version, programSHA256: evaluation.evaluator.hex,
      tokenizer: evaluation.trappings.tokenizer?.hex, chatTemplate: evaluation.trappings.chatTemplate?.hex,
      metrics: evaluation.metrics.map { metric in
        MetricLine(
          name: metric.name, data: names[metric.data] ?? metric.data.short, dataSHA256: metric.data.hex,
          value: metric.value, n: metric.n, hits: metric.hits, low: metric.interval?.low, high: metric.interval?.high)
      }, record: evaluation.record)
  }
}

extension JSONValue {
  init(_ number: Int?) { self = number.map(JSONValue.integer) ?? .null }
}
