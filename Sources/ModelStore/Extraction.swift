import Checkpoints
import JSON
import Objects
import Tensors

/// What becomes of each tensor of a fine-tuned model in an adapter: factors of its difference to the base, the tensor
/// whole, or nothing where it is the base's.
///
/// As in mergekit-extract-lora, two-dimensional weights get factors, and embeddings, heads and all that is no matrix
/// are saved whole; here only where they changed.
struct Extraction {
  /// A weight whose difference gets factors.
  struct Matrix {
    let module: String
    let base: Manifest.TensorEntry
    let tuned: Manifest.TensorEntry
    let rank: Int
    /// True where the weight lies inputs × outputs.
    let isTransposed: Bool

    var rows: Int { base.shape.dimensions[0] }
    var columns: Int { base.shape.dimensions[1] }
  }

  let matrices: [Matrix]
  /// Tensors of the fine-tuned model by the names that they get.
  let whole: [(name: String, tensor: Manifest.TensorEntry)]
  /// Tensors that are the same in both.
  let equal: Int
  let draft: AdapterDraft

  /// - Parameter config: the base's config.json.
  /// - Throws: `invalidInput` where the base has a tensor that the other lacks, or nothing differs.
  init(of tuned: Manifest, base: Manifest, rank: Int, baseName: String, config: JSONValue?) throws {
    let origins = Dictionary(base.tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let names = Set(tuned.tensors.map(\.name))
    if let lost = base.tensors.map(\.name).filter({ !names.contains($0) }).min() {
      throw RepositoryError(
        .invalidInput, "tensor \(lost): expected in both models, found in the base only",
        hint: "an adapter cannot take a tensor away")
    }
    let changed = tuned.tensors.filter { origins[$0.name]?.digest != $0.digest }.sorted { $0.name < $1.name }
    equal = tuned.tensors.count - changed.count
    if let other = changed.first(where: { origins[$0.name].map(\.shape) ?? $0.shape != $0.shape }) {
      throw RepositoryError(
        .invalidInput,
        "tensor \(other.name): the base's shape \(origins[other.name]?.shape ?? other.shape) expected, "
          + "found \(other.shape)", hint: "an adapter cannot change the size of a model")
    }
    guard !changed.isEmpty else {
      throw RepositoryError(.invalidInput, "the two models have the same tensors: nothing to extract")
    }
    let storesInputsFirst = config?["model_type"]?.text.map(Self.inputsFirst.contains) ?? false
    matrices = changed.compactMap { tensor in
      guard let origin = origins[tensor.name], let module = Self.factorable(tensor, origin) else { return nil }
      return Matrix(
        module: module, base: origin, tuned: tensor, rank: min(rank, tensor.shape.dimensions.min() ?? rank),
        isTransposed: storesInputsFirst && Self.last(module).hasPrefix("c_"))
    }
    let factored = Set(matrices.map(\.module))
    let rest = changed.filter { tensor in Self.module(of: tensor.name).map { factored.contains($0) } != true }
    let biases = changed.filter { tensor in
      tensor.name.hasSuffix(".bias") && Self.module(of: tensor.name).map { factored.contains($0) } == true
    }
    let modules = Set(rest.compactMap { Self.module(of: $0.name) })
    // Whole modules come with all that they have, changed or not, as PEFT loads them.
    whole =
      tuned.tensors.filter { tensor in Self.module(of: tensor.name).map { modules.contains($0) } ?? false }
      .map { (AdapterDraft.wholeName(of: $0.name, besideFactors: false), $0) }
      + rest.filter { Self.module(of: $0.name) == nil }
      .map { (AdapterDraft.wholeName(of: $0.name, besideFactors: false), $0) }
      + biases.map { (AdapterDraft.wholeName(of: $0.name, besideFactors: true), $0) }
    draft = AdapterDraft(
      base: baseName, task: Self.task(config),
      modules: matrices.map { .init(name: $0.module, rank: $0.rank) }, wholeModules: modules.sorted(),
      fanInFanOut: matrices.contains(where: \.isTransposed), savesBiases: !biases.isEmpty)
  }

  /// Models whose linear layers are transformers' Conv1D.
  private static let inputsFirst: Set<String> = ["gpt2", "openai-gpt", "imagegpt", "decision_transformer"]
  private static let embeddings: Set<Substring> = [
    "embed_tokens", "wte", "wpe", "lm_head", "embed_out", "word_embeddings", "position_embeddings", "embed_positions",
    "token_type_embeddings", "shared", "tok_embeddings", "embeddings", "embed_in",
  ]

  private static func last(_ module: String) -> Substring { module.split(separator: ".").last ?? "" }

  /// The module that a weight or bias belongs to; nil for tensors of other names.
  private static func module(of tensor: String) -> String? {
    for ending in [".weight", ".bias"] where tensor.hasSuffix(ending) { return String(tensor.dropLast(ending.count)) }
    return nil
  }

  /// The module of a weight whose difference can have factors.
  private static func factorable(_ tensor: Manifest.TensorEntry, _ origin: Manifest.TensorEntry) -> String? {
    guard tensor.name.hasSuffix(".weight"), let module = module(of: tensor.name), tensor.shape == origin.shape,
      tensor.shape.dimensions.count == 2, tensor.shape.dimensions.allSatisfy({ $0 > 0 }), tensor.dtype.isMergeable,
      origin.dtype.isMergeable, !embeddings.contains(last(module))
    else { return nil }
    return module
  }

  private static func task(_ config: JSONValue?) -> String? {
    let kind = config?["architectures"]?.elements?.first?.text ?? ""
    if kind.hasSuffix("ForCausalLM") || kind.hasSuffix("LMHeadModel") { return "CAUSAL_LM" }
    return kind.hasSuffix("ForSequenceClassification") ? "SEQ_CLS" : nil
  }

  /// The tensors of the file, in the order of their data.
  var outlines: [TensorOutline] {
    let factors = matrices.flatMap { matrix -> [TensorOutline] in
      let names = AdapterDraft.factorNames(of: matrix.module)
      let (outputs, inputs) = matrix.isTransposed ? (matrix.columns, matrix.rows) : (matrix.rows, matrix.columns)
      return [
        TensorOutline(name: names.a, dtype: .f32, shape: Shape([matrix.rank, inputs])),
        TensorOutline(name: names.b, dtype: .f32, shape: Shape([outputs, matrix.rank])),
      ]
    }
    let others = whole.map { TensorOutline(name: $0.name, dtype: $0.tensor.dtype, shape: $0.tensor.shape) }
    return SafetensorsHeader.officialOrder(factors + others)
  }
}
