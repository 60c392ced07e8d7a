// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FuseProtocol
import HeaderOracle
import Testing
import Wire

/// Room FuseProtocol says what <linux/fuse.h> says.
///
/// - Every struct has the size and every field the offset of the C struct, without implicit padding.
/// - Every constant has the header's value. What is newer than the header has the value of fuse.h 7.45.
/// - The oracle and the tables of this suite name the same things, so nothing is left out on either side.
@Suite struct FuseHeaderTests {
  @Test(arguments: FuseLayouts.all)
  func structLiesInMemoryAsTheKernelSays(layout: Layout) throws {
    if let size = Oracle.values["sizeof \(layout.cName)"] {
      #expect(layout.size == size)
    } else {
      let introduced = try #require(FuseLayouts.introduced[layout.cName], "the oracle lacks \(layout.cName)")
      #expect(Oracle.fuseMinor < introduced, "the oracle lacks \(layout.cName)")
      return
    }
    for (name, offset) in layout.offsets {
      let field = "\(layout.cName).\(name)"
      if let expected = Oracle.values[field] {
        #expect(offset.map(UInt64.init) == expected, "\(field)")
      } else {
        let introduced = try #require(FuseLayouts.introduced[field], "the oracle lacks \(field)")
        #expect(Oracle.fuseMinor < introduced, "the oracle lacks \(field)")
      }
    }
  }

  @Test(arguments: FuseLayouts.all)
  func structHasNoImplicitPadding(layout: Layout) throws {
    expectExplicitPadding(layout)
  }

  @Test func oracleAndLayoutsNameTheSameStructsAndFields() {
    var ours: Set<String> = []
    for layout in FuseLayouts.all {
      ours.insert("sizeof \(layout.cName)")
      for field in layout.offsets { ours.insert("\(layout.cName).\(field.name)") }
    }
    let theirs = Set(
      Oracle.values.keys.filter {
        $0.hasPrefix("sizeof fuse_") || $0.hasPrefix("fuse_") || $0.contains("virtio_fs_config")
      })
    #expect(theirs.subtracting(ours).isEmpty)
    #expect(ours.count > 300)
  }

  @Test func constantsHaveTheValuesOfTheHeader() throws {
    for constant in FuseConstants.all {
      #expect(constant.ours == constant.specified, "\(constant.name)")
      if let value = Oracle.values[constant.name] {
        #expect(constant.ours == value, "\(constant.name)")
      } else {
        let introduced = try #require(FuseConstants.introduced[constant.name], "the oracle lacks \(constant.name)")
        #expect(Oracle.fuseMinor < introduced, "the oracle lacks \(constant.name)")
      }
    }
  }

  @Test func oracleAndConstantsNameTheSameConstants() {
    let ours = Set(FuseConstants.all.map(\.name))
    #expect(ours.count == FuseConstants.all.count)
    let theirs = Oracle.values.keys.filter {
      $0.hasPrefix("FUSE_") || $0.hasPrefix("FOPEN_") || $0.hasPrefix("FATTR_") || $0.hasPrefix("CUSE_")
    }
    #expect(Set(theirs).subtracting(ours) == ["FUSE_KERNEL_MINOR_VERSION"])
  }

  @Test func everyOpcodeAndNotificationIsListed() {
    #expect(FuseConstants.opcodes.count == FuseOpcode.allCases.count)
    let notifications = FuseConstants.all.filter { $0.name.hasPrefix("FUSE_NOTIFY_") && !$0.name.hasSuffix("REPLY") }
    #expect(notifications.count == FuseNotifyCode.allCases.count)
    #expect(FuseOpcode.allCases.filter { $0 != .cuseInit }.allSatisfy { $0.rawValue <= FuseOpcode.maximum })
    #expect(FuseOpcode(rawValue: FuseOpcode.maximum) != nil)
    for gap: UInt32 in [0, 7, 19, 54, 4095, .max] { #expect(FuseOpcode(rawValue: gap) == nil) }
  }

  @Test func ourVersionIsNotOlderThanTheHeader() {
    #expect(UInt64(Fuse.minorVersion) >= Oracle.fuseMinor)
  }

  @Test func directoryEntriesAreAsLongAsTheKernelExpects() {
    for length in 0...1024 {
      #expect(FuseDirent.direntSize(nameLength: length) == Int(header_oracle_dirent_size(UInt32(length))))
      #expect(FuseDirentplus.direntSize(nameLength: length) == Int(header_oracle_direntplus_size(UInt32(length))))
    }
  }

  @Test func compatStructsAreTheHeadOfTheFullOnes() {
    #expect(FuseInitIn.compatByteCount == MemoryLayout<FuseInitInCompat>.size)
    #expect(FuseInitIn.compatByteCount == MemoryLayout<FuseInitIn>.offset(of: \.flags2))
    #expect(FuseInitOut.compatByteCount == MemoryLayout<FuseInitOut>.offset(of: \.maxReadahead))
    #expect(FuseInitOut.compat22ByteCount == MemoryLayout<FuseInitOut>.offset(of: \.timeGran))
    #expect(MemoryLayout<FuseSetxattrInCompat>.size == MemoryLayout<FuseSetxattrIn>.offset(of: \.setxattrFlags))
  }
}

/// The struct's fields follow one another without a gap that C or Swift filled in: every byte survives a load and a
/// store, the zero value is all zeroes, an array of them has no gaps, and all fields are listed.
func expectExplicitPadding(_ layout: Layout, sourceLocation: SourceLocation = #_sourceLocation) {
  let pattern = (0..<layout.size).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
  #expect(layout.roundTrip(pattern) == pattern, sourceLocation: sourceLocation)
  #expect(layout.roundTrip(Array(pattern.dropLast())) == nil, sourceLocation: sourceLocation)
  #expect(layout.zero() == [UInt8](repeating: 0, count: layout.size), sourceLocation: sourceLocation)
  #expect(layout.size == layout.stride, sourceLocation: sourceLocation)
  #expect(layout.offsets.count == layout.propertyCount, sourceLocation: sourceLocation)
  #expect(layout.offsets.map(\.offset) == layout.offsets.map(\.offset).sorted { ($0 ?? -1) < ($1 ?? -1) })
}
