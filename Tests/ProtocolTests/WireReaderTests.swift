// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

/// A reader takes what is there and nothing else; what it refuses it leaves where it was.
@Suite struct ByteReaderTests {
  @Test func valuesComeInOrder() {
    withScratch(7, filledWith: [1, 2, 0, 3, 0, 0, 0]) { segment in
      let reader = Reading(segment)
      #expect(reader.read(UInt8.self) == 1)
      #expect(reader.read(UInt16.self) == 2)
      #expect(reader.read(UInt32.self) == 3)
      #expect(reader.remaining == 0)
      #expect(reader.read(UInt8.self) == nil)
    }
  }

  @Test func valueThatDoesNotFitIsNotTaken() {
    withScratch(3, filledWith: [1, 2, 3]) { segment in
      let reader = Reading(segment)
      #expect(reader.read(UInt32.self) == nil)
      #expect(reader.remaining == 3)
      #expect(reader.read(UInt16.self) == 0x0201)
      #expect(reader.remainder.bytes() == [3])
    }
  }

  @Test(arguments: [-1, Int.min, 4, Int.max])
  func impossibleCountsOfBytesAreRefused(count: Int) {
    withScratch(3) { segment in
      let reader = Reading(segment)
      #expect(reader.readBytes(count) == nil)
      #expect(reader.remaining == 3)
    }
  }

  @Test func nameEndsAtItsNUL() {
    withScratch(6, filledWith: Array("ab\0".utf8) + [0] + Array("c\0".utf8)) { segment in
      let reader = Reading(segment)
      #expect(reader.readName()?.description == "ab")
      #expect(reader.readName()?.isEmpty == true)
      #expect(reader.readName()?.description == "c")
      #expect(reader.readName() == nil)
    }
  }

  @Test func nameWithoutNULIsRefusedAndNotReadPast() {
    // The byte after the segment is a page that may not be accessed.
    withScratch(4, filledWith: Array("abcd".utf8)) { segment in
      let reader = Reading(segment)
      #expect(reader.readName() == nil)
      #expect(reader.remaining == 4)
    }
  }

  @Test func nameIsFollowedByItsNULInMemory() throws {
    try withScratch(4, filledWith: Array("abc\0".utf8)) { segment in
      let reader = Reading(segment)
      let name = try #require(reader.readName())
      #expect(name.count == 3)
      #expect(name[2] == UInt8(ascii: "c"))
      #expect(name[3] == 0)
    }
  }

  /// Whatever is asked of it, a reader answers as a model over an array does, and never touches the guard page.
  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func randomReadsAgreeWithAnArray(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<1500 {
      let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        // Few NULs, so that names of some length occur.
        UInt8.random(in: 0...7, using: &random) == 0 ? 0 : UInt8.random(in: 1...255, using: &random)
      }
      withScratch(bytes.count, filledWith: bytes) { segment in
        var reader = ByteReader(segment)
        var model = bytes[...]
        for _ in 0..<12 {
          switch Int.random(in: 0...5, using: &random) {
          case 0:
            let value = reader.read(UInt8.self)
            #expect(value == model.first)
            model = model.dropFirst(1)
          case 1:
            let value = reader.read(UInt16.self)
            #expect(value == (model.count < 2 ? nil : little(model.prefix(2)).map(UInt16.init)))
            if value != nil { model = model.dropFirst(2) }
          case 2:
            let value = reader.read(UInt64.self)
            #expect(value == (model.count < 8 ? nil : little(model.prefix(8))))
            if value != nil { model = model.dropFirst(8) }
          case 3:
            let count = Int.random(in: -2...12, using: &random)
            let taken = reader.readBytes(count)?.bytes()
            #expect(taken == (count < 0 || count > model.count ? nil : Array(model.prefix(count))))
            if taken != nil { model = model.dropFirst(count) }
          default:
            let name = reader.readName()
            let end = model.firstIndex(of: 0)
            #expect(name?.count == end.map { $0 - model.startIndex })
            if let name, let end {
              #expect((0..<name.count).map { name[$0] } == Array(model[..<end]))
              model = model[(end + 1)...]
            }
          }
          let remaining = reader.remaining
          #expect(remaining == model.count)
        }
      }
    }
  }

  private func little(_ bytes: ArraySlice<UInt8>) -> UInt64? {
    bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
  }
}

/// A writer fills its target in order; what does not fit changes nothing.
@Suite struct ByteWriterTests {
  @Test func appendsInOrderAndCounts() {
    withScratch(8) { target in
      let writer = Writing(target)
      #expect(writer.append(UInt16(0x0201)))
      #expect(writer.append(CName("ab")))
      #expect(writer.appendZeroes(1))
      #expect(writer.count == 5)
      #expect(writer.space == 3)
      #expect(writer.written.bytes() == [1, 2, 0x61, 0x62, 0])
    }
  }

  @Test func whatDoesNotFitChangesNothing() {
    withScratch(3, filledWith: [9, 9, 9]) { target in
      withScratch(4, filledWith: [1, 2, 3, 4]) { source in
        let writer = Writing(target)
        #expect(!writer.append(UInt32(1)))
        #expect(!writer.append(source))
        #expect(!writer.append(CName("abcd")))
        #expect(!writer.appendZeroes(4))
        #expect(!writer.appendZeroes(-1))
        #expect(writer.count == 0)
        #expect(target.bytes() == [9, 9, 9])
        #expect(writer.append(source.prefix(3)))
        #expect(!writer.append(UInt8(1)))
        #expect(writer.appendZeroes(0))
        #expect(target.bytes() == [1, 2, 3])
      }
    }
  }

  @Test func zeroesOverwriteWhatWasThere() {
    withScratch(4, filledWith: [9, 9, 9, 9]) { target in
      let writer = Writing(target)
      #expect(writer.append(UInt8(1)))
      #expect(writer.appendZeroes(2))
      #expect(target.bytes() == [1, 0, 0, 9])
    }
  }

  @Test func rewindTakesBackWhatFollowed() {
    withScratch(4) { target in
      let writer = Writing(target)
      #expect(writer.append(UInt16(0x0101)))
      #expect(writer.append(UInt16(0x0202)))
      writer.rewind(to: 2)
      #expect(writer.count == 2)
      #expect(writer.append(UInt8(7)))
      #expect(target.bytes() == [1, 1, 7, 2])
    }
  }

  @Test(arguments: [11, 12, 13, 14] as [UInt64])
  func randomAppendsAgreeWithAnArray(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<1000 {
      let room = Int.random(in: 0...32, using: &random)
      withScratch(room) { target in
        var writer = ByteWriter(target)
        var model: [UInt8] = []
        for _ in 0..<10 {
          let before = model
          switch Int.random(in: 0...3, using: &random) {
          case 0: model += [7]
          case 1: model += [1, 2, 3, 4, 5, 6, 7, 8]
          case 2: model += [UInt8](repeating: 0, count: 5)
          default: model += Array("name".utf8)
          }
          let added = Array(model.dropFirst(before.count))
          let fits = model.count <= room
          let said =
            switch added.count {
            case 1: writer.append(UInt8(7))
            case 8: writer.append(UInt64(0x0807_0605_0403_0201))
            case 5: writer.appendZeroes(5)
            default: writer.append(CName("name"))
            }
          #expect(said == fits)
          if !fits { model = before }
          let written = writer.written.bytes()
          #expect(written == model)
        }
      }
    }
  }
}

/// A name is compared byte by byte and never beyond its end.
@Suite struct CNameTests {
  @Test func equalsComparesAllBytes() {
    let name = CName("abc")
    #expect(name.equals("abc"))
    #expect(!name.equals("ab"))
    #expect(!name.equals("abcd"))
    #expect(!name.equals("abd"))
    #expect(CName("").equals(""))
    #expect(!CName("").equals("a"))
  }

  @Test func hasPrefixComparesOnlyThePrefix() {
    let name = CName("user.mime")
    #expect(name.hasPrefix("user."))
    #expect(name.hasPrefix("user.mime"))
    #expect(name.hasPrefix(""))
    #expect(!name.hasPrefix("user.mime.type"))
    #expect(!name.hasPrefix("trusted."))
  }

  @Test func literalHasItsNUL() {
    let name = CName("..")
    #expect(name.count == 2 && !name.isEmpty)
    #expect(name[0] == UInt8(ascii: "."))
    #expect(name[2] == 0)
  }

  @Test func nameThatIsNotUTF8IsShownRepaired() throws {
    try withScratch(3, filledWith: [0x61, 0xff, 0]) { segment in
      let name = try #require(Reading(segment).readName())
      #expect(name.count == 2)
      #expect(name.description == "a\u{fffd}")
      #expect(name[1] == 0xff)
    }
  }

  @Test(arguments: [-1, 4])
  func indexOutsideTheNameStopsTheProgram(index: Int) async {
    switch index {
    case -1: await #expect(processExitsWith: .failure) { _ = CName("abc")[-1] }
    default: await #expect(processExitsWith: .failure) { _ = CName("abc")[4] }
    }
  }
}
