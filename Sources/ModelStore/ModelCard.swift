import Merging

/// The README.md of a fused model: what hubs read in its front matter, and for people the method, models and recipe.
enum ModelCard {
  static func text(_ recipe: Recipe) -> String {
    let models = recipe.mergedReferences
    // Paths say nothing elsewhere, and hubs take base_model for the names of repositories.
    var seen: Set<String> = []
    let parts = models.flatMap { AdaptedReference($0)?.parts ?? [$0] }
    let named = parts.filter { !Repository.isPath($0) && seen.insert($0).inserted }
    var lines = ["---", named.isEmpty ? "base_model: []" : "base_model:"]
    lines += named.map { "- \(quoted($0))" }
    lines += ["library_name: transformers", "tags:", "- mergekit", "- merge", "---", ""]
    lines += ["# Merged model", "", "This model was made of others with Stemma.", "", "## Method", ""]
    let base = recipe.base.map { ", with \(code($0)) as the base" } ?? ""
    lines += ["Merged by the method \(code(recipe.method.rawValue))\(base).", "", "## Models", ""]
    lines += models.map { "- \(code($0))" }
    let fence = String(repeating: "`", count: max(3, longestTicks(recipe.text) + 1))
    lines += [
      "", "## Recipe", "", "\(fence)yaml", recipe.text.hasSuffix("\n") ? String(recipe.text.dropLast()) : recipe.text,
      fence, "",
    ]
    return lines.joined(separator: "\n")
  }

  /// A YAML scalar in quotes, where a plain one could be read as something else.
  private static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { byte in
      (65...90).contains(byte) || (97...122).contains(byte) || "-_/.".utf8.contains(byte) || (48...57).contains(byte)
    }
    let isWord = text.utf8.contains { (65...90).contains($0) || (97...122).contains($0) }
    return isPlain && isWord && text.contains("/") ? text : "'\(text.replacing("'", with: "''"))'"
  }

  private static func code(_ text: String) -> String { "`\(text.replacing("`", with: "'"))`" }

  private static func longestTicks(_ text: String) -> Int {
    text.utf8.reduce(into: (run: 0, longest: 0)) { state, byte in
      state.run = byte == UInt8(ascii: "`") ? state.run + 1 : 0
      state.longest = max(state.longest, state.run)
    }.longest
  }
}
