import Foundation
import JSON
import Merging
import Tensors
import TestSupport
import Testing

@testable import ModelStore

/// Checkpoints with tokenizers.
private struct Family {
  let stage: Stage

  init() throws { stage = try Stage() }

  /// A model whose tokens are those of `tokens` and, behind them, the added ones.
  @discardableResult
  func write(
    _ name: String, _ tokens: [String], added: [String] = [], rows: Int? = nil, tune: UInt64 = 0, columns: Int = 32,
    config: String = #"{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}"#
  ) throws -> String {
    let rows = rows ?? tokens.count + added.count
    var content = Stage.model(seed: 3, tune: tune)
    content[0] = Stage.Content(
      name: "model.embed_tokens.weight", dtype: .bf16, shape: [rows, columns],
      bytes: Stage.weights(rows * columns, seed: 3, tune: tune))
    let path = try stage.write(name, content)
    try put("\(name)/config.json", #"{"vocab_size": \#(rows), "torch_dtype": "bfloat16"}"#)
    try put("\(name)/tokenizer_config.json", config)
    try put("\(name)/tokenizer.json", Self.tokenizer(tokens, added))
    return path
  }

  static func tokenizer(_ tokens: [String], _ added: [String]) -> String {
    let vocabulary = tokens.enumerated().map { "\(Self.quoted($1)): \($0)" }.joined(separator: ", ")
    let list = added.enumerated().map {
      #"{"id": \#(tokens.count + $0), "content": \#(Self.quoted($1)), "special": true}"#
    }
    return """
      {
        "version": "1.0",  "score": 1e-05,
        "added_tokens": [\(list.map { "\n    " + $0 }.joined(separator: ","))
        ],
        "model": {"type": "BPE", "vocab": {\(vocabulary)}, "merges": [["a", "b"], ["c", "d"]]}
      }
      """
  }

  private static func quoted(_ text: String) -> String {
    String(decoding: JSONValue.string(text).compact, as: UTF8.self)
  }

  func put(_ path: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(stage.folder.path)/\(path)"))
  }

  func text(_ path: String) throws -> String {
    try String(contentsOfFile: "\(stage.folder.path)/\(path)", encoding: .utf8)
  }

  func data(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(stage.folder.path)/\(path)"))
  }

  func merge(_ recipe: String, to out: String) throws {
    _ = try Repository.merge(recipe: recipe, relativeTo: stage.folder.path, to: "\(stage.folder.path)/\(out)")
  }

  /// The vocabulary of a written model.
  func vocabulary(_ name: String) throws -> Vocabulary {
    try TokenizerFiles(FolderInput("./" + name, relativeTo: stage.folder.path).inputModel.source.files).vocabulary()
  }
}

private func average(_ models: String..., rest: String) -> String {
  let list = models.map { "{model: \($0), parameters: {weight: 0.5}}" }.joined(separator: ", ")
  return "merge_method: linear\nmodels: [\(list)]\n\(rest)\n"
}

@Suite("tokenizers of fused models")
struct TokenizerTests {
  private let letters = ["a", "b", "ab", "c", "d", "cd"]

  @Test("a union's tokenizer.json is the base's with tokens put in, and nothing else is changed")
  func union() throws {
    let family = try Family()
    let decoder = #"{"added_tokens_decoder": {"6": {"content": "</s>", "special": true}}, "eos_token": "</s>"}"#
    try family.write("one", letters, added: ["</s>"], config: decoder)
    try family.put("one/added_tokens.json", #"{"</s>": 6}"#)
    try family.write("two", ["b", "a", "c", "é\"", "d"], added: ["</s>", "<two>"], rows: 8, tune: 5)
    try family.merge(average("./one", "./two", rest: "tokenizer_source: union"), to: "out")
    let plain = #"{"id": 7, "content": "é\"", "single_word": false, "lstrip": false, "rstrip": false, "#
    let first = plain + #""normalized": true, "special": false}"#
    let second =
      plain.replacing("\"id\": 7", with: "\"id\": 8").replacing(#"é\""#, with: "<two>")
      + #""normalized": false, "special": true}"#
    let own = #"{"id": 6, "content": "</s>", "special": true}"#
    #expect(
      try family.text("out/tokenizer.json")
        == family.text("one/tokenizer.json").replacing(own, with: "\(own), \(first), \(second)"))
    #expect(try family.text("out/config.json").contains("\"vocab_size\": 9"))
    #expect(try family.text("out/added_tokens.json") == #"{"</s>": 6, "é\"": 7, "<two>": 8}"#)
    let config = try JSONValue.parse(Array(family.text("out/tokenizer_config.json").utf8))
    #expect(config["added_tokens_decoder"]?["8"]?["content"]?.text == "<two>")
    #expect(config["eos_token"]?.text == "</s>")
    let vocabulary = try family.vocabulary("out")
    #expect(vocabulary.ids.count == 9 && vocabulary.ids[Token("é\"")] == 7 && vocabulary.rows == 9)
  }

  @Test("with equal vocabularies and a tokenizer the folder is that without")
  func equal() throws {
    let family = try Family()
    for (name, tune) in [("one", UInt64(0)), ("two", 5)] {
      try family.write(name, letters, added: ["</s>"], tune: tune)
    }
    for (number, rest) in ["", "tokenizer_source: base", "tokenizer_source: union"].enumerated() {
      try family.merge(average("./one", "./two", rest: rest), to: "out\(number)")
      for file in ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"] {
        #expect(
          try Data(contentsOf: url(family, "out\(number)/\(file)")) == Data(contentsOf: url(family, "out0/\(file)")))
      }
    }
  }

  private func url(_ family: Family, _ path: String) -> URL {
    URL(fileURLWithPath: "\(family.stage.folder.path)/\(path)")
  }

  @Test("a fused model with another vocabulary is rebuilt to the same bytes, by ranges too, from a store opened anew")
  func stored() throws {
    let seed = UInt64.random(in: 0 ... .max)
    var dice = SplitMix(state: seed)
    let family = try Family()
    // More than a block of rows, and in another order.
    let many = (0..<700).map { "t\($0)" }
    try family.write("one", many + letters, added: ["</s>"], columns: 512)
    try family.write("two", letters.reversed() + many.shuffled(using: &dice), added: ["<two>"], tune: 5, columns: 512)
    let recipe = average("one", "two", rest: "tokenizer: {pad_to_multiple_of: 64}")
    do {
      let store = try family.stage.open()
      for name in ["one", "two"] {
        _ = try store.importCheckpoint(at: "\(family.stage.folder.path)/\(name)", name: name, base: nil)
      }
      let report = try store.merge(recipe: recipe, relativeTo: "/", name: "fused")
      #expect(report.state == "virtual")
    }
    try family.merge(recipe.replacing("model: ", with: "model: ./"), to: "direct")
    let store = try family.stage.open(threads: Int.random(in: 1...3, using: &dice))
    _ = try store.export("fused", to: "\(family.stage.folder.path)/out")
    for file in ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"] {
      #expect(try Data(contentsOf: url(family, "out/\(file)")) == Data(contentsOf: url(family, "direct/\(file)")))
    }
    let entry = try #require(try store.tensorsByName(of: store.resolve("fused"))["model.embed_tokens.weight"])
    #expect(entry.shape == Shape([768, 512]))
    var whole: [UInt8] = []
    try store.readRange("fused", of: .tensor(entry.name), from: 0, to: nil) { whole += $0 }
    for _ in 0..<20 {
      let start = Int.random(in: 0..<whole.count, using: &dice)
      let end = Int.random(in: start...min(whole.count, start + 5000), using: &dice)
      var part: [UInt8] = []
      try store.readRange("fused", of: .tensor(entry.name), from: start, to: end) { part += $0 }
      #expect(part == Array(whole[start..<end]), "\(start)..<\(end), seed \(seed)")
    }
    let plan = try store.plan(recipe: recipe, relativeTo: "/")
    #expect(plan.text.contains("rows remapped: 706 kept, 0 averaged, 62 new in model.embed_tokens.weight"))
    #expect(plan.json["tensors"]?.elements?[0]["rows"]?["kept"]?.int == 706)
    #expect(try store.verify().damage.isEmpty)
  }

  @Test("rows in another order cost no more reading than their blocks, once for each block of the output")
  func economy() throws {
    let family = try Family()
    let many = (0..<1500).map { "t\($0)" }
    try family.write("one", many, columns: 512)
    try family.write("two", many.indices.map { many[$0 ^ 1] }, tune: 5, columns: 512)
    let store = try family.stage.open()
    for name in ["one", "two"] {
      _ = try store.importCheckpoint(at: "\(family.stage.folder.path)/\(name)", name: name, base: nil)
    }
    _ = try store.merge(recipe: average("one", "two", rest: "tokenizer_source: base"), relativeTo: "/", name: "fused")
    let disk = ReadingDisk()
    let counting = try family.stage.open(threads: 1, storage: disk)
    var bytes = 0
    try counting.readRange("fused", of: .tensor("model.embed_tokens.weight"), from: 0, to: nil) { bytes += $0.count }
    #expect(bytes == 1500 * 1024)
    // Two inputs, and a base that one of them is a delta on; one row at a time would be hundreds of times as much.
    #expect(disk.packBytes < 8 * bytes, "\(disk.packBytes)")

    // The same of a merge that is computed: its rows are made a piece at a time.
    let half = average("one", "two", rest: "tokenizer_source: two")
    _ = try store.merge(recipe: half, relativeTo: "/", name: "half")
    _ = try store.merge(recipe: average("one", "half", rest: "tokenizer_source: base"), relativeTo: "/", name: "nested")
    let before = disk.packBytes
    try counting.readRange("nested", of: .tensor("model.embed_tokens.weight"), from: 0, to: nil) { bytes += $0.count }
    #expect(disk.packBytes - before < 24 * bytes / 2, "\(disk.packBytes - before)")
  }

  @Test("later steps merge in the vocabulary that earlier ones made")
  func steps() throws {
    let family = try Family()
    let store = try family.stage.open()
    try family.write("one", letters, added: ["</s>"])
    try family.write("two", letters, added: ["<two>"], tune: 5)
    try family.write("three", letters, added: ["<three>"], tune: 7)
    for name in ["one", "two", "three"] {
      _ = try store.importCheckpoint(at: "\(family.stage.folder.path)/\(name)", name: name, base: nil)
    }
    let text =
      "name: pair\n" + average("one", "two", rest: "tokenizer_source: union") + "---\n"
      + average("pair", "three", rest: "tokenizer_source: union")
    #expect(try store.plan(recipe: text, relativeTo: "/").text.contains("rows remapped: 6 kept, 0 averaged, 3 new"))
    _ = try store.merge(recipe: text, relativeTo: "/", name: "fused")
    _ = try store.export("fused", to: "\(family.stage.folder.path)/out")
    let ids = try family.vocabulary("out").ids
    #expect(["</s>", "<two>", "<three>"].map { ids[Token($0)] } == [6, 7, 8])

    // Without a store: the same as by way of a folder.
    let paths = ["one", "two", "three"].reduce(text) { $0.replacing("model: \($1)", with: "model: ./\($1)") }
    try family.merge(paths, to: "inlined")
    let parts = paths.split(separator: "---\n").map { String($0) }
    try family.merge(parts[0], to: "pair")
    try family.merge(parts[1].replacing("model: pair", with: "model: ./pair"), to: "apart")
    for file in ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"] {
      #expect(try family.data("inlined/\(file)") == family.data("apart/\(file)"), "\(file)")
      #expect(try family.data("inlined/\(file)") == family.data("out/\(file)"), "\(file)")
    }
  }

  @Test("one model's tokenizer comes with all its files, even where the model is not merged")
  func another() throws {
    let family = try Family()
    try family.write("one", letters, added: ["</s>"])
    try family.write("two", letters, tune: 5)
    try family.write("third", letters.reversed(), tune: 7, config: #"{"third": true}"#)
    try family.put("one/merges.txt", "a b")
    try family.put("third/chat_template.jinja", "{{ messages }}")
    try family.merge(average("./one", "./two", rest: "tokenizer_source: ./third"), to: "out")
    for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
      #expect(try family.text("out/\(file)") == family.text("third/\(file)"))
    }
    #expect(!family.stage.holds("out/merges.txt"))
    #expect(try family.text("out/config.json").contains("\"vocab_size\": 6"))
  }

  @Test("tokens that have no row are left out of the base's tokenizer, with their merges")
  func stripped() throws {
    let family = try Family()
    try family.write("one", letters, added: ["</s>"], rows: 5)
    try family.write("two", letters, added: ["</s>"], tune: 5)
    try family.merge(average("./one", "./two", rest: "tokenizer_source: base"), to: "out")
    let vocabulary = try family.vocabulary("out")
    // The configuration still names </s>, so that loading the tokenizer brings it back behind the rows.
    #expect(vocabulary.ids.count == 6 && vocabulary.rows == 5 && vocabulary.ids[Token("cd")] == nil)
    let text = try family.text("out/tokenizer.json")
    #expect(text.contains(#""d": 4}"#) && text.contains(#""merges": [["a", "b"]]"#) && !text.contains("</s>"))
    try family.write("one", ["a", "ab", "b", "c", "cd", "d"], rows: 5)
    try family.merge(average("./one", "./two", rest: "tokenizer_source: base"), to: "other")
    #expect(try family.text("other/tokenizer.json").contains(#""merges": [["a", "b"]]"#))
  }

  @Test("tokens that only the configuration has are written where others follow them")
  func followed() throws {
    let family = try Family()
    try family.write("one", letters, rows: 8, config: #"{"added_tokens_decoder": {}, "pad_token": "<pad>"}"#)
    try family.write("two", letters, added: ["<two>"], tune: 5)
    try family.merge(average("./one", "./two", rest: "tokenizer_source: union"), to: "out")
    #expect(try family.vocabulary("out").ids[Token("<two>")] == 7)
    for file in ["tokenizer.json", "tokenizer_config.json"] {
      let text = try family.text("out/\(file)")
      let places = ["<pad>", "<two>"].compactMap { text.range(of: #""content": "\#($0)""#)?.lowerBound }
      #expect(places.count == 2 && places[0] < places[1])
    }
  }

  @Test("special tokens that only the configuration names have the next ids")
  func named() throws {
    let family = try Family()
    try family.write(
      "one", letters, config: #"{"pad_token": {"content": "<pad>"}, "bos_token": "a", "image_token": "<i>"}"#)
    let vocabulary = try family.vocabulary("one")
    #expect(vocabulary.ids[Token("<pad>")] == 6 && vocabulary.ids[Token("<i>")] == 7 && vocabulary.ids[Token("a")] == 0)
    #expect(vocabulary.added.map(\.token.text) == ["a", "<pad>", "<i>"] && vocabulary.added.allSatisfy(\.isSpecial))
    try family.put("one/tokenizer_config.json", #"{"added_tokens_decoder": {"9": {"content": "<pad>"}}}"#)
    let error = #expect(throws: RepositoryError.self) { try family.vocabulary("one") }
    #expect(error?.message.contains("id 6 expected for token '<pad>'") == true)
  }

  @Test("vocabularies of Unigram tokenizers are lists, and keys that Unicode calls equal are two tokens")
  func kinds() throws {
    let family = try Family()
    try family.write("one", ["\u{212B}", "\u{C5}", "n\u{303}"])
    #expect(try family.vocabulary("one").ids.count == 4)
    try family.put(
      "one/tokenizer.json", #"{"model": {"type": "Unigram", "vocab": [["<unk>", 0.0], ["\u2581a", -1.5e0]]}}"#)
    #expect(try family.vocabulary("one").ids == [Token("<unk>"): 0, Token("\u{2581}a"): 1, Token("</s>"): 2])
    try family.put("one/tokenizer.json", #"{"model": {"vocab": {"a": 0, "b" 1}}}"#)
    let error = #expect(throws: RepositoryError.self) { try family.vocabulary("one") }
    #expect(error?.kind == .invalidInput && error?.message.contains("expected other JSON at byte") == true)
  }

  @Test("a model without tokenizer.json is refused, with what to do")
  func slow() throws {
    let family = try Family()
    try family.write("one", letters)
    try family.write("two", letters, tune: 5)
    try FileManager.default.removeItem(atPath: family.stage.folder.path + "/two/tokenizer.json")
    try family.put("two/vocab.json", "{}")
    let error = #expect(throws: RepositoryError.self) {
      try family.merge(average("./one", "./two", rest: "tokenizer_source: base"), to: "out")
    }
    #expect(error?.kind == .unsupported && error?.message.contains("found vocab.json") == true)
    #expect(error?.hint?.contains("save_pretrained") == true && !family.stage.holds("out"))
    // Without the key it does not matter.
    try family.merge(average("./one", "./two", rest: ""), to: "out")
  }
}
