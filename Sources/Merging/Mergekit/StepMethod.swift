internal import Tensors

/// The methods of mergekit 0.1.5 on one whole tensor, by name.
struct StepMethod {
  let call: MethodCall
  let tensor: StepTensor

  /// How many 32-bit words of the generator a tensor of so many elements takes.
  static func randomWords(_ call: MethodCall, elements: Int) -> Int {
    switch call.name {
    case .dareLinear, .dareTies:
      return elements * (call.perInput["density"] ?? []).count { $0 < 1 }
    case .della, .dellaLinear:
      return elements * (call.perInput["density"] ?? []).count { $0 > 0 && $0 < 1 }
    case .arceeFusion: return elements > 1_000_000 ? 1_000_000 : 0
    default: return 0
    }
  }

  /// True where mergekit's result is f32 whatever the working type.
  static func widens(_ method: MergeMethod) -> Bool { method == .ramPlus || method == .arceeFusion }

  func run<Working: WorkingType>(_: Working.Type, _ random: inout MersenneTwister) -> [Float]? {
    switch call.name {
    case .taskArithmetic, .ties, .dareLinear, .dareTies, .della, .dellaLinear, .breadcrumbs, .breadcrumbsTies:
      return tasks(Working.self).merge(tensor, &random)
    case .slerp, .nuslerp, .multislerp, .karcher, .nearswap: return sphere(Working.self)
    default: return other(Working.self, &random)
    }
  }

  private func setting(_ name: String) -> Double { call.settings[name] ?? 0 }
  private func values(_ name: String) -> [Double] { call.perInput[name] ?? [] }

  private func tasks<Working: WorkingType>(_: Working.Type) -> StepTasks<Working> {
    let density = values("density")
    let pruning: StepPruning =
      switch call.name {
      case .ties: .magnitude(density: density)
      case .dareLinear, .dareTies: .random(density: density)
      case .della, .dellaLinear: .ranked(density: density, epsilon: values("epsilon"))
      case .breadcrumbs, .breadcrumbsTies: .outliers(density: density, gamma: values("gamma"))
      default: .none
      }
    return StepTasks(
      weights: values("weight"), pruning: pruning,
      hasConsensus: call.name.electsSigns,
      normalizes: setting("normalize") == 1, rescales: setting("rescale") == 1, lambda: setting("lambda"))
  }

  private func sphere<Working: WorkingType>(_: Working.Type) -> [Float]? {
    typealias Spheres = StepSpheres<Working>
    switch call.name {
    case .slerp: return Spheres.slerp(tensor.base ?? [], tensor.others[0], t: setting("t"))
    case .nuslerp:
      return Spheres.nuslerp(
        tensor, weights: values("weight"), flatten: setting("nuslerp_flatten") == 1,
        rowWise: setting("nuslerp_row_wise") == 1)
    case .multislerp:
      return Spheres.multislerp(
        tensor, weights: values("weight"), normalizes: setting("normalize_weights") == 1, epsilon: setting("eps"))
    case .karcher:
      return Spheres.karcher(tensor.others, steps: Int(setting("max_iter")), tolerance: setting("tol"))
    default: return Spheres.nearswap(tensor.base ?? [], tensor.others[0], t: setting("t"))
    }
  }

  private func other<Working: WorkingType>(_: Working.Type, _ random: inout MersenneTwister) -> [Float]? {
    typealias Others = StepOthers<Working>
    switch call.name {
    case .linear:
      return Others.linear(tensor.others, weights: values("weight"), normalizes: setting("normalize") == 1)
    case .passthrough: return Others.passthrough(tensor.others[0], scale: values("scale").first)
    case .modelStock: return Others.modelStock(tensor, filterWise: setting("filter_wise") == 1)
    case .sce: return Others.sce(tensor, share: setting("select_topk"))
    case .ram: return Others.ram(tensor, epsilon: setting("epsilon"), plus: nil)
    case .ramPlus:
      return Others.ram(tensor, epsilon: setting("epsilon"), plus: (setting("r"), setting("alpha")))
    case .arceeFusion: return Others.fusion(tensor, &random)
    default: return nil
    }
  }
}
