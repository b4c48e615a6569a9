/// Finds what a misspelt word was probably meant to be.
package enum Spelling {
  /// The candidate with the smallest edit distance, the first of several; nil where more than a third of the longer
  /// word would have to change.
  package static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    var best: (candidate: String, distance: Int)?
    for candidate in candidates {
      let steps = distance(word, candidate)
      let limit = max(1, max(word.utf8.count, candidate.utf8.count) / 3)
      guard steps <= limit, best.map({ steps < $0.distance }) ?? true else { continue }
      best = (candidate, steps)
    }
    return best?.candidate
  }

  /// The Levenshtein distance in bytes. Words over 64 bytes count as infinitely far.
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.utf8), Array(b.utf8))
    guard a.count <= 64, b.count <= 64 else { return .max }
    var row = Array(0...b.count)
    for (i, left) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, right) in b.enumerated() {
        let changed = diagonal + (left == right ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(changed, diagonal + 1, row[j] + 1)
      }
    }
    return row[b.count]
  }
}
