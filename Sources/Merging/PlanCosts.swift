internal import Tensors

extension PlannedTensor {
  /// How often all inputs are read: once to combine them, before that as often as the method measures. Where equal
  /// magnitudes are cut, or a sample of a large tensor misled, once or twice more.
  package var passes: Int {
    if isCopied || workingDType != nil { return 1 }
    let densities = method.perInput["density"] ?? []
    let rescales = method.settings["rescale"] == 1 && method.settings["rescale_paper"] != 1
    let rescaling = rescales && densities.contains { $0 < 1 } ? 1 : 0
    switch method.name {
    case .copy, .linear, .taskArithmetic, .nearswap, .passthrough, .ram, .somf, .resta, .prePost, .mergeAlign:
      return 1
    case .safeLora, .safeMerge: return 2
    case .slerp, .karcher, .nuslerp, .ramPlus: return 2
    case .multislerp: return inputs.count - (method.base == nil ? 0 : 1) == 1 ? 1 : 2
    case .modelStock: return method.settings["filter_wise"] == 1 ? 1 : 2
    case .dareLinear, .dareTies, .della, .dellaLinear: return 1 + rescaling
    case .ties, .breadcrumbs, .breadcrumbsTies: return 1 + rescaling + (rankings == 0 ? 0 : selecting)
    case .sce: return rankings == 0 ? 2 : 3 + selecting
    case .arceeFusion: return 2 + selecting
    }
  }

  /// Bytes that measuring holds at most beside the buffers of workers: what is collected about cuts.
  package var measuringMemory: Int {
    if isCopied || workingDType != nil || !isSampled { return 0 }
    return rankings * unitCount / 4 * 2 * MemoryLayout<UInt32>.size
  }

  /// Cuts through a ranking of magnitudes.
  private var rankings: Int {
    switch method.name {
    case .ties: (method.perInput["density"] ?? []).count { $0 > 0 && $0 < 1 }
    case .breadcrumbs, .breadcrumbsTies: 2 * (method.perInput["density"] ?? []).count { $0 > 0 && $0 < 1 }
    case .sce: (method.settings["select_topk"] ?? 1) < 1 ? 1 : 0
    case .arceeFusion: 3
    default: 0
    }
  }

  private var isSampled: Bool { !isWide && BracketSelect<Float>.counts.contains(unitCount) }

  /// Passes that find cuts: one where a sample tells where they lie, else one for 16 bits of the magnitude.
  private var selecting: Int { isSampled ? 1 : isWide ? 4 : 2 }
}
