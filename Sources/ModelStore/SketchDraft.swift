import Synchronization
import Tensors

/// A sketch that is taken while weights come by, in pieces and in any order, on all workers.
final class SketchDraft: Sendable {
  /// Where the samples of a tensor are.
  private struct Place {
    let key: UInt64
    let dtype: DType
    let positions: [Int]
  }

  /// By tensor.
  private let places: [Int: Place]
  private let values: Mutex<[Int: [UInt16]]>

  /// - Parameter tensors: all of the model's; their indices are what `take` is told.
  init(_ tensors: [(name: String, dtype: DType, shape: Shape)]) {
    var places: [Int: Place] = [:]
    for (index, key) in Sketch.choose(tensors) {
      places[index] = Place(
        key: key, dtype: tensors[index].dtype,
        positions: Sketch.positions(in: tensors[index].shape.elementCount ?? 0))
    }
    self.places = places
    values = Mutex(places.mapValues { _ in Array(repeating: 0, count: Sketch.samples) })
  }

  /// Takes what is sampled out of a piece, which is whole elements from an offset in bytes.
  func take(tensor: Int, from start: Int, _ bytes: UnsafeRawBufferPointer) {
    guard let place = places[tensor] else { return }
    let width = place.dtype.bits / 8
    for (sample, position) in place.positions.enumerated() {
      let at = position * width - start
      guard at >= 0, at + width <= bytes.count else { continue }
      let value = Sketch.value(of: UnsafeRawBufferPointer(rebasing: bytes[at..<at + width]), place.dtype)
      values.withLock { $0[tensor]?[sample] = value }
    }
  }

  /// The sketch, once all pieces have come by.
  var sketch: Sketch {
    values.withLock { values in
      Sketch(entries: places.map { Sketch.Entry(key: $1.key, values: values[$0] ?? []) })
    }
  }
}
