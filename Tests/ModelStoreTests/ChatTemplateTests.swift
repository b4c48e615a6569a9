import JSON
import Merging
import Testing

@testable import ModelStore

@Suite("chat templates")
struct ChatTemplateTests {
  private func files(_ name: String, _ texts: [String: String]) -> ModelFiles {
    ModelFiles(reference: name, paths: texts.keys.sorted()) { Array((texts[$0] ?? "").utf8) }
  }

  private func config(_ template: String) -> [String: String] {
    ["tokenizer_config.json": #"{"a": 1.50, "chat_template": \#(template)}"#]
  }

  private func made(_ wanted: String, _ models: [ModelFiles]) throws -> [String: String] {
    let list = models.map { "{model: \($0.reference)}" }.joined(separator: ", ")
    let template = String(decoding: JSONValue.string(wanted).compact, as: UTF8.self)
    let recipe = try Recipe(
      yaml: "merge_method: linear\nparameters: {weight: 1}\nmodels: [\(list)]\nchat_template: \(template)")
    let texts = try TokenizerTexts(recipe, vocabulary: nil, models: models, donor: 0)
    return texts.made.mapValues { String(decoding: $0, as: UTF8.self) }
  }

  @Test("a template of the recipe's own replaces the donor's, all else stays")
  func literal() throws {
    let template = "{% for m in messages %}\"{{ m }}\"\n{% endfor %}"
    #expect(
      try made(template, [files("a", config(#""old""#))])
        == [
          "tokenizer_config.json": #"{"a": 1.50, "chat_template": "{% for m in messages %}\"{{ m }}\"\n{% endfor %}"}"#
        ])
    var texts = config("null")
    texts["chat_template.jinja"] = "old"
    #expect(try made(template, [files("a", texts)])["chat_template.jinja"] == template)
    #expect(try made(template, [files("a", ["tokenizer_config.json": "{}"])]).count == 1)
  }

  @Test("auto takes the template that most models have, the first of equally common ones")
  func auto() throws {
    let models = [
      files("a", config(#""one""#)),
      files("b", ["chat_template.jinja": "\n two  ", "tokenizer_config.json": #"{"chat_template": "not read"}"#]),
      files("c", config(#"[{"name": "tool", "template": "one"}, {"name": "default", "template": "two"}]"#)),
      files("d", [:]),
    ]
    #expect(try made("auto", models)["tokenizer_config.json"] == #"{"a": 1.50, "chat_template": "two"}"#)
    #expect(try made("auto", Array(models[..<2]))["tokenizer_config.json"]?.contains("one") == true)
    #expect(try made("auto", [files("d", ["tokenizer_config.json": "{}"])]).isEmpty)
  }

  @Test("names stand for well-known formats; what is neither a name nor a template is refused with the names")
  func names() throws {
    for name in ["alpaca", "chatml", "exaone", "llama3", "mistral"] {
      let text = try #require(try made(name, [files("a", config("null"))])["tokenizer_config.json"])
      #expect(try JSONValue.parse(Array(text.utf8))["chat_template"]?.text == ChatTemplate.known[name])
    }
    for wanted in ["chatm", "{{ short }}", "a long text without any brace in it"] {
      let error = #expect(throws: RepositoryError.self) { try made(wanted, [files("a", config("null"))]) }
      #expect(error?.kind == .invalidInput && error?.message.contains("auto, alpaca, chatml, exaone") == true)
    }
    let error = #expect(throws: RepositoryError.self) { try made("chatml", [files("a", [:])]) }
    #expect(error?.message.contains("tokenizer_config.json in model 'a' expected, found none") == true)
  }
}
