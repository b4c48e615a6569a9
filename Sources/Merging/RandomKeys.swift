internal import Crypto
internal import Tensors

extension MethodCall {
  /// The random numbers of each of so many inputs that are not the base; empty where the method draws none.
  ///
  /// The key is the first eight bytes of the SHA-256 of seed, step, the input's place among the models that are not the
  /// base and the output tensor's name, a line each.
  func draws(tensor: String, models: Int) -> [Philox] {
    guard name.prunesAtRandom else { return [] }
    let seed = settings["seed"] ?? 0
    let text = Int64(exactly: seed).map(String.init) ?? "\(seed)"
    return (0..<models).map { position in
      let digest = Array(SHA256.hash(data: Array("\(text)\nprune\n\(position)\n\(tensor)".utf8)))
      func word(_ start: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(digest[start + $1]) << UInt32(8 * $1) } }
      return Philox(word(0), word(4))
    }
  }
}
