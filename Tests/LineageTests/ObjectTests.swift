import Lineage
import Objects
import Testing

@Suite struct ObjectTests {
  let folder: Folder
  let database: LineageDatabase
  let pack: Int64

  init() throws {
    folder = try Folder()
    database = try folder.migrated()
    pack = try database.publish { publication in
      let pack = try publication.insertPack(sha("pack"), bytes: 1000)
      try publication.insertObject(NewObject("a", pack: pack), depthLimit: 2)
      try publication.insertObject(NewObject("b", pack: pack, base: "a"), depthLimit: 2)
      try publication.insertObject(NewObject("c", pack: pack, base: "b"), depthLimit: 2)
      return pack
    }
  }

  @Test("an object is found with its pack, base and depth")
  func found() throws {
    let object = try #require(try database.object(sha("c")))
    #expect(object.packDigest == sha("pack"))
    #expect(object.pack == pack)
    #expect(object.base == sha("b"))
    #expect(object.depth == 2)
    #expect(object.rawBytes == 20)
    #expect(try database.object(sha("z")) == nil)
    let packs = try database.packs()
    #expect(packs.map(\.id) == [pack])
    #expect(packs.map(\.digest) == [sha("pack")])
    #expect(packs.map(\.bytes) == [1000])
    #expect(try database.deltas(on: sha("a")).map(\.digest) == [sha("b")])
  }

  @Test("an object or pack on record stays as it is when it is recorded again")
  func again() throws {
    try database.publish { publication in
      let same = try publication.insertPack(sha("pack"), bytes: 1000)
      #expect(same == pack)
      #expect(try !publication.insertObject(NewObject("c", pack: pack), depthLimit: 2))
    }
    #expect(try database.object(sha("c"))?.depth == 2)
  }

  @Test("a delta whose base is not on record is refused")
  func missingBase() throws {
    #expect(throws: LineageError.missingBase(object: sha("x"), base: sha("none"))) {
      try database.publish { try $0.insertObject(NewObject("x", pack: pack, base: "none"), depthLimit: 2) }
    }
    #expect(try database.object(sha("x")) == nil)
  }

  @Test("a base chain longer than the limit is refused")
  func depth() throws {
    #expect(throws: LineageError.depthExceeded(object: sha("d"), limit: 2)) {
      try database.publish { try $0.insertObject(NewObject("d", pack: pack, base: "c"), depthLimit: 2) }
    }
  }

  @Test("a base chain that comes back to the object is refused")
  func cycle() throws {
    #expect(throws: LineageError.cycle(object: sha("s"))) {
      try database.publish { try $0.insertObject(NewObject("s", pack: pack, base: "s"), depthLimit: 2) }
    }
    #expect(throws: LineageError.cycle(object: sha("a"))) {
      try database.publish { publication in
        try publication.deleteObjects([sha("a")])
        try publication.insertObject(NewObject("a", pack: pack, base: "b"), depthLimit: 9)
      }
    }
    #expect(try database.object(sha("a"))?.base == nil)
  }

  private func replace(_ name: String, on base: String?, limit: Int, known: ObjectRow? = nil) throws -> Bool {
    let row = try #require(try known ?? database.object(sha(name)))
    return try database.publish { publication in
      var object = NewObject(name, pack: try publication.insertPack(sha("other"), bytes: 500), base: base)
      object.offset = 8
      object.length = 7
      return try publication.replaceFrame(of: row, by: object, depthLimit: limit)
    }
  }

  @Test("an object with another frame, on another base, is counted anew with all that rests on it")
  func replaced() throws {
    try database.publish { publication in
      try publication.insertObject(NewObject("d", pack: pack, base: "c"), depthLimit: 3)
      try publication.insertObject(NewObject("e", pack: pack), depthLimit: 3)
    }
    #expect(try replace("c", on: "a", limit: 3))
    let row = try #require(try database.object(sha("c")))
    #expect(row.packDigest == sha("other") && row.offset == 8 && row.length == 7 && row.base == sha("a"))
    #expect(try ["a", "b", "c", "d", "e"].map { try database.object(sha($0))?.depth } == [0, 1, 1, 2, 0])
    #expect(try replace("c", on: nil, limit: 3))
    #expect(try ["c", "d"].map { try database.object(sha($0))?.depth } == [0, 1])
    #expect(try replace("a", on: "e", limit: 3))
    #expect(try ["a", "b"].map { try database.object(sha($0))?.depth } == [1, 2])
    #expect(try database.integrityCheck().isEmpty)
  }

  @Test("a new frame that makes chains too long, or a circle, or names no base, is refused, and nothing changes")
  func replacedWrongly() throws {
    _ = try database.publish { try $0.insertObject(NewObject("e", pack: pack), depthLimit: 2) }
    let before = try ["a", "b", "c", "e"].map { try database.object(sha($0)) }
    #expect(throws: LineageError.depthExceeded(object: sha("a"), limit: 2)) { try replace("a", on: "e", limit: 2) }
    #expect(throws: LineageError.depthExceeded(object: sha("e"), limit: 2)) { try replace("e", on: "c", limit: 2) }
    #expect(throws: LineageError.cycle(object: sha("a"))) { try replace("a", on: "c", limit: 9) }
    #expect(throws: LineageError.missingBase(object: sha("e"), base: sha("none"))) {
      try replace("e", on: "none", limit: 2)
    }
    #expect(try ["a", "b", "c", "e"].map { try database.object(sha($0)) } == before)
  }

  @Test("a frame that took the place of another meanwhile stays")
  func replacedMeanwhile() throws {
    let known = try #require(try database.object(sha("c")))
    #expect(try replace("c", on: "a", limit: 2, known: known))
    #expect(try !replace("c", on: nil, limit: 2, known: known))
    #expect(try database.object(sha("c"))?.base == sha("a"))
  }

  @Test("a base cannot go before its deltas, nor a pack before its objects")
  func deletion() throws {
    #expect {
      try database.publish { try $0.deleteObjects([sha("a")]) }
    } throws: { if case .dangling = $0 as? LineageError { true } else { false } }
    #expect {
      try database.publish { try $0.deletePacks([pack]) }
    } throws: { if case .dangling = $0 as? LineageError { true } else { false } }
    #expect(try database.object(sha("a")) != nil)
    try database.publish { publication in
      try publication.deleteObjects(["a", "b", "c"].map { sha($0) })
      try publication.deletePacks([pack])
    }
    #expect(try database.packs().isEmpty)
    #expect(try database.counts().objects == 0)
  }

  @Test("many objects are asked for at once and walked in pack order")
  func batch() throws {
    let names = (0..<700).map { "object \($0)" }
    try database.publish { publication in
      let second = try publication.insertPack(sha("second"), bytes: 5)
      for (index, name) in names.enumerated().reversed() {
        var object = NewObject(name, pack: second)
        object.offset = index
        try publication.insertObject(object, depthLimit: 2)
      }
    }
    let found = try database.stored(names.map { sha($0) } + [sha("none"), sha("c"), sha("object 0")])
    #expect(found.count == 701)
    let lengths = try (names + ["c"]).map { try database.object(sha($0))?.length ?? 0 }
    #expect(found.frameBytes == lengths.reduce(0, +))
    #expect(try database.stored([]).count == 0)
    var order: [Digest] = []
    try database.forEachObject { order.append($0.digest) }
    #expect(order.count == 703)
    #expect(Array(order.dropFirst(3)) == names.map { sha($0) })
    #expect(try database.objects(inPack: pack).count == 3)
  }

  @Test("counts add up")
  func counts() throws {
    try database.record([("base", []), ("tune", ["base"])])
    let counts = try database.counts()
    #expect(counts.objects == 3)
    #expect(counts.deltas == 2)
    #expect(counts.deepest == 2)
    #expect(counts.rawBytes == 60)
    #expect(counts.frameBytes == 30)
    #expect(counts.packBytes == 1000)
    #expect(counts.storedModels == 2)
    #expect(counts.derivations == 2)
  }
}
