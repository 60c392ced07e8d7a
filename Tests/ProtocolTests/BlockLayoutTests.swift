// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import BlockProtocol
import Testing
import Wire

/// Room BlockProtocol says what <linux/virtio_blk.h> says.
@Suite struct BlockLayoutTests {
  static let structs: [Layout] = [
    layout(
      BlockGeometry.self, "virtio_blk_geometry", ["cylinders": \.cylinders, "heads": \.heads, "sectors": \.sectors]),
    layout(
      BlockConfig.self, "virtio_blk_config",
      [
        "capacity": \.capacity, "size_max": \.sizeMax, "seg_max": \.segMax, "geometry": \.geometry,
        "blk_size": \.blkSize, "physical_block_exp": \.physicalBlockExp, "alignment_offset": \.alignmentOffset,
        "min_io_size": \.minIOSize, "opt_io_size": \.optIOSize, "wce": \.wce, "unused": \.unused,
        "num_queues": \.numQueues, "max_discard_sectors": \.maxDiscardSectors, "max_discard_seg": \.maxDiscardSeg,
        "discard_sector_alignment": \.discardSectorAlignment, "max_write_zeroes_sectors": \.maxWriteZeroesSectors,
        "max_write_zeroes_seg": \.maxWriteZeroesSeg, "write_zeroes_may_unmap": \.writeZeroesMayUnmap,
        "unused1": \.unused1, "max_secure_erase_sectors": \.maxSecureEraseSectors,
        "max_secure_erase_seg": \.maxSecureEraseSeg, "secure_erase_sector_alignment": \.secureEraseSectorAlignment,
      ]),
    layout(
      BlockRequestHeader.self, "virtio_blk_outhdr", ["type": \.type, "ioprio": \.ioprio, "sector": \.sector]),
    layout(
      BlockRange.self, "virtio_blk_discard_write_zeroes",
      ["sector": \.sector, "num_sectors": \.numSectors, "flags": \.flags]),
  ]

  @Test(arguments: structs)
  func structLiesInMemoryAsTheKernelSays(layout: Layout) {
    #expect(Oracle.values["sizeof \(layout.cName)"] == UInt64(layout.size))
    for (name, offset) in layout.offsets {
      #expect(Oracle.values["\(layout.cName).\(name)"] == offset.map(UInt64.init), "\(name)")
    }
    expectExplicitPadding(layout)
  }

  @Test func numbersAreThoseOfTheHeader() {
    let pairs: [(String, UInt64)] = [
      ("F_SIZE_MAX", BlockFeatureBit.sizeMax), ("F_SEG_MAX", BlockFeatureBit.segMax),
      ("F_GEOMETRY", BlockFeatureBit.geometry), ("F_RO", BlockFeatureBit.readOnly),
      ("F_BLK_SIZE", BlockFeatureBit.blockSize), ("F_FLUSH", BlockFeatureBit.flush),
      ("F_TOPOLOGY", BlockFeatureBit.topology), ("F_CONFIG_WCE", BlockFeatureBit.configWCE),
      ("F_MQ", BlockFeatureBit.multiqueue), ("F_DISCARD", BlockFeatureBit.discard),
      ("F_WRITE_ZEROES", BlockFeatureBit.writeZeroes), ("F_SECURE_ERASE", BlockFeatureBit.secureErase),
      ("WRITE_ZEROES_FLAG_UNMAP", UInt64(BlockRange.unmap)), ("ID_BYTES", UInt64(BlockLimits.idByteCount)),
      ("S_OK", UInt64(BlockStatus.ok.rawValue)), ("S_IOERR", UInt64(BlockStatus.ioError.rawValue)),
      ("S_UNSUPP", UInt64(BlockStatus.unsupported.rawValue)),
    ]
    for (name, value) in pairs { #expect(Oracle.values["VIRTIO_BLK_\(name)"] == value, "\(name)") }
    let types: [(String, BlockRequestType)] = [
      ("IN", .read), ("OUT", .write), ("FLUSH", .flush), ("GET_ID", .getID), ("DISCARD", .discard),
      ("WRITE_ZEROES", .writeZeroes), ("SECURE_ERASE", .secureErase),
    ]
    #expect(types.count == BlockRequestType.allCases.count)
    for (name, type) in types { #expect(Oracle.values["VIRTIO_BLK_T_\(name)"] == UInt64(type.rawValue), "\(name)") }
    #expect(Oracle.values["virtio_blk_config.wce"] == UInt64(BlockConfig.wceOffset))
  }

  @Test func requestsAreTheirBytes() {
    #expect(
      encoded(BlockRequestHeader(.write, sector: 0x0102_0304_0506_0708)) == hex("01000000 00000000 0807060504030201"))
    #expect(BlockRequestHeader(.secureErase, sector: 0).request == .secureErase)
    var other = BlockRequestHeader()
    other.type = 3
    #expect(other.request == nil)
    #expect(
      encoded(BlockRange(sector: 8, numSectors: 0x1_0000, flags: BlockRange.unmap))
        == hex("0800000000000000 00000100 01000000"))
    #expect(BlockRequestType.allCases.filter(\.carriesRanges) == [.discard, .writeZeroes, .secureErase])
  }
}
