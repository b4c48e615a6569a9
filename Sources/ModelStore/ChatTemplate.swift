import JSON
import Merging

/// What `chat_template` of a recipe comes to: `auto`, the name of a well-known format, or the template itself.
struct ChatTemplate {
  /// The model whose tokenizer the result has.
  let owner: ModelFiles

  /// The template's text; nil where `auto` finds none, so that all stays as it is.
  ///
  /// - Parameter models: those merged. `auto` takes the template that most of them have, white space around it aside;
  ///   of equally common ones that of the model listed first.
  func text(_ wanted: String, models: [ModelFiles]) throws -> String? {
    try Self.check(wanted)
    return wanted == "auto" ? try mostCommon(models) : Self.known[wanted] ?? wanted
  }

  /// Refuses what is neither `auto`, nor the name of a format, nor, by mergekit's rule, a template at all.
  static func check(_ wanted: String) throws {
    if wanted == "auto" || known[wanted] != nil { return }
    guard wanted.unicodeScalars.count >= 20, wanted.contains("{") else {
      throw RepositoryError(
        .invalidInput,
        "chat_template: auto, \(known.keys.sorted().joined(separator: ", ")) or a Jinja template of "
          + "20 characters or more expected, found '\(wanted)'",
        hint: "write the template itself, as a block: chat_template: |")
    }
  }

  private func mostCommon(_ models: [ModelFiles]) throws -> String? {
    var counts: [(text: String, count: Int)] = []
    for model in models {
      guard let text = try Self.template(of: model)?.trimmed, !text.isEmpty else { continue }
      if let place = counts.firstIndex(where: { Token($0.text) == Token(text) }) {
        counts[place].count += 1
      } else {
        counts.append((text, 1))
      }
    }
    let most = counts.map(\.count).max()
    return counts.first { $0.count == most }?.text
  }

  /// A model's template as transformers reads it: chat_template.jinja, else that of tokenizer_config.json, of several
  /// the one named `default`.
  static func template(of model: ModelFiles) throws -> String? {
    if let text = try model.read("chat_template.jinja") { return String(decoding: text, as: UTF8.self) }
    guard let text = try model.read("tokenizer_config.json") else { return nil }
    let config = try JSONSpans(text: text, label: "tokenizer_config.json of model '\(model.reference)'").document()
    guard let list = config["chat_template"]?.elements else { return config["chat_template"]?.text }
    return list.first { $0["name"]?.text == "default" }?["template"]?.text
  }

  /// Templates of formats that their makers have published, in our own words.
  static let known: [String: String] = [
    "alpaca": """
    {%- for message in messages -%}
    {%- if message['role'] == 'user' -%}{{ '### Instruction:\\n' }}
    {%- elif message['role'] == 'assistant' -%}{{ '### Response:\\n' }}{%- endif -%}
    {{ message['content'] | trim + '\\n\\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '### Response:\\n' }}{%- endif -%}
    """,
    "chatml": """
    {%- for message in messages -%}
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
    """,
    "exaone": """
    {%- for message in messages -%}
    {%- if loop.first and message['role'] != 'system' -%}{{ '[|system|][|endofturn|]\\n' }}{%- endif -%}
    {{ '[|' + message['role'] + '|]' + message['content'] }}
    {%- if message['role'] != 'user' -%}{{ '[|endofturn|]' }}{%- endif -%}
    {{ '\\n' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '[|assistant|]' }}{%- endif -%}
    """,
    "llama3": """
    {{- bos_token -}}
    {%- for message in messages -%}
    {{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- endfor -%}
    {%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif -%}
    """,
    "mistral": """
    {{- bos_token -}}
    {%- set ns = namespace(system='') -%}
    {%- for message in messages -%}
    {%- if message['role'] == 'system' -%}{%- set ns.system = message['content'] | trim + '\\n\\n' -%}
    {%- elif message['role'] == 'assistant' -%}{{ ' ' + message['content'] | trim + eos_token }}
    {%- else -%}{{ '[INST] ' + ns.system + message['content'] | trim + ' [/INST]' }}{%- set ns.system = '' -%}
    {%- endif -%}
    {%- endfor -%}
    """,
  ]
}

extension String {
  /// Without the white space around it.
  fileprivate var trimmed: String {
    let scalars = unicodeScalars.drop { $0.properties.isWhitespace }
    guard let last = scalars.lastIndex(where: { !$0.properties.isWhitespace }) else { return "" }
    return String(scalars[...last])
  }
}
