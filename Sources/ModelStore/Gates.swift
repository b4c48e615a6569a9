import JSON
import Lineage
import Objects

/// What a caller wants in spite of advisories, and what it asks for beside the store's own policy.
public struct Permission: Sendable {
  /// Lets flagged models through; that is recorded. A policy that refuses them still does.
  public var allowsFlagged: Bool
  /// The path of one more policy for names. That of the store, `policy.yml` in `.stemma`, always holds.
  public var policy: String?

  /// Makes one that allows nothing unusual.
  public init(allowsFlagged: Bool = false, policy: String? = nil) {
    self.allowsFlagged = allowsFlagged
    self.policy = policy
  }
}

extension Repository {
  /// Lets a model pass to be used.
  ///
  /// - Parameters:
  ///   - use: what for, such as `to export it`.
  ///   - permission: nil where a caller cannot ask for more than what is not flagged.
  /// - Returns: the open advisories that were passed over, which the caller records.
  /// - Throws: `conflict` where the model is flagged and that is not allowed.
  func pass(_ model: Digest, _ use: String, _ permission: Permission?) throws -> [Digest] {
    try pass(try standing(of: try subject(model)), try label(model), use, permission)
  }

  private func pass(
    _ standing: Standing, _ label: String, _ use: String, _ permission: Permission?
  ) throws -> [Digest] {
    if standing.open.isEmpty || permission?.allowsFlagged == true { return standing.openIDs.sorted() }
    let flag = standing.open[0]
    let more = standing.open.count > 1 ? " and \(standing.open.count - 1) more" : ""
    let origin = flag.isDirect ? "" : " on \(flag.source), from which it descends"
    throw RepositoryError(
      .conflict,
      "model \(label): no open advisory expected \(use), found \(flag.kind) \(flag.advisory.prefix(12))"
        + "\(origin): \(flag.reason.quoted)\(more)",
      hint: (flag.clearedBy.isEmpty
        ? "stemma withdraw \(flag.advisory.prefix(12)) lifts it"
        : "an evaluation of its own clears it: \(flag.clearedBy.joined(separator: " and "))")
        + (permission == nil ? "" : "; --allow-flagged passes over it, which is recorded"))
  }

  /// Lets a model have a name: by the policies, then by its advisories.
  ///
  /// - Returns: the open advisories that were passed over, which the name's event records.
  /// - Throws: `conflict` where a policy or an advisory refuses; `invalidInput` for a policy that cannot be read.
  func passName(_ name: String, for subject: Subject, _ permission: Permission) throws -> [Digest] {
    let standing = try standing(of: subject)
    for (policy, rule) in try rules(for: name, permission) {
      if rule.refusesFlagged, let flag = standing.open.first {
        throw RepositoryError(
          .conflict,
          "name \(name): no open advisory expected by \(policy.place(of: rule)), found \(flag.kind) "
            + "\(flag.advisory.prefix(12)) on \(flag.isDirect ? "the model" : flag.source)",
          hint: "the policy holds with --allow-flagged too; give another name, or clear the advisory")
      }
      if rule.bounds.isEmpty { continue }
      let own = try applicable(try lineage.evaluations(of: subject.weightsID), to: subject)
      for bound in rule.bounds where bound.evaluation(among: own) == nil {
        throw RepositoryError(
          .conflict,
          "name \(name): an evaluation of the model with \(bound.text) expected by "
            + "\(policy.place(of: rule)), found \(Self.nearest(to: bound, own))",
          hint: subject.manifest == nil
            ? "record the model without a name, evaluate it, then give the name with: stemma tag"
            : "record one with: stemma evaluation add \(subject.model.short) RESULTS")
      }
    }
    return try pass(standing, name, "to give it this name", permission)
  }

  private func rules(for name: String, _ permission: Permission) throws -> [(Policy, Policy.Rule)] {
    try [Policy.load(layout.policy), permission.policy.map { try Policy.require(absolute($0)) }]
      .compactMap(\.self).flatMap { policy in policy.rules(for: name).map { (policy, $0) } }
  }

  /// Refuses a name that nothing new can have, because a policy asks for an evaluation, before the work begins.
  ///
  /// - Throws: `conflict`; `invalidInput` for a policy that cannot be read.
  func passNameOfNew(_ name: String, _ permission: Permission) throws {
    for (policy, rule) in try rules(for: name, permission) {
      guard let bound = rule.bounds.first else { continue }
      throw RepositoryError(
        .conflict,
        "name \(name): an evaluation of the model with \(bound.text) expected by \(policy.place(of: rule)), found a "
          + "model that is still to be made",
        hint: "choose another name, record an evaluation of the result, then give it this name with: stemma tag")
    }
  }

  /// What was measured instead of what a bound asks for.
  private static func nearest(to bound: Bound, _ own: [EvaluationRow]) -> String {
    for evaluation in own {
      let found = evaluation.metrics.first {
        $0.name == bound.metric && (bound.data == nil || bound.data == $0.data)
      }
      guard let found else { continue }
      let interval = found.interval.map { " (95 % interval \($0.low) to \($0.high))" } ?? ""
      return "\(found.value)\(interval)"
    }
    return own.isEmpty ? "no evaluation" : "evaluations without it"
  }

  /// Records that a flagged model goes out, before it does; nothing where it is not flagged. Durable when it returns.
  func recordExport(_ model: Digest, to target: String?, passing advisories: [Digest]) throws {
    if advisories.isEmpty { return }
    try requireWritable()
    let allowance = Allowance(
      action: "export", model: model, advisories: advisories, target: target,
      stamp: Stamp(madeBy: whoami()))
    try record(.allowance(allowance), allowance.document, of: model, allowance.stamp)
  }
}
