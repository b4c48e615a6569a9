import Foundation
import JSON
import Tensors
import TestSupport
import Testing

@testable import ModelStore

@Suite("evaluators and their folders")
struct EvaluatorTests {
  @Test("words of Python's json for no number are null, and texts that hold them stay")
  func words() throws {
    let line = #"{"a": NaN, "b": [Infinity, -Infinity, -1], "NaN": "say \"NaN\" \\", "c": NaN}"#
    let value = try JSONValue.parse(Evaluator.withoutWordsForNoNumber(Array(line.utf8)))
    #expect(
      value == ["a": .null, "b": [.null, .null, -1], "NaN": #"say "NaN" \"#, "c": .null])
  }

  @Test("an evaluator that does not end when its input does is ended after a while")
  func stubborn() throws {
    let folder = TestFolder()
    try Data("{\"prompt\": \"a\"}\n".utf8).write(to: URL(fileURLWithPath: folder.path + "/a.jsonl"))
    let data = try DataFile.read([.init(path: "a.jsonl")], relativeTo: folder.path, in: nil)
    let greeting = #"{"ready": true, "program": "x", "version": "1"}"#
    let command = "echo '\(greeting)'; echo $$ > \(folder.path)/pid; while true; do sleep 60; done"
    let evaluator = try Evaluator(
      command: command, data: data, log: folder.path + "/log", pool: WorkerPool(width: 1))
    while (try? String(contentsOfFile: folder.path + "/pid", encoding: .utf8))?.hasSuffix("\n") != true { usleep(1000) }
    let text = try String(contentsOfFile: folder.path + "/pid", encoding: .utf8)
    let process = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(kill(process, 0) == 0)
    evaluator.end()
    #expect(kill(process, 0) != 0 && errno == ESRCH)
  }

  @Test("a candidate lies in shared memory where there is room, else on the disk, else nowhere")
  func place() throws {
    let folder = TestFolder()
    let small = try CandidateFolder.place(for: "/a/b", bytes: 1, other: folder.path)
    #expect(small.hasPrefix("/dev/shm/stemma-") || small.hasPrefix(folder.path))
    let free = try #require(freeBytes(at: folder.path))
    let memory = freeBytes(at: "/dev/shm") ?? 0
    if memory / 2 < free - 1 << 20 {
      #expect(
        try CandidateFolder.place(for: "/a/b", bytes: memory / 2 + 1, other: folder.path).hasPrefix(folder.path))
    }
    #expect(throws: RepositoryError.self) {
      try CandidateFolder.place(for: "/a/b", bytes: Int.max / 2, other: folder.path)
    }
  }
}
