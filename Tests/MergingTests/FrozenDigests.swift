/// The SHA-256 of what the cases of `FrozenCase` come to: what `exact-1` means, to the bit.
///
/// These digests never change. A method whose bits must change gets the arithmetic `exact-2`, and `exact-1` stays:
/// models are stored as recipes, and recorded digests prove what is computed again. A new case gets a new line, which
/// the test prints where STEMMA_PRINT_FROZEN is set; it prints none for a case that has one.
enum FrozenDigests {
  static let lines = text.split(separator: "\n").map(String.init)

  /// By the case's name.
  static let table = Dictionary(
    lines.map { (String($0.dropFirst(65)), String($0.prefix(64))) },
    uniquingKeysWith: { first, _ in first })

  /// Cases that come to the same: `int8_mask` changes nothing, nothing is pruned where densities are 1, all are taken
  /// or none, a default is written out.
  static let equal: Set<Set<String>> = [
    ["breadcrumbs", "breadcrumbs, int8_mask"],
    [
      "breadcrumbs, defaults", "dare_linear, defaults", "della_linear, defaults",
      "task_arithmetic, defaults",
    ],
    ["breadcrumbs_ties", "breadcrumbs_ties, int8_mask"],
    ["breadcrumbs_ties, defaults", "dare_ties, defaults"],
    ["dare_linear", "dare_linear, int8_mask"],
    ["dare_ties", "dare_ties, int8_mask"],
    ["della", "della, int8_mask"],
    ["della, defaults", "ties, defaults"],
    ["della, rescale l1, signs normalized", "della, seed 0"],
    ["della_linear", "della_linear, int8_mask"],
    ["karcher, max_iter 0", "karcher, tol 0.1"],
    ["multislerp, one", "passthrough, bytes"],
    [
      "multislerp, one, from the base", "pre_post, lambda 1", "resta, density 0",
      "safe_lora, count 0",
      "safe_lora, threshold -1", "safemerge, threshold -1", "slerp, t 1, a",
    ],
    ["nearswap, t -1", "sce, one model", "sce, select_topk 0", "slerp, t 0, a"],
    ["ram", "ramplus_tl, alpha 0"],
    ["sce, int8_mask", "sce, select_topk 0.5"],
    ["somf, of two", "somf, task_arithmetic"],
    ["task_arithmetic", "task_arithmetic, int8_mask", "task_arithmetic, rescale true"],
    ["ties", "ties, int8_mask"],
  ]

  private static let text = """
    ed91cbb2d99fbaa085bbf1442926e043614a085fcaa1e42fd894ca870ad47bca adapter columns
    aedd01b9c78959d3d241f39322697b3b15a934d179d7ad81fbe0a40f624da8aa adapter deep
    4055b99c4c6784334dfb508f77ccd6ecd2cd82f05d3c6388cd3c571932fde799 adapter dora
    f1d908e4baf1ed720f36b1ae457218209ea6aacada7e1aad0aec2a84bcffacda adapter lora
    b568c986f70e0c03b5a4b85468690cf3d252a1ee6f54dafeeb1e5d6abb52a2ca adapter rank
    f8fe00c3ed2c65d35971a4cfa3fe2bd2ef448655a964d2107299c4049f1e3af5 adapter safe
    6f20a9ea722a8f4b88392e986f1a0ab223dee986990a962e024f013013ad34fa adapter turned
    e1028fa7202d0e432e9ce93dae1087c1b0935923fdaeabc6e823f943a46b5907 adapters, behind a mask
    3613447eea5e9cbe025a9b592b51e4fd7becb30f2a8aa7813b4ea02463c3e469 adapters, dare_linear
    9870880a677d7300539a53329b0a474f5929a66fb256195a84ea55866e795793 adapters, linear
    1e5af78b45f5f6e86ef851504330c59ffe0011767446f870d0e2e20e2857ddf0 adapters, ties
    1d0fcb9c3b253d9cd932a13258b2d8da9074e816a1a257e2b8e406bf9a3e1bb9 arcee_fusion
    25cc861ddc321fc3472cfdc42b862ebcee540483a9d3709d187660155193ba0c arcee_fusion of F16, F32 and F64
    f3394de6262d2b05f4b9b88ff04a53b1d9af88aaf0757012abb498f361839c1f arcee_fusion, far
    069e02d8458c3c6d0977509e65f84259dfd82f90ecdad16fcd1ccb12185c8910 breadcrumbs
    1481c1c6ad4459212a1b4e4890fc57200db7717705ddbb3052ee113aca12e603 breadcrumbs of F16, F32 and F64
    21702e26a50625b680ee4386d7d83b846729b8c2f1a29cd0b5601b62c6efa318 breadcrumbs, all and none
    20f1cf5452e00846e48a2f3ceae43e2e90ad2b250f399388b9f6d53a566b0a72 breadcrumbs, defaults
    069e02d8458c3c6d0977509e65f84259dfd82f90ecdad16fcd1ccb12185c8910 breadcrumbs, int8_mask
    1e411ddcc76e63a9ad67efb078aedc6293a3ff5f87739599ede3948e8bcaf483 breadcrumbs, lambda 0.7
    164afe1af8da6c21f339c493728e9142770babd11e4f52fd09f4f4ee563ddcaa breadcrumbs, normalize true
    116e5fac1c6cbe9eb4af2fca1318aca3fe778ea82de30dec9ab872b2ebe77995 breadcrumbs, rescale true
    732d295ee436e4356b4a5a5f3f2edc7cfa0b589d3099ae2ac36bf635db6acbfc breadcrumbs, weights that cancel
    feb87d4f8a2e8ed7419f2da545182febe4a79267ae4e80f6d8cf266547e2f387 breadcrumbs_ties
    e6a20b794b25c57ef27aacecb65c8853b00e3b412f9d77bbba094ae9b52512a4 breadcrumbs_ties of F16, F32 and F64
    688ad27fd4b2915b18905336ecf5fe724893a94f5bcf74c6e72d1bfa829b55f2 breadcrumbs_ties, all and none
    fccdc9c70784e4fc9d54c8b4925d8d33081afca91abd9fbe2f7c46d52a87b3e2 breadcrumbs_ties, defaults
    feb87d4f8a2e8ed7419f2da545182febe4a79267ae4e80f6d8cf266547e2f387 breadcrumbs_ties, int8_mask
    0cd3ac1176ec472e77b5219769cc663f313610eaa74fd0cbd1d666daa9728d08 breadcrumbs_ties, lambda 0.7
    cf6b29bf859618389b929b1b67c6d26de9a79767017d43a99c3f193ac356ac81 breadcrumbs_ties, normalize true
    9593dcfe2c7d2dbd415a78c3e16451e361b597c2f339b3b783f4055a61221480 breadcrumbs_ties, rescale true
    0f7ae8e1f04312e65e9fe250843c39b63770c67c428515549e9d9e7f1fecbde8 breadcrumbs_ties, weights that cancel
    a93a17edf30bed9ecb87b480595edf52667677298a74c54e6177ab2abbd0a0b7 dare_linear
    b54dcc1bd56ccebd9021ba3918fd414d7fe74a2afc340765e7426531aa4c52e0 dare_linear of F16, F32 and F64
    e2eff362f06e1b4bdc4e6b80f24122d2bfdee542a3bddc1b0365e86c43a7a06b dare_linear, all and none
    20f1cf5452e00846e48a2f3ceae43e2e90ad2b250f399388b9f6d53a566b0a72 dare_linear, defaults
    a93a17edf30bed9ecb87b480595edf52667677298a74c54e6177ab2abbd0a0b7 dare_linear, int8_mask
    b3b297656b9c6d1bf3312b3f29b9162a45c19235c83b98d873fc67485f459688 dare_linear, lambda 0.7
    8da11b8933e199c45af564b0264658484a28b2961685e6f54aa01f7259d31d1e dare_linear, normalize true
    82362a8d9d59105c879c6fbc3889e4e4aa4c80958f4c5f709f0cb26fe07f23cc dare_linear, rescale as in its paper
    b05f095162364a673218983f3ed965f0f006eb40d3558f271e5131c8cb9e442c dare_linear, rescale false
    39aaaf051b6cc792580bdefb64988ae6c3fc2acd8774c0b43dbfe8a6e4880e2f dare_linear, rescale l1, signs normalized
    c1fe95492c6982b1545129c146d07f25235d14852f3aee6bbb695073431a8fc0 dare_linear, seed 0
    ccb030207a52d3a625c3800612e39b3bc7ad972d138148564cf8ae169f2e1ded dare_linear, seed 4294967295
    4fceab37b2761984ca30eabddcb928fd1df4e9e9bd98f96399fb84263ef61d64 dare_linear, seed 7
    a3481a71def6a23fe0cc9b1a1cf8266a7932e3e205688484b767412cdfd3543d dare_linear, weights that cancel
    05325b1e762ce910fadd4c47a4660733c207ee83e0650ada79dab53407d32f4e dare_ties
    969697cbda6abab85b3be5ceffc1eb04e5c45c28aaf5a5c792364ecf067b778b dare_ties of F16, F32 and F64
    e47bebcf6e4fe181ffe8d832667942f6541fad3f1aeaacc05d4ac9fa759a8da1 dare_ties, all and none
    fccdc9c70784e4fc9d54c8b4925d8d33081afca91abd9fbe2f7c46d52a87b3e2 dare_ties, defaults
    05325b1e762ce910fadd4c47a4660733c207ee83e0650ada79dab53407d32f4e dare_ties, int8_mask
    ad7cd676c7d466aeaffd617a4ac3fb089643cf84c175c88499a96529f226a6bb dare_ties, lambda 0.7
    0a70b895d5d2c5dad676d4e6c2d4b6db1d8fc38c39bcbbd7464a0041b6bd5971 dare_ties, normalize true
    418dea2495572146c0b230a31282199e99c11815af3d9e990b9ee72b95fc99be dare_ties, rescale as in its paper
    90a9245fd35e9b71c237338c82d4fd190af464caf3da42e0880734582df5f6e3 dare_ties, rescale false
    123141d961d7a360fa445075b238087277c7cc83427f275a9a885b8e8d2d5d3e dare_ties, rescale l1, signs normalized
    acec686af8002af8fe2829eec1c1ccd015c5174a7f790ee93e78ae881c6b712d dare_ties, seed 0
    a0a36a4b5a96ff60e0fb814705b0dc7faedcc0b39752d91710419cf1db974c6b dare_ties, seed 4294967295
    d6b53fe7991f85db63089e79024ba838b68c22b4ee5975dd23b96c1fdf8c00da dare_ties, seed 7
    83aa32227855b50bb62354e438fb253c1546005bdeacdc4d08f1c423d90abbd2 dare_ties, weights that cancel
    1c1d397cef15e1fcf9ac756f35aa32d863e34fecfbb97ab1c9b403ffd3ba092b della
    810c9a670707fe15356961335e35ce7c65cb792b23b69c5a0ed6d58cc7553b68 della of F16, F32 and F64
    93109e7c13401c76383d628d32b679f556aeb07744a61ea6465c274757b610f4 della, all and none
    f2e1204e75a7297109526fddac1e9fddbb3b18dccea9d60708ec0f2eb5abf5e3 della, defaults
    1c1d397cef15e1fcf9ac756f35aa32d863e34fecfbb97ab1c9b403ffd3ba092b della, int8_mask
    e37b81092bf79c88bce16fb1ca96eb39039b69f5e7fd0e93e4f27c88354889bc della, lambda 0.7
    b108d08ed46d3cab8abdd6dfee34df7d87be7f5fb4b4495ac35d7e08bfb81c5e della, normalize false
    6a0106433aae10d8a1d3677d4811af174ec250029fe71c4d9881883bd6adb9d5 della, rescale as in its paper
    73cd691c5f00b14fcd1020ef0e014609ffcd3df0379c8d102c08fe67616ed1b5 della, rescale false
    05998921d7cb72e8c44217999662f334535ef6f73825953356735d260d174750 della, rescale l1, signs normalized
    05998921d7cb72e8c44217999662f334535ef6f73825953356735d260d174750 della, seed 0
    2a2082fffadcac2ea2cb020161fad49388c2bfa11f8ddc103e13ddaa12b2ce1a della, seed 4294967295
    c308401e1197b768a40991b79781cc8a5d76c7e3bff4e9a98d293d2719220e85 della, seed 7
    82b894c9c98aa867b38f0064c40ea2000e112ec11056f11f9f2cf90db65d9e8b della, weights that cancel
    4023f7cb03c5d3b8e2a81adc57944d45e78cfa2ece508aa8f815e76ff46c9721 della_linear
    06314dff8e524752e5fec06fe55f25d242c98a91cd8d8eb633afddc005372f02 della_linear of F16, F32 and F64
    974a35af03d091c3d7b9c2229c90a87f69a518bc9994dece2677b6ce05577cc7 della_linear, all and none
    20f1cf5452e00846e48a2f3ceae43e2e90ad2b250f399388b9f6d53a566b0a72 della_linear, defaults
    4023f7cb03c5d3b8e2a81adc57944d45e78cfa2ece508aa8f815e76ff46c9721 della_linear, int8_mask
    141001a936ac824210d125d582eda0f7d12a8414b9fc2050c22072bc7c62fdc7 della_linear, lambda 0.7
    b1c8f9dc2bc4c995c26eae70a2c5f8c197aee9bc3c2ad0a2fc47d49288662c46 della_linear, normalize true
    41459b48121970e37861a584cbfad9b343dc01324861b7060851c94beb6380e0 della_linear, rescale as in its paper
    d0d974d8476342bc5c4f5909d9c1f6e8ddc12e2f00b883d6537de8d40af56131 della_linear, rescale false
    42a4e035f49a0730ef951e7cc579e4c5ca0d94b4ab95f67fc01b55f0c941dba2 della_linear, rescale l1, signs normalized
    a3693640bafff1dcc54c2b7400070eaf610d46ddb6d8dcf98a7f9f592fee96d2 della_linear, seed 0
    ab668a2850158ad3118e8757600b25e6ea4f12e65038832faa4756a984bfbed3 della_linear, seed 4294967295
    bc5f90f17b33d81ff2a0d6404e9cc37b1a2c4e09e9b95459ec60188262440d7d della_linear, seed 7
    3273505120e925353d4bc0fe7592e9f7079f8eea709b0cdbb0fe3b7d3fc682dc della_linear, weights that cancel
    e0c401cc198c8940f2fc8cab1b082b25819c7f1f1a0c68c794d72520c4a52f90 dtype bfloat16
    975af42f9bdab14c3777673a9ba4daf76b1cdb53d3fa8f4855073eaf705f81f3 dtype float16
    53d99b3495edd3e60a6261be8bfb4a476d8bcd113af09902db7b83366f38ebc6 dtype float32
    1e1805e2167e24ec0c4a8586a6a077ed6f5ead16d8ed2e5a0d2ac0360be254bb dtype float64
    eb9a0459fd1354aac0d254653fa1284bf64c1a2d17c8c6580df91c7af4cf9ade factors, from an adapter, rescale mean
    b45b5577e73509e902d3bde38d486ef2a8818c1ba83980e8fef3e88e1e59e045 factors, from an adapter, rescale none
    a8d0facd7d3f46fb1dea3788bf54f4f35460d59231fe0cdc647444d2ddc2ab99 factors, somf, rescale mean
    a37c847e278c4be59bd8d7f555f60cb1f9a5e88fcc3b885f9ee9f57f5e5fb907 factors, somf, rescale none
    5c085a46fa886135bf633ab27f86369e8e7d86cca211624106ec4bf5ddd6a8de karcher
    71438748126cead084b4248dce051cf7ccad432c1a6b7fda12f78b20ec868aa3 karcher of F16, F32 and F64
    9f6f63b51e053760c7c9f4d7f7cc6b90b82c175d17e77860aafb30689d1e0f43 karcher, far
    f06c7c5664cc4f4b0dc28a6c5f1e4e7ae2b66e60cf0bcabaf47cb751963226a1 karcher, max_iter 0
    57bffb8280b8a853c3cc2f5c7b4125788521f753183b14fbe31794361271a9c0 karcher, max_iter 1
    f6f4efef8b49fe0d63ba3986aa18a748f5ea1bcd8acc88ec1bf84806530dc0ad karcher, opposite
    f06c7c5664cc4f4b0dc28a6c5f1e4e7ae2b66e60cf0bcabaf47cb751963226a1 karcher, tol 0.1
    164cfd60988af94af518ec643e1012004223724b370f7f73d37760e6127b280f karcher, zero
    a60e6a4bc64db635ca13c6b70476f0ce9bcda3cdccbdc8ae53d1814623119491 large arcee_fusion
    38a330342e2e322c79f6452df7e53fc4d4a05493965a9f7932af9cb3ab903e44 large arcee_fusion of F16
    c92b0f3d3ff9995851cde241002582ffadb6ef46eef9b7675a7002fa6d15a88a large arcee_fusion of F32
    564d86ec5c1133f700ff5679d07ce9172f1deb43a5bc715daf7d5ba6818442af large arcee_fusion of F64
    f8077ec1ea428ae0e86c05fe0d9d3f3e46f7e9235a3b496b1a0ebcc835c11ae7 large breadcrumbs
    b37b0ba0df0839a665ef3f29ded0cf5c21428092e181e8e66dd72affda317d12 large breadcrumbs of F16
    bd89c9e97cbd64a24b7104b497095d553d6a98afefe2a7368706d1b0cfffe90b large breadcrumbs of F32
    efe05173a7f1e0957882cdec820f2baa830adfaf93fdf969fcec35d3dceee401 large breadcrumbs of F64
    87ab462c9f3761cfdb0f42239114288235fbda4114e425dfee6dd268c412b6bc large breadcrumbs_ties
    59ec043b540bd0fa9a670c25ecb1df30c6d72cee72743410ad9d85ef535c5e26 large dare_linear
    b0221a6d779058c5a340612e011b2813a2c0d10c2ab4bbc9a9633bdcbbd4b2a5 large dare_ties
    9844dc8fec7dc2b378c671143dd2fa65dce71c8f94c2b81a34136ba949ccff54 large della
    9ad5e687351a5d6635c1c96920569563bcc1738e43881148279cf561a811ca78 large della_linear
    5eaa9a14e35536a6a5ace63a0007dc9de6a0b6d3fcb28d6649f698eb62c6663e large karcher
    a2d8c557b9adebe9bd247e29846a6029692a662ee5ced194149054b768568516 large linear
    7df9af4840b4c631c24db29bcea7967f66f4c924bd05404ae6498879cfd2df4c large linear of F16
    a0d55e2814ab2969e7a005b0e5e0023af51ef46281dd4ff2bf55ab18cfa45a97 large linear of F32
    ca8223b80a0eeade092ae2062780d9873df6ea0fe4af59f2c71bd2f7c78a94ae large linear of F64
    50c8f0e073ad52c09b0d35aab337e571abde1c3a29fd0e22964a1313001fe696 large merge_align
    5a110d68c76a7d84d0bd9a5b56661b7f3a48fb1db7aac8d8f59124f219e6fe19 large model_stock
    7cd9254fba5743b92f5b56dfc85f7b8c1c8e8b29b6e5f6ed364498d05873a1b8 large model_stock, filter-wise
    f0f95d7ac26ad34c762e5a43cccd83f875253b1971839bcf31916b0a79ad7ba5 large multislerp
    aa7d06b61b5602bd98c87e598fd657ca2ea104e202a7bc999a53e8520d159d04 large nearswap
    93370ca4b2995016dc205d52d4ff7f786cf9cfddc0c9bd5afde2450febf337d3 large nuslerp
    f34327fb8b56f4c63b634a7e2df7056bceef4f3029999bd30347d908e3a0492e large nuslerp, columns
    092c77c4a00e4645b223ae6650d05a6b4275327d34c4f12e60f773e48c41bfc8 large passthrough
    2ba2a0af760e0c56f9d7e08158f2a96ef1128a5506f2e8a20558563790d63bf9 large pre_post
    df7b29e39969a1962def2093e02e4ff462588b050b29a529e08c6db71d0ef3b2 large ram
    ab7f13d4dc6d8256e21f34a5fab2e0009921f08986de3c43e09fbfeb94046cae large ramplus_tl
    0eb9db2768e033a8bf073c3060139dff6a95cb29b93959bed73f8155d427e4e0 large resta
    18bb913a093f825735ece238a7b581ad60df4fe3bc679a93004775aa1a03c6e9 large sce
    6058a1d7f86fb18b3aa8362d99b32945b2ed559e7c332fd988f6d73d9e9caff5 large sce of F16
    13954a9b34398b131053209c4d9873f1e6a53063d94d2fa6896377d1cbc04379 large sce of F32
    5d4cc128207a3c85f5dfb4e6c1b3555b4a3fa814577075a6a20dffad63c4dceb large sce of F64
    0ebeccc7504e673a79b11eaedc20552545b8b4f196d32e9e6d3144d67f589191 large slerp
    02c5dffe5829397df00d8f2cb4360ec803d3b3aa7bbbe44a2bb92d71346be345 large slerp of F16
    010d02e4643d6b75c5595c70602bc6f4c924ff8ab295827f3eb27294fae1c45a large slerp of F32
    092702bf3325632b23c91682786c9ad0e4dbe8cd9d21a2661e99835c843c29fb large slerp of F64
    3d3b39ba1c875c91aa44aecd4c6c530b55d3c58b0355a3895dc7e7a366c3e594 large task_arithmetic
    851940473ef293e8458b17a2449580d32f4aecf40812978d08c387354f16987d large ties
    72cb622a0d8d20427f7f88abe4d26faf551ae8fd229c27f86e14de106ac9d76f large ties of F16
    bb8960609897b44f8972feda6a1a99298757d1d5b221173d93701e90897cb5cf large ties of F32
    d8c9cac680496ccef29f6ba93589a0746405e975bc34f021878ba671829b508f large ties of F64
    d95bcf5a046f78a3d8c0c4286d0a83f0e466f4a45d175a9becc343c7b44834ff linear
    0bef213d113ebce34c9a2f097b71cbb936dc6f53ee3188c9bea5085b882a88c3 linear of F16, F32 and F64
    b9a4dc30ccfc715e203caa728558d6b538cb4f7180b3535fe920ae2858e48af9 linear, gradients and filters
    2e5a3fc3dd3d61abd2b94f8c96b105a61f609b9c5623e5911b2b5dcd6f3417fa linear, one model
    a3b09a756d1076f7df31a1622dc3a51b320d0a573cb3bf4bd27520f58eecc342 linear, sum
    a1e76d46f930a9db63899551ae9a68b562d4870535f81a6f35a6437165b26f32 merge_align
    07a609aec826b67d439601865e406144c04c99b017323ebeee3f794829e799a6 merge_align of F16, F32 and F64
    85b77520a757d5aad81ff220199b636ac8cd83f175d30e66d2420955688390b9 merge_align, alpha 0
    03bbd388494aae89f092971f7e489286cd58987a935aad700eb3fa0a1526dc51 merge_align, alpha 0.7
    8dc0d862d912ea5e9909ff8aa0e692e00a0a1ec92356a932365578ed22b975d4 model_stock
    febacda879a1ccb6c86d24616581da03d45a48a5d6fb9bd0827d3a857e7a5b1a model_stock of F16, F32 and F64
    9e10dd91d0c8469911d3b5aa5cbc81f19632569bbb716e88d980bf23e16190cb model_stock, filter-wise
    f9402243655adaea74c9624d7d799702cd17647b57dbfb91b794308a07b064b7 model_stock, opposite changes
    a24dbe3399d0820129357ec98ede89d24c97950f8c96d0d375e8a4aa68ae8f96 model_stock, two
    189d67ddc481b9275ce3050c7b82c04a409b977a83d3a253620e776789ddb369 model_stock, unchanged
    6b3c4ee9616a80368b56119e6cdd2dacce73f067e1795da6338589ae7d8b4fa1 multislerp
    8eb5d85290f50b77d9c931bd5ad366b51619b2876b8359413821e8c3c84f965f multislerp of F16, F32 and F64
    949e72dad9fa4823b98059e0b51d033639356df84ccb891f26a60a6954428899 multislerp, directions cancel
    659c37cd2b60beaf3289950414292c28c527ae29476193ccb1befea22824fa1b multislerp, eps 0.01
    157fc592562a3bdb13c8f1552ec659ed911ae98c1e6215254f96e4c6338fef84 multislerp, eps 0.01, from the base
    57ac45e4ae17f8a3ebb4d340da0f825e6e39f72db9fc8c61d8089e02da8ac092 multislerp, from the base
    fce156eba461b7b20cd5cb6d8cb6597f42a0430a3c14c3571449ece646d0e20a multislerp, one
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a multislerp, one, from the base
    53a31f6f263114664615a2e19060851a6214f772e64190abc0e04168be905228 multislerp, sum
    de07f212eadd94430263d6911a181412410f6481e3d91b5b4b49f34b08a6a822 multislerp, sum, from the base
    0a998e1000053376853a83a7c35ea1847659f4b276dcccce9b773183c515a84e nearswap of F16, F32 and F64
    0741a9d7ac99650d30e504526aaec5e76409d72b0bcdf0775719a9f9bfd8f445 nearswap, t -1
    64e79c30b6e5c490b32e7a6048ca83dfa0e4506987a7fefab079f792bd49f822 nearswap, t 0.0001
    11486d0834dda962726a76ca79210cc6eb12cc54694c751252c9403225aa0f8d nearswap, t 0.02
    0551615e74fe1c1a38eb064d2090a0f6fcf8e1c29f731e2b873349ca95d63584 nonfinite dare_ties
    5e9df0e56b5a7b1c728e273fced0098e19cb1f61424c89d0e08728b0dcdd10c7 nonfinite linear to bfloat16
    46f84ad8fa8f90d22e7cf6af065b77529c378fec96854514e3b46c1e0ebfb521 nonfinite linear to float16
    fb086f9df475bfb58bc9b374146a562553a1a160948b1ade239c26054b58c863 nonfinite linear to float32
    e6baf5c40acba22b65825f520ed54e994d294987adfeffc4e86b6945e5ffe3f6 nonfinite linear to float64
    c2cae11687e67b09af3efa39802d2b7fa7408b6908bee3976e892ee477796948 nonfinite merge_align
    6f4c44df3f628179efc1ed1b6ce6590db9c1c9fdd6037da5aff4676c6fb816df nonfinite nearswap
    fcb9ec858117d38b1f8c98ae25bd3215694acc3ba47b6dccd8b78d92913cf647 nonfinite passthrough
    1128dbbbf3250a41f419ff7a5ff8416db1198d13fe00a4cbb7fdfc66da3424c3 nonfinite pre_post
    195eb5e3c34d54768c1261215333598d5fecc93eb2eaf5d53a09773291899260 nonfinite ram
    1558ac5239186cbb49c38e250c695870018eee39fceb05e016c1f4c61e64d767 nonfinite resta
    2f824b5b121c2138c20d6186f08e29c27b2aa159f47eaac70360c3172f6bc497 nonfinite task_arithmetic to bfloat16
    3468776619947c0e048573d8030baf78e8ac2e9a534edb4f2ab9bb317195ab42 nonfinite task_arithmetic to float16
    22ea990877f4701a84eedc4f389443c88a885730b9bf88391675d8a8dda4eb62 nonfinite task_arithmetic to float32
    83b0bcfa9bbe7a1ddb91636dc52e82b7d2ad3e5a94221024b88b8c03ce5d543e nonfinite task_arithmetic to float64
    5409500a188298a00a666476ac17b4d8b02fc77f485f5b5f79032a588a080edb nuslerp of F16, F32 and F64
    8b53213c31992f32375c6b5084be4828870029080bfcd93b54f523bdabfa42bf nuslerp, columns
    4acf3f1d7d76b2ee3c080c4d3f446ad7a12ecc2469394e4b11a368039c4b2731 nuslerp, columns, from the base
    8b961788c0dc06a743c739a73c716054c0066f7abd04b0ffaff968ddd81bf95b nuslerp, flat before row-wise
    a4c46c0d60852e62f2a7fefe58ac73a7c5173f666742ca8c9acea1c52c7f21b9 nuslerp, flat before row-wise, from the base
    5b1d883673982f64e03b042b9be373aec3206211d7bd7392990ac721ef359875 nuslerp, flatten
    43c12208680423dc578141cc072060e55983a3dd889bd96e73f3cc0f717313fc nuslerp, flatten, from the base
    72435b268982f06db462272981566e8d45965c127ae9dd1b265b835a6a9b02db nuslerp, near
    ae8ba120f5843b96d57f2ef8405725db864b652ba6dfabf94d495c1589b1ccb9 nuslerp, rows
    9d590758018af5b070a69894e34b199edd91a3c2a297974dfad33df224c29101 nuslerp, rows, from the base
    6135c1ad2538b84407f19227bb8691e78c1a271c18d441a7908a50a9c1949f40 nuslerp, weights cancel
    006a156abe2d308d4b11342407d236f34c8c4c62ae7628ff2aa1a24636aa452e nuslerp, weights cancel, from the base
    91e4df495ee34d2fa86eb739b69b634d15773fee1e00b2977b18517e7915a222 nuslerp, zero
    ff51a6f949c21e416cb4e2e84352fb3ce009196b805764210c6f457e63f58e15 out_dtype bfloat16
    4c8db1c0b1b08d931fd5baa974a3f81ce4af9f8c51f7fa9f5e498d629929c2c8 out_dtype float16
    1258c6fb1d7082f5d6b642d7ee1e0c5acebd6d7520665f8ac03890e1f6837eca out_dtype float32
    54afddfc1a7e4a6f4b16d1b80b60ad3c89eb3f9ca4d9b3cae7ba7b4840d27594 out_dtype float64
    987c0b8b762e66401fa3a7b25420a0223fd7424fa3acf31a8c98f322f49be794 passthrough
    0df8604d6abc82b1a9e075fa2348254f9284b4be6b0db1d82bb0f8c595f4e251 passthrough of F16, F32 and F64
    fce156eba461b7b20cd5cb6d8cb6597f42a0430a3c14c3571449ece646d0e20a passthrough, bytes
    b2e070555872a3a9e73feed2dbd5965899b6391e5a95b9f112031391919770d9 passthrough, scale 0
    b86f115d8d7590dfc74a5f0f293b955c5c72a3556c60eb366ed7a31824c99f7f passthrough, scale 0.7
    12b3ab34706823413d9e1e3c33fe939e89e18ce2d82d0a2e71be025ffd8f1c25 pre_post
    7842fa8b3f6d2dd47987256fbb4dede0d77d778f4f5566659c214f3417e98030 pre_post of F16, F32 and F64
    8cb2b9e7c29cab556a9b3601510df20cd5a418aa84272771b6d5906ef4ab201b pre_post, lambda 0.3
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a pre_post, lambda 1
    54cb70f81fce3c4b33a733bd0e0b56f45d1632a6e07d74824c08ad3e1f20ba7e ram
    5d0138725a65b201d0a7cc5d59013b2d4f9300ecd1feae37bbd5d76aa67aa59c ram of F16, F32 and F64
    7507dd5d4b2200942f76d451bb64cab6c09444072fce3144760967162cefba05 ram, epsilon 0
    9598ef987c3c18d4fe5a88ad82aaa29eb8c1dbfbb54acdee4c514428c7339f84 ram, epsilon 0.05
    8da62862944cb1a0e4c68c057e011dcbfc51f1ce33670b59cdbe453c6b413b88 ramplus_tl
    b92d3a289612869c5673beba3ac39b3c70e0882fe46667bc8a3b8dc17b7950ec ramplus_tl of F16, F32 and F64
    54cb70f81fce3c4b33a733bd0e0b56f45d1632a6e07d74824c08ad3e1f20ba7e ramplus_tl, alpha 0
    6e1069c699f2e37b309997ea8063911fb918dfdd38bf519650b10a957309d20c ramplus_tl, alpha 5
    33c1b7d9033a92fa20aae26ea03761b4070a959b60bf8604a959ad6871ee50f8 ramplus_tl, epsilon 0
    6ca09bcc35ed981e77d5669f079e9e9674db0c19b2c05dff227bfbd82cd079c4 ramplus_tl, epsilon 0.05
    eed00821353396023bca2b651d427f7fd425fe7acb19b599fcdbf91c9a60f73b ramplus_tl, r -0.5
    898d651402ec5a57607f3dd6fa30ad509e3c5a4d5015b9ee6026e68d9fa73468 ramplus_tl, r 0.5
    b0e97e7f854e9e085d2931c1c45deb71e083b9c1d2301bb43f751485c5f76e1f realigned linear, mask
    e715ba04cf1cd92aeec4106394a33a3c8f2e8574bdf5260a1896ee710fbd5538 realigned linear, mask and onto
    869fcdb35c7742e8e22d9b5c6c54003aa078e0e405ff989e99c604354b4671b7 realigned linear, mask and out
    44871c6d7bd103a5acb5b7136fad28fac57fa9e7355b9f643d4229930e1b42e9 realigned linear, mask, rescale none
    33493d237ffbdce03748d0127fcb3196a0167b7999d7a60c5274e51544ef5f95 realigned linear, onto
    984397189873a5533256511f249c32d56581f7cedaa90eb6e27bec15630a988a realigned linear, out
    b532c585b3bfe58aaf52d2d54953be4f2a12b560519c19f9f56762f34157b60a realigned ties, mask
    9907ffa2ce60ff7fbb45b336c4d912b8f0d43cbe810ad0a17f7c6d8118d693a2 realigned ties, mask and onto
    ef442f003f50f3ac52532dcf4b44c146801dfe5cd050357e3bcba36bf2282ee7 realigned ties, mask and out
    8dfe784cb0ed36d4fecdfd7d88d4919d686c7cafc14eba315af36998e0c03657 realigned ties, mask, rescale none
    536041ecaf46734e6a1d60bce17f1831451bac7cc62d0893bd2ef4075e6d5ab6 realigned ties, onto
    a335b6b490c304450bfe6d6a8860e06053999f98c2cb3f1acf0a8851ca894c06 realigned ties, out
    3d6622da7ba9a5ba4bce5f17307453bb47745aab1e38c77d7192ffe68306ffc7 realigned, one of two
    a290b213f0c2e80c0327ad1e6409c552a5dd1aa45c926a91856db71c2a53e47e resta
    06cc9477471e6c7c8ace4f661bea0ce9359f16a7a58199e21b47a77e22c7fee1 resta of F16, F32 and F64
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a resta, density 0
    d74c8c547cf11e32246fa031f279871c49cbd5e60b3c751b07a604b12a84269f resta, density 0.6
    b8ba035bd204a99bcb98a9b40da1b22cbd29c78aedddeca474ddcb9fd660b3a9 resta, density 0.6, seed 7
    1a08a1339ca4a575b56f35ed7a16c968dc930c6d324dff30b573ed1d421459de resta, gamma 0.3
    2564c66a6a4e8c17b70e045f44495be90e1cd20fac7452d4a91623876459e70b resta, gamma 1
    5f4d21772d0f8975334938f267a58c1250e1218eaaf97b69d647178d0d0d9c28 rows 0, linear
    1d3486da61c3aa2136ff1bc7be57e97ca126703473b7bb1fc12c0c999997423b rows 1, linear
    1aa03439fcbdd2fd68c1bd7c3cff569002053b44f4736e08ebbfcb0342b14fb9 rows 2, task_arithmetic
    2ad5db66ba94d98677a216a06fce8bc484d8f2d22f35f3b0d9855ec555bbd62b rows 3, ties
    707a9d64e08d847ec135acdfb47088211f1871d8b6e75b174614d9eeffbb4716 rows 4, dare_ties
    8a19096088ec7dd3d78a90813674b83ee8cde2a521107bff22b184a58de8dc71 rows 5, model_stock
    cea6660686c98dc946da5e1d0a218a4d58b88fbdb516182fc78827aec94c47a7 rows 6, karcher
    7e8c42668eeaf25cb5f1258e325c1ba3e7add38de90849543399275b84e3cf35 rows 7, linear
    a2b8b83d2ac4199816b5b35ff926b29a22cf11e56d2b81fb2d130b4c1fefaee6 safe_lora
    4335963643dd348dccc24c61fcc9a50e50fd49aa2f7b1dbab13f56d7c301a5d7 safe_lora of F16, F32 and F64
    3d1e4520ad261cd7e3ca3b668ed6c5f6967ca6a59f4b65218df2070833f8a12d safe_lora, behind a mask
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a safe_lora, count 0
    4aa4566d7342ad5e1096d99b620d7db0e711548dd0102a3c51109a65b731a271 safe_lora, count 2
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a safe_lora, threshold -1
    0d5fadeea30652cb4c3078e51d7c278bfe90c38e56a3978fe1adf0ac08bc3984 safe_lora, threshold 1
    b884cdd82246f762bfa44839a52545f855dc4acb47dde49a340e521172cc1412 safemerge
    0f60204c9937959d9960989b2cbce0312f6956f96eda3b9321ee96fa7f27a939 safemerge of F16, F32 and F64
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a safemerge, threshold -1
    c06df4612451e31e0f374fa7f0d4b1bafcea5929d5e8bfa03bca83b2429c266c safemerge, threshold 1
    f26f24420545772efd74cbbadc685b397d2e4077df563890f10826141867a274 safemerge, weight 0.6
    f27e841fed80369fc1a2cead638415c38602b00db00d40669367a95a00434c6b safemerge, weight 1
    9c49ca5c7b3c055342a7d3a167efaa85ed32300853d6085ea8ab097b6fad7b52 sce of F16, F32 and F64
    32e79495b76d01c4a515be7742bcf3c9ff7d8745e9dfa0d4f718b368dd71df11 sce, int8_mask
    0741a9d7ac99650d30e504526aaec5e76409d72b0bcdf0775719a9f9bfd8f445 sce, one model
    0741a9d7ac99650d30e504526aaec5e76409d72b0bcdf0775719a9f9bfd8f445 sce, select_topk 0
    71ff83f971e656bf72666c0c538da711107b52ea128db01bdb7c6ed7a957655a sce, select_topk 0.01
    32e79495b76d01c4a515be7742bcf3c9ff7d8745e9dfa0d4f718b368dd71df11 sce, select_topk 0.5
    d7b7a7391666191d799f38f9f353da53d6688c2bb5b4c7686ccc26d0153c862c sce, select_topk 1
    1981f1aa3a342e0e5c47b582120efad959094a0b0c8cd723f86021265a4df4cf slerp of F16, F32 and F64
    0741a9d7ac99650d30e504526aaec5e76409d72b0bcdf0775719a9f9bfd8f445 slerp, t 0, a
    46e036469d1d230ad6922705bb0ac0b05eeae1af460f1774d097ca35b36d2d3d slerp, t 0.3, a
    11457ca6e2d0da5e51c3ba60ccfd9819b2574282a30227ee54313d3b6014f9ec slerp, t 0.3, near
    2469c18cc9fcc2522bff0647a1a620f9e5a39c68b63dee1eb84e4179386f08fa slerp, t 0.3, opposite
    c71915743b065c1798e2977575dbe8253680a2835706d92c1174ab1e1ad4be00 slerp, t 0.3, zero
    25aa0f5b56529942c47b71cca6fe6a22d724e65a3156a990ba39676cf09a4099 slerp, t 0.8, far
    5e86d84de52b4822c9b40e5955106afc801d6c54e92352dedfcd7abeabad220a slerp, t 1, a
    37953f0b134f22a32ebae1db224887c710318949b755dc2eec3170481b025ede slerp, t by layers
    fa2fa9cb9057195c006f6ca23d4db5194213c70e0d11aa757d1bd047aa7504c0 slices, a base of their own
    890865e152704d49ee84a60cbeb8933b800999f256d3e33c0cd58e3818210eab slices, gradients and random numbers
    85080d8ee615529cefabd06b283a4e6c6ecaa37115f455a44592576422a6c027 slices, stacked
    398a5d0187a4bd2c75e80e162c665a032808aa5b49ac10c642fcee444a94fc2e somf of F16, F32 and F64
    3b73e600492ccf5f8134a7f0010863d902afdb9fbfcabff083fbefd3142da89b somf, average
    cb6397dab0c8fb2c4da12b13fb83dba64a8ab329a74035aaa1badd52aed1320e somf, dare
    336c5d1f00cfcd5c0513d8408b3ce3243a77c43ebc481425e148f5118e2ca11b somf, dare, density, seed 7
    ca6dd494014c36b392212a7d35cccfb9f3899eaeed2b4e03b552d391f5b3db40 somf, dare, rescale l1
    194ada6581ba8b89bdeadb3f52fc6b30ab31b4ee7bf69e65c1443016ab5652b3 somf, dare, seed 9
    2bff4e7b97c1cbf4250a213a886fa06ac1c30bf620ab6f2dbcf603448cc8a95e somf, of two
    f2c30cd86d3cc83f71da34bc51d8e8a3d78c335702b8a7a910800d62a4e16add somf, single
    7288a8e4dd0ede3f20f285ec8a4c6c779b3860587961f9d7f7602bfcea45e3cd somf, single, rescale none
    2bff4e7b97c1cbf4250a213a886fa06ac1c30bf620ab6f2dbcf603448cc8a95e somf, task_arithmetic
    119f645ee8c343f299bd5400a057ff6bc897cbda89926b8709f06e8cef004729 somf, ties
    e6d3afd6736f9c93435fd920ec3bbb7f329be5e807c7947e7bed50491f6c959b somf, ties, all its own
    90fd7579b0d8d59a81d561f8347e930e1d46c0a9e1ad0cd469a53871797dc9fc somf, ties, density
    65c0563a328478a28577b34e0cfde1d73cbc2f92995200388cb6186d0b868ed8 somf, weights
    87f475e91cdcb106e6bf8a598fc7b9f105d5a46cb5441adee9241817da0fa1e9 task_arithmetic
    b186d0835542412162bc2f58b58b2ac6befc99bc826142e6e06de9bbab1f6f76 task_arithmetic of F16, F32 and F64
    5a65798dca08ea1bed543febac6883eb6adb5f956459a4569dde166002ffddb9 task_arithmetic, all and none
    20f1cf5452e00846e48a2f3ceae43e2e90ad2b250f399388b9f6d53a566b0a72 task_arithmetic, defaults
    87f475e91cdcb106e6bf8a598fc7b9f105d5a46cb5441adee9241817da0fa1e9 task_arithmetic, int8_mask
    602a569ec933370b23fc6e7707b13266fbae007a719d56f925ff1b02f58a3f22 task_arithmetic, lambda 0.7
    5d3da1eba20494c788bbfd313ce894566c1b9b8c47239e3ee74f67831b30a31a task_arithmetic, normalize true
    87f475e91cdcb106e6bf8a598fc7b9f105d5a46cb5441adee9241817da0fa1e9 task_arithmetic, rescale true
    3e21a859f823a2665b9b5e5f745f1ff78ac9829f700b170d641bb05a54f12eec task_arithmetic, weights that cancel
    2e6428b24d82e4e87e2933926ebf8ed56144aaec74e8ba8c623066850792be1b ties
    9fe36c80c8c9764e0c1a8cb36fe604b4872eeda011f0a1422256eba83286ef9c ties of F16, F32 and F64
    48a5cdd5cc272382599a29e1887aa9346374b551f7933f81aff8cfb9fce503d9 ties, all and none
    f2e1204e75a7297109526fddac1e9fddbb3b18dccea9d60708ec0f2eb5abf5e3 ties, defaults
    2e6428b24d82e4e87e2933926ebf8ed56144aaec74e8ba8c623066850792be1b ties, int8_mask
    f0e0c7e46d8d3869cd3c5ae80fb7fa57f084a4632b054cfb12c2c07ac9c12eb6 ties, lambda 0.7
    cddc4e1a6809af119c200823519ed4096e640933d688ab62e91992c3295a21d8 ties, normalize false
    d449d006aaed60a093eaf9531d4367b518926f51944dc65adb8106eb0a0ca965 ties, one kept
    3e302ff2d5d19e7d0fb727916ab3886a3037aa9bb953b35592c5e93a487fcd6a ties, rescale true
    11af656cf3326745ffa7bfc6df2fa0748462095c6d2eeb2489ac7a439381456c ties, rescaled, normalized not
    86e475bc4680caa02f26ca990f7f95f662c666f85e6c81fa099209d1de21d6e1 ties, weights that cancel
    6b352a66cc26b34e494d0f9b0df9d3c565acd558233134eb97239f0a8be4eb34 tiny arcee_fusion
    cbfdc612b44e63d8455a6bda02bb342cc39023aa4a9af5af3ad3ea6990e954ff tiny della
    a557da19fbcfc9f1f71481adb15b8ee866ec5ea6ec7fa15da1f4e4b671354841 tiny linear
    85e02ba0d0e96e5da2e26db6d81c6980ae36a4278851ae0f3a34cf195dca3d4d tiny passthrough
    d8d3b5e8eab6c5874d82140a4d4a3fb5629e471b5817bb7502ed697452fda60c tiny slerp
    ef512aa0b1397958910a0d11791203f374283205dd9a684a2f9cf64840baeab9 tiny ties
    """
}
