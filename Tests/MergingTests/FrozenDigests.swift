/// The SHA-256 of what the cases of `FrozenCase` come to: what `exact-1` means, to the bit.
///
/// These digests never change. A method whose bits must change gets the arithmetic `exact-2`, and `exact-1` stays: models
/// are stored as recipes, and recorded digests prove what is computed again. A new case gets a new line, which the test
/// prints where STEMMA_PRINT_FROZEN is set; it prints none for a case that has one.
enum FrozenDigests {
  static let lines = text.split(separator: "\n").map(String.init)

  /// By the case's name.
  static let table = Dictionary(
    lines.map { (String($0.dropFirst(65)), String($0.prefix(64))) }, uniquingKeysWith: { first, _ in first })

  /// Cases that come to the same.
  static let equal: Set<Set<String>> = []

  private static let text = """
    """
}
