/// Merges that mergekit 0.1.5 (torch 2.13.0, CPU, one thread, `--random-seed 7`) made of the models of
/// `VocabularyFamily`, with the order of models and of new tokens pinned that it leaves to hashes: the SHA-256 of the
/// tensors' bytes in the order of names.
extension VocabularyGolden {
  static let all = [
    VocabularyGolden(
      testDescription: "a union without a base",
      yaml: """
        merge_method: linear
        models:
          [{model: tune1, parameters: {weight: 0.5}}, {model: tune2, parameters: {weight: 0.3}}, {model: base,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "98b13e5a64025cc64db357045730bd95855856d844c75f78b0f3d9161bc6f1ea"),
    VocabularyGolden(
      testDescription: "a union on a base, whose tokens fill in",
      yaml: """
        merge_method: linear
        models:
          [{model: base, parameters: {weight: 0.5}}, {model: tune1, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        base_model: base
        tokenizer_source: union
        """,
      sha256: "7aa3da5c2f25560f030bcb65ddd8011563f6eb99c027ed63113567832e0bd4b7"),
    VocabularyGolden(
      testDescription: "the base's vocabulary",
      yaml: """
        merge_method: linear
        models:
          [{model: tune1, parameters: {weight: 0.5}}, {model: tune2, parameters: {weight: 0.3}}, {model: base,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        base_model: base
        tokenizer_source: base
        """,
      sha256: "89f1bba6fd28e693921d2d774e139c3eb27307b32e952a0930a1f128bdfd1f97"),
    VocabularyGolden(
      testDescription: "one model's vocabulary",
      yaml: """
        merge_method: linear
        models:
          [{model: tune1, parameters: {weight: 0.5}}, {model: tune2, parameters: {weight: 0.3}}, {model: base,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        tokenizer_source: tune2
        """,
      sha256: "6b7dcbf2b3797984bce59afa07d9463632d83b3afb911ee4e9c054e410d0f65b"),
    VocabularyGolden(
      testDescription: "that of a model that is not merged",
      yaml: """
        merge_method: linear
        models: [{model: tune2, parameters: {weight: 0.5}}, {model: base, parameters: {weight: 0.3}}]
        dtype: bfloat16
        tokenizer_source: tune1
        """,
      sha256: "0f00064bd4708c90aa89110b77cc57909a0933fd3d16a2144df70840abaecdf4"),
    VocabularyGolden(
      testDescription: "TIES in a union",
      yaml: """
        merge_method: ties
        base_model: base
        models:
          [{model: tune1, parameters: {weight: 0.5, density: 0.5}}, {model: tune2, parameters: {weight: 0.4,
          density: 0.7}}]
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "f90ab5a668f829becdec18ecaa2ccb70a95e6f51c6124ae6804731f9ef9c1623"),
    VocabularyGolden(
      testDescription: "TIES in the base's vocabulary",
      yaml: """
        merge_method: ties
        base_model: base
        models:
          [{model: tune1, parameters: {weight: 0.5, density: 0.5}}, {model: tune2, parameters: {weight: 0.4,
          density: 0.7}}]
        dtype: bfloat16
        tokenizer_source: base
        """,
      sha256: "f3d62745e0e3f5d2e723bc196833a3c575f44c0a3d6145aaac67de07fb762271"),
    VocabularyGolden(
      testDescription: "TIES with padding rows",
      yaml: """
        merge_method: ties
        base_model: base
        models:
          [{model: tune1, parameters: {weight: 0.5, density: 0.5}}, {model: tune2, parameters: {weight: 0.4,
          density: 0.7}}]
        dtype: bfloat16
        tokenizer: {source: union, pad_to_multiple_of: 32}
        """,
      sha256: "8f6c4ec307e8956adb424b19b3c382609b5534f0d1511409001a355353cbce0f"),
    VocabularyGolden(
      testDescription: "slerp in a union",
      yaml: """
        merge_method: slerp
        base_model: base
        models: [{model: base}, {model: tune1}]
        parameters: {t: 0.3}
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "585000aec41b2f747e9c99b195ceb8b2adcca58c5a0e07e9b3d8ab071c0bda9f"),
    VocabularyGolden(
      testDescription: "slerp in the other model's vocabulary",
      yaml: """
        merge_method: slerp
        base_model: base
        models: [{model: base}, {model: tune1}]
        parameters: {t: 0.3}
        dtype: bfloat16
        tokenizer_source: tune1
        """,
      sha256: "c5218e01c34f3fbdcca496efcfc1265f1e9604bd24778e1c35001267d852f024"),
    VocabularyGolden(
      testDescription: "slerp with padding rows",
      yaml: """
        merge_method: slerp
        base_model: base
        models: [{model: base}, {model: tune1}]
        parameters: {t: 0.3}
        dtype: bfloat16
        tokenizer: {source: union, pad_to_multiple_of: 64}
        """,
      sha256: "28618a5a0a5979ab32104076773abaa71764ce6b3b50f09b2f22b223cad65064"),
    VocabularyGolden(
      testDescription: "tokens with sources of their own, some forced",
      yaml: """
        merge_method: linear
        models:
          [{model: base, parameters: {weight: 0.5}}, {model: tune1, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        base_model: base
        tokenizer:
          {source: union, tokens: {<|one|>: {source: tune1}, <|both|>: {source: tune2, force: true}, <|two|>:
          {source: {kind: zero}}, <new>: {source: {kind: model_token, model: base, token: hell}}, <id>: {source:
          {kind: model_token, model: tune1, token_id: 3}, force: true}, </s>: {source: {kind: zero}, force:
          true}}}
        """,
      sha256: "95f809091025cf6e837f96dd7e50fd1b506b0aa48fcced7f77a4b89ed8c7ee4f"),
    VocabularyGolden(
      testDescription: "the same without a base, padded",
      yaml: """
        merge_method: linear
        models:
          [{model: tune1, parameters: {weight: 0.5}}, {model: base, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        tokenizer:
          {source: union, tokens: {<|one|>: {source: tune1}, <|both|>: {source: tune2, force: true}, <|two|>:
          {source: {kind: zero}}, <new>: {source: {kind: model_token, model: base, token: hell}}, <id>: {source:
          {kind: model_token, model: tune1, token_id: 3}, force: true}, </s>: {source: {kind: zero}, force:
          true}}, pad_to_multiple_of: 16}
        """,
      sha256: "59ff181d59db7c9a992e2843c97c4959b6f4bb2ded0cd15cbc5d6afbd60f0045"),
    VocabularyGolden(
      testDescription: "TIES with sources of tokens, padded",
      yaml: """
        merge_method: ties
        base_model: base
        models:
          [{model: tune1, parameters: {weight: 0.5, density: 0.5}}, {model: tune2, parameters: {weight: 0.4,
          density: 0.7}}]
        dtype: bfloat16
        tokenizer:
          {source: union, tokens: {<|one|>: {source: tune1}, <|both|>: {source: tune2, force: true}, <|two|>:
          {source: {kind: zero}}, <new>: {source: {kind: model_token, model: base, token: hell}}, <id>: {source:
          {kind: model_token, model: tune1, token_id: 3}, force: true}, </s>: {source: {kind: zero}, force:
          true}}, pad_to_multiple_of: 100}
        """,
      sha256: "c2b3e3199c71e62febcf3e5afae94fa24e9621c5cf50c8d57620e0e17cfa81ca"),
    VocabularyGolden(
      testDescription: "tokens added to one model's vocabulary",
      yaml: """
        merge_method: linear
        models:
          [{model: base, parameters: {weight: 0.5}}, {model: tune1, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        dtype: bfloat16
        tokenizer: {source: tune1, tokens: {<|two|>: {source: tune2}, <q>: {source: {kind: zero}}}}
        """,
      sha256: "cfe463423fe4b90fc8151a25c6ed8b791e3852e20fc9c6bf0e977f4eff9d078c"),
    VocabularyGolden(
      testDescription: "random numbers in the order of tensors",
      yaml: """
        merge_method: dare_ties
        base_model: base
        models:
          [{model: tune1, parameters: {weight: 0.5, density: 0.5}}, {model: tune2, parameters: {weight: 0.4,
          density: 0.7}}]
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "bc88c1917bb5a5ebc72f7e8699a8b950b8f1cf5d664459d2c1cbaa18c042962b"),
    VocabularyGolden(
      testDescription: "ranks in rows of a union",
      yaml: """
        merge_method: della
        base_model: base
        models:
          [{model: tune1, parameters: {weight: 0.5, density: 0.5}}, {model: tune2, parameters: {weight: 0.4,
          density: 0.7}}]
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "9e05eb61a4aa765e19b676d0120e129cf55d6c5dd5daf48ad3af7faf9a3c20f0"),
    VocabularyGolden(
      testDescription: "averages and padding in f32",
      yaml: """
        merge_method: linear
        models:
          [{model: base, parameters: {weight: 0.5}}, {model: tune1, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        dtype: float32
        tokenizer: {source: union, pad_to_multiple_of: 64}
        out_dtype: bfloat16
        """,
      sha256: "9a3fdf8a3c5cfda5f015a39df565383b555cbaecccf2c1335c9d7f43bf70aa49"),
    VocabularyGolden(
      testDescription: "without a dtype",
      yaml: """
        merge_method: linear
        models:
          [{model: base, parameters: {weight: 0.5}}, {model: tune1, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        tokenizer_source: union
        """,
      sha256: "992dbde9eed0ede6fd58eebf92540162cd0c2df1de589143780efec57a8c2197"),
    VocabularyGolden(
      testDescription: "averages and padding in f16",
      yaml: """
        merge_method: linear
        models:
          [{model: base, parameters: {weight: 0.5}}, {model: tune1, parameters: {weight: 0.3}}, {model: tune2,
          parameters: {weight: 0.4}}]
        dtype: float16
        tokenizer: {source: union, pad_to_multiple_of: 64}
        """,
      sha256: "bd339884302c664211c30e853ca100e2ef0777ac2a02fa9101ad4fea0b46b5d5"),
    VocabularyGolden(
      testDescription: "a union of equal vocabularies",
      yaml: """
        merge_method: linear
        models: [{model: base, parameters: {weight: 0.5}}, {model: twin, parameters: {weight: 0.3}}]
        dtype: bfloat16
        base_model: base
        tokenizer_source: union
        """,
      sha256: "f83bc2c1616a4f45bae0405ab1f8aaa64885006a203592e1e7bf5ee17717df81"),
    VocabularyGolden(
      testDescription: "head and embedding of different models",
      yaml: """
        merge_method: linear
        slices:
          [{sources: [{model: base, layer_range: [0, 1], parameters: {weight: 0.5}}, {model: tune1, layer_range:
          [0, 1], parameters: {weight: 0.5}}]}, {sources: [{model: tune1, layer_range: [0, 1], parameters:
          {weight: 0.3}}, {model: tune2, layer_range: [0, 1], parameters: {weight: 0.5}}]}]
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "f165fc06bd622d1c49ca0b9ed960bbf45c7cf674cce58fce12453668acfc99f9"),
    VocabularyGolden(
      testDescription: "one model in another's vocabulary",
      yaml: """
        merge_method: passthrough
        models: [{model: tune1}]
        dtype: bfloat16
        tokenizer_source: tune2
        """,
      sha256: "f21b0939bb8c072c663fb1a2391ff4e04b3c50302b67fc0cb0e08ad59bf047b8"),
    VocabularyGolden(
      testDescription: "variances in a union",
      yaml: """
        merge_method: sce
        base_model: base
        models: [{model: tune1}, {model: tune2}]
        parameters: {select_topk: 0.5}
        dtype: bfloat16
        tokenizer_source: union
        """,
      sha256: "472f775999d32fb7577982c10d75a11b631f054a7773cbec6e9a2b000e9b5bdf"),
    VocabularyGolden(
      testDescription: "model stock with padding rows",
      yaml: """
        merge_method: model_stock
        base_model: base
        models: [{model: tune1}, {model: tune2}]
        dtype: bfloat16
        tokenizer: {source: union, pad_to_multiple_of: 32}
        """,
      sha256: "ade92fb178a60e6e27695b468046e545eb29924d7aa4cb70f4a72aeaed411db4"),
  ]
}
