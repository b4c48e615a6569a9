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
      Philox(key: Array(SHA256.hash(data: Array("\(text)\nprune\n\(position)\n\(tensor)".utf8))))
    }
  }
}
