import Foundation
import Objects
import TestSupport
import Testing

@testable import ModelStore

@Suite("policies for names") struct PolicyTests {
  private static let strict = """
    names:
      - pattern: prod/*
        no_open_advisory: true
        evaluation:
          - lower(refusal_rate) >= 0.8 on sha256:\(AdvisoryTests.data.hex)
    """

  private func refuses(_ text: String, _ use: () throws -> Void) -> Bool {
    do {
      try use()
      return false
    } catch let error as RepositoryError {
      return error.kind == .conflict && error.message.contains(text) && error.hint != nil
    } catch { return false }
  }

  @Test("a name of the pattern needs an evaluation and no open advisory, wherever it is given; others do not")
  func gates() throws {
    let (stage, store) = try AdvisoryTests.family()
    defer { withExtendedLifetime(stage) {} }
    try Data(Self.strict.utf8).write(to: URL(fileURLWithPath: stage.store + "/policy.yml"))
    let allowed = Permission(allowsFlagged: true)
    let path = try stage.write("tuned", Stage.model(seed: 1, tune: 9))
    #expect(refuses("found no evaluation") { _ = try store.tag("good", as: "prod/chat") })
    #expect(refuses("found no evaluation") { _ = try store.tag("good", as: "PROD/chat:v1", permission: allowed) })
    #expect(
      refuses("policy.yml line 2 for prod/*") {
        _ = try store.importCheckpoint(at: path, name: "prod/tuned", base: "base")
      })
    #expect(
      refuses("prod/*") {
        _ = try store.merge(recipe: AdvisoryTests.recipe("bad", "good", 0.5), relativeTo: "/", name: "prod/new")
      })
    #expect(refuses("prod/*") { _ = try store.extract("bad", base: "base", rank: 2, to: nil, name: "prod/low") })
    #expect(refuses("still to be made") { try store.passNameOfNew("prod/new", allowed) })
    try store.passNameOfNew("staging/new", Permission())
    #expect(try store.list(all: true).count == 4)
    _ = try store.tag("good", as: "staging/chat")
    _ = try store.addEvaluation(of: "good", results: AdvisoryTests.results(85, of: 100), label: "results")
    #expect(refuses("found 0.85") { _ = try store.tag("good", as: "prod/chat") })
    _ = try store.addEvaluation(of: "good", results: AdvisoryTests.results(95, of: 100), label: "results")
    _ = try store.tag("good", as: "prod/chat")

    let advisory = try store.advise("good", kind: "licence", reason: "revoked").id
    #expect(
      refuses("no open advisory expected by") {
        _ = try store.tag("good", as: "prod/again", permission: allowed)
      })
    _ = try store.tag("good", as: "staging/again", permission: allowed)
    _ = try store.withdraw(advisory)
    _ = try store.tag("good", as: "prod/again")
  }

  @Test("a copy with another README passes by the evaluations of its weights, once its files are on record")
  func copies() throws {
    let (stage, store) = try AdvisoryTests.family()
    defer { withExtendedLifetime(stage) {} }
    try Data(Self.strict.utf8).write(to: URL(fileURLWithPath: stage.store + "/policy.yml"))
    _ = try store.addEvaluation(of: "good", results: AdvisoryTests.results(95, of: 100), label: "results")
    let path = try stage.write("copy", Stage.model(seed: 1, tune: 7))
    try Data("# A copy\n".utf8).write(to: URL(fileURLWithPath: path + "/README.md"))
    #expect(refuses("prod/copy") { _ = try store.importCheckpoint(at: path, name: "prod/copy", base: "base") })
    let id = try store.importCheckpoint(at: path, name: nil, base: "base").id
    _ = try store.tag(id, as: "prod/copy")
    #expect(try store.list().filter { $0.names == ["prod/copy"] }.map(\.id) == [id])
  }

  @Test("a policy that is a link to nowhere stops names")
  func dangling() throws {
    let (stage, store) = try AdvisoryTests.family()
    try FileManager.default.createSymbolicLink(
      atPath: stage.store + "/policy.yml", withDestinationPath: stage.folder.path + "/nowhere")
    #expect { try store.tag("good", as: "any") } throws: {
      ($0 as? RepositoryError)?.message.contains("policy") == true
    }
  }

  @Test("a policy that is given holds beside the store's")
  func second() throws {
    let (stage, store) = try AdvisoryTests.family()
    defer { withExtendedLifetime(stage) {} }
    let file = stage.folder.path + "/more.yml"
    try Data(Self.strict.utf8).write(to: URL(fileURLWithPath: file))
    #expect(
      refuses("more.yml") {
        _ = try store.tag("good", as: "prod/chat", permission: Permission(policy: file))
      })
    try Data("names: [{pattern: '*', no_open_advisory: true}]".utf8).write(to: URL(fileURLWithPath: file))
    _ = try store.tag("good", as: "prod/chat", permission: Permission(policy: file))
    try Data(Self.strict.utf8).write(to: URL(fileURLWithPath: stage.store + "/policy.yml"))
    #expect(
      refuses("policy.yml") {
        _ = try store.tag("good", as: "prod/again", permission: Permission(policy: file))
      })
    #expect {
      try store.tag("good", as: "x", permission: Permission(policy: "/none.yml"))
    } throws: { ($0 as? RepositoryError)?.kind == .notFound }
  }

  @Test(
    "a policy that is not understood is refused with its line, and no name is given",
    arguments: [
      ("", "'names'"), ("names", "mapping"), ("names: 3", "a list of rules"), ("name: []", "unknown key 'name'"),
      ("names:\n  - patern: x", "line 2: unknown key 'patern'"), ("names:\n  - {pattern: x}", "no_open_advisory: true"),
      ("names:\n  - {pattern: x, no_open_advisory: maybe}", "true or false"),
      ("names:\n  - {pattern: x, no_open_advisory: false}", "no_open_advisory: true"),
      ("names:\n  - {pattern: x, evaluation: []}", "a list of bounds"),
      ("names:\n  - pattern: x\n    evaluation:\n      - rate is good", "line 4: evaluation: a bound"),
      ("names:\n  - {no_open_advisory: true}", "a name in which"), ("names: [", "no valid YAML"),
      ("names: []\nnames: []", "no valid YAML"),
    ])
  func refused(text: String, message: String) throws {
    #expect {
      try Policy(text, path: "policy.yml")
    } throws: { error in
      guard let error = error as? RepositoryError else { return false }
      let isOneLine = !error.message.contains("\n")
      return error.kind == .invalidInput && isOneLine && (error.message + (error.hint ?? "")).contains(message)
    }
  }

  @Test("misspelt keys come with a suggestion")
  func suggestion() {
    #expect {
      try Policy("names:\n  - {pattern: x, no_open_advisories: true}", path: "p")
    } throws: { ($0 as? RepositoryError)?.hint == "did you mean 'no_open_advisory'?" }
  }
}
