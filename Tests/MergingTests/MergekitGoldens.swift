extension Golden {
  static let recipes: [Golden] = [
    Golden(
      "arcee_fusion", "arcee_fusion", base: true, [""], "",
      "8abeae248be41b7ad1914471461128823be09d14f8f6a9c43d62f777cbbb76e4"),
    Golden(
      "breadcrumbs", "breadcrumbs", base: true,
      ["weight: 0.5, density: 0.9, gamma: 0.01", "weight: 0.3, density: 0.9, gamma: 0.01"], "",
      "d288edfedcade98814e594e8db639c19f245a1c89a0dc7891483d3a1d5b41f0d"),
    Golden(
      "breadcrumbs_ties", "breadcrumbs_ties", base: true,
      [
        "weight: 0.5, density: 0.8, gamma: 0.05", "weight: 0.3, density: 0.8, gamma: 0.05",
        "weight: 0.4, density: 0.8, gamma: 0.05",
      ], "",
      "28c3a4d8b306a20d097303aa5b83c3fb7398a791ed39ba3fbe7ec00743d03eed"),
    Golden(
      "dare_linear", "dare_linear", base: true, ["weight: 0.5, density: 0.5", "weight: 0.3, density: 0.5"], "",
      "ab2ae5ab5208067f28a3d17b376b295878b54c80b2a9b08f8356e02d4ccc7a7a"),
    Golden(
      "dare_ties", "dare_ties", base: true,
      ["weight: 0.5, density: 0.3", "weight: 0.3, density: 0.3", "weight: 0.4, density: 0.3"], "",
      "ab226414c1818e0467fe7f34a7175637d988a75a69cedbee5a0420714a88aa8d"),
    Golden(
      "della", "della", base: true,
      ["weight: 0.5, density: 0.5, epsilon: 0.1", "weight: 0.3, density: 0.5, epsilon: 0.1"], "lambda: 1.1",
      "c903af5022ff2f37cdd5a95feba066539b54087f47065304cea726168437e894"),
    Golden(
      "della_linear", "della_linear", base: true,
      [
        "weight: 0.5, density: 0.6, epsilon: 0.2", "weight: 0.3, density: 0.6, epsilon: 0.2",
        "weight: 0.4, density: 0.6, epsilon: 0.2",
      ], "",
      "409447d47378cf8e2ea0eb2bfbb52eea1c6328b7b3529b07f1a9932bdcfc784e"),
    Golden(
      "karcher", "karcher", base: false, ["", "", ""], "",
      "745e4c98490406da9bc3591299ce62a4ff23c6822d7e9e0ffa0d8ec537cebc8d"),
    Golden(
      "linear", "linear", base: false, ["weight: 0.5", "weight: 0.3", "weight: 0.4"], "",
      "7867a64704677a6a86a010e8ffc43381f8be21172293e71a5ae033135d0dd982"),
    Golden(
      "linear_sum", "linear", base: false, ["weight: 0.5", "weight: 0.3"], "normalize: false",
      "eb4b6901a82ae865f3b7ab64d554ab8205a44bae19b1eaf37a06dec48efc30ab"),
    Golden(
      "model_stock", "model_stock", base: true, ["", "", ""], "",
      "329ca47ee06bf5ddb507730a8796ee4f87cd04dc9b04d79e123fd004871b793b"),
    Golden(
      "model_stock_filters", "model_stock", base: true, ["", ""], "filter_wise: true",
      "3b7bf1f9aea60c7000171248f5936c0ef6ae15c03682b7a808e0e526202d10ee"),
    Golden(
      "multislerp", "multislerp", base: false, ["weight: 0.5", "weight: 0.3", "weight: 0.4"], "",
      "acb54a7743a07dce886ed5ea2e42abc5cf29f16899eca4329b43115de82019ea"),
    Golden(
      "multislerp_base", "multislerp", base: true, ["weight: 0.5", "weight: 0.3", "weight: 0.4"], "",
      "6262f24dab6710ea96b22f713e01c3a776f5e0f34a9061af9d110be8ea4128ad"),
    Golden(
      "nearswap", "nearswap", base: true, [""], "t: 0.0001",
      "2334c3e8a1ef3e543ef7c0edd44b41afdf323cb4ff238faffd83feb90e7115a6"),
    Golden(
      "nuslerp", "nuslerp", base: true, ["weight: 0.5", "weight: 0.3"], "",
      "120ad5cf9dff5fb33635d0f0a372fcc9ca941b604f7ba9de888c9fb3fea354d9"),
    Golden(
      "nuslerp_columns", "nuslerp", base: true, ["weight: 0.5", "weight: 0.3"], "nuslerp_flatten: false",
      "55a10c715b87e1e69fbcbd46e6d0b375fb135ab3e05f2d4614422780b04e6d59"),
    Golden(
      "nuslerp_no_base", "nuslerp", base: false, ["weight: 0.5", "weight: 0.3"], "",
      "f6258f0ffd018446a774a4a132a50d3c1b182b7249c826ab84a48a1b7d95b271"),
    Golden(
      "nuslerp_rows", "nuslerp", base: true, ["weight: 0.5", "weight: 0.3"],
      "nuslerp_flatten: false, nuslerp_row_wise: true",
      "44e8b3890ee0d877373a1234df4eab6b9be079bd1530ec0da787c774ae0d15da"),
    Golden(
      "passthrough", "passthrough", base: false, ["scale: 0.7"], "",
      "f5b759fd49bfa2b616e50640249b6df31343c30fda9e59161604ddf736b7996c"),
    Golden(
      "ram", "ram", base: true, ["", ""], "",
      "d4835ca963894d09608af6ff60f10aa80fc6330f8d0dfa02567d589977186bb7"),
    Golden(
      "ramplus_tl", "ramplus_tl", base: true, ["", ""], "",
      "1c00bd84958d72b3bdfc7956a79a9cfcca82c6850ab19c43a19b218f70b95a6f"),
    Golden(
      "sce", "sce", base: true, ["", "", ""], "select_topk: 0.5",
      "80d1e87671cbec0e3845b962505969048b28e384c2ca4ea81c38586de2c7e9d5"),
    Golden(
      "slerp", "slerp", base: true, [""], "t: 0.4",
      "0bcda7b80d1be39683cd551736a6e1ed0e5b0f72b3286e1a32d7c2f54970ce82"),
    Golden(
      "task_arithmetic", "task_arithmetic", base: true, ["weight: 0.5", "weight: 0.3", "weight: 0.4"], "lambda: 0.9",
      "a008abb14e5e1680f8ee5956d13eb3df574c366fd08137b80f8ed6f81ae70ed8"),
    Golden(
      "ties", "ties", base: true,
      ["weight: 0.5, density: 0.5", "weight: 0.3, density: 0.5", "weight: 0.4, density: 0.5"], "int8_mask: true",
      "6c938fe4611260e3c8b4cd68de745f45a63a6b26386fb85f959fb709b1811bae"),
    Golden(
      "ties_sparse", "ties", base: true,
      ["weight: 0.5, density: 0.1", "weight: 0.3, density: 0.2", "weight: 0.4, density: 0.05"], "normalize: false",
      "ae7ea12521aadc4e9320244bef4041f46e6bb9dd0ae79174dc4f2dfbb51f0dc5"),
  ]
}
