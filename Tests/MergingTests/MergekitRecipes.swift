import Testing

/// Merges of the same models by whole recipes, for what `Golden.recipes` leaves out.
struct GoldenRecipe: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let yaml: String
  let sha256: String

  static let all = [
    GoldenRecipe(
      testDescription: "one model's Karcher mean",
      yaml: """
        merge_method: karcher
        models: [{model: tune1}]
        dtype: bfloat16
        """,
      sha256: "d8c499368e488f43dcc802f7235c781b8288a9512a20b685e0310f32cf58550e"),
    GoldenRecipe(
      testDescription: "a share of elements that f32 rounds up",
      yaml: """
        merge_method: sce
        base_model: base
        models: [{model: tune1}, {model: tune2}]
        parameters: {select_topk: 0.29}
        dtype: bfloat16
        """,
      sha256: "a321152c8a8e0e88e6039b2065c6ac4573d624c5658dd18d642dbbc099692d58"),
    GoldenRecipe(
      testDescription: "DARE in f16, drawn and scaled in f32",
      yaml: """
        merge_method: dare_ties
        base_model: base
        models:
          - {model: tune1, parameters: {weight: 0.5, density: 0.3}}
          - {model: tune2, parameters: {weight: 0.7, density: 0.6}}
        dtype: float16
        """,
      sha256: "30dcf7ee56fe208314a6c3c5de591712534916b60217eaa62b82175b764da464"),
    GoldenRecipe(
      testDescription: "DELLA in f16",
      yaml: """
        merge_method: della
        base_model: base
        models:
          - {model: tune1, parameters: {weight: 0.5, density: 0.3}}
          - {model: tune2, parameters: {weight: 0.7, density: 0.6}}
        parameters: {epsilon: 0.05}
        dtype: float16
        """,
      sha256: "cf43b1e0f4c1cced32988c2813f236d9adda578330ec1dbc881bae4f0e71b711"),
    GoldenRecipe(
      testDescription: "Arcee fusion in f32",
      yaml: """
        merge_method: arcee_fusion
        base_model: base
        models: [{model: tune1}]
        dtype: float32
        """,
      sha256: "e6dccc7fd5259acc1fcd32d7e71a4cc9244c37af6fd08e5b162c55c8611c6b5d"),
    GoldenRecipe(
      testDescription: "six pairs of four models",
      yaml: """
        merge_method: model_stock
        base_model: tune1
        models: [{model: base}, {model: tune2}, {model: tune3}]
        parameters: {filter_wise: true}
        dtype: float32
        """,
      sha256: "d9e0555c1edb97f1bee3afaddbb51549caab5d8370ea57bfe60064b77769d7e7"),
    GoldenRecipe(
      testDescription: "vectors down the columns in f32",
      yaml: """
        merge_method: nuslerp
        models: [{model: tune1}, {model: tune2}]
        parameters: {weight: 0.5, nuslerp_flatten: false, nuslerp_row_wise: true}
        dtype: float32
        out_dtype: bfloat16
        """,
      sha256: "6a219438aa1071c0a65149b80ea8438160fc06dc08779e6284da426c252d1529"),
    GoldenRecipe(
      testDescription: "random numbers in the order of the layers read",
      yaml: """
        merge_method: dare_linear
        base_model: base
        slices:
          - {sources: [{model: base, layer_range: [1, 2]}, {model: tune1, layer_range: [1, 2]}]}
          - {sources: [{model: base, layer_range: [0, 1]}, {model: tune1, layer_range: [0, 1]}]}
        parameters: {weight: 0.5, density: 0.5}
        dtype: bfloat16
        """,
      sha256: "0831bcfed4d04e73684d1342ddd7bd167b2088fe9f1cb952bc1024efe6b6c7c8"),
    GoldenRecipe(
      testDescription: "random numbers where ranges overlap",
      yaml: """
        merge_method: dare_linear
        base_model: base
        slices:
          - {sources: [{model: base, layer_range: [0, 2]}, {model: tune1, layer_range: [0, 2]}]}
          - {sources: [{model: base, layer_range: [1, 2]}, {model: tune1, layer_range: [0, 1]}]}
        parameters: {weight: 0.5, density: 0.5}
        dtype: bfloat16
        """,
      sha256: "541a1c10a5b09f20cfda0b77e93dbe17095d40537cbc542d12c4dda214962f40"),
    GoldenRecipe(
      testDescription: "a last slice of more sources than the first",
      yaml: """
        merge_method: linear
        slices:
          - {sources: [{model: tune1, layer_range: [0, 1]}]}
          - {sources: [{model: tune2, layer_range: [1, 2]}, {model: tune3, layer_range: [0, 1]}]}
        parameters: {weight: 0.5}
        dtype: bfloat16
        """,
      sha256: "2ffb4f318dd2b08083de71e3f2c19191fa186d887af6445b23125c9045f3bfb9"),
  ]
}
