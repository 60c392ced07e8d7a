// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import HeaderOracle
import Testing
import VirtioProtocol
import Wire

/// Room VirtioProtocol says what <linux/virtio_ring.h>, <linux/virtio_config.h> and <linux/virtio_ids.h> say, and the
/// inflight region is the one of vhost-user.rst.
@Suite struct VirtioLayoutTests {
  static let structs: [Layout] = [
    layout(
      SplitDescriptor.self, "vring_desc",
      ["addr": \.address, "len": \.length, "flags": \.flags, "next": \.next]),
    layout(UsedElement.self, "vring_used_elem", ["id": \.id, "len": \.length]),
    layout(
      PackedDescriptor.self, "vring_packed_desc",
      ["addr": \.address, "len": \.length, "id": \.id, "flags": \.flags]),
    layout(PackedEvent.self, "vring_packed_desc_event", ["off_wrap": \.offsetWrap, "flags": \.flags]),
  ]

  @Test(arguments: structs)
  func structLiesInMemoryAsTheKernelSays(layout: Layout) {
    #expect(Oracle.values["sizeof \(layout.cName)"] == UInt64(layout.size))
    for (name, offset) in layout.offsets {
      #expect(Oracle.values["\(layout.cName).\(name)"] == offset.map(UInt64.init), "\(name)")
    }
    expectExplicitPadding(layout)
  }

  @Test func ringOffsetsAreThoseOfTheHeader() {
    let pairs: [(String, Int)] = [
      ("vring_avail.flags", SplitRingLayout.availFlagsOffset), ("vring_avail.idx", SplitRingLayout.availIndexOffset),
      ("vring_avail.ring", SplitRingLayout.availRingOffset), ("vring_used.flags", SplitRingLayout.usedFlagsOffset),
      ("vring_used.idx", SplitRingLayout.usedIndexOffset), ("vring_used.ring", SplitRingLayout.usedRingOffset),
      ("VRING_DESC_ALIGN_SIZE", SplitRingLayout.descriptorAlignment),
      ("VRING_AVAIL_ALIGN_SIZE", SplitRingLayout.availAlignment),
      ("VRING_USED_ALIGN_SIZE", SplitRingLayout.usedAlignment),
    ]
    for (name, value) in pairs { #expect(Oracle.values[name] == UInt64(value), "\(name)") }
  }

  @Test(arguments: [1, 2, 4, 64, 128, 256, 1024, 32768])
  func ringSizesFollowTheQueueSize(size: Int) {
    #expect(SplitRingLayout.usedEventOffset(size) == Int(header_oracle_used_event_offset(UInt32(size))))
    #expect(SplitRingLayout.availEventOffset(size) == Int(header_oracle_avail_event_offset(UInt32(size))))
    #expect(SplitRingLayout.descriptorTableSize(size) == 16 * size)
    #expect(SplitRingLayout.availSize(size, eventIndex: false) == 4 + 2 * size)
    #expect(SplitRingLayout.availSize(size, eventIndex: true) == 6 + 2 * size)
    #expect(SplitRingLayout.usedSize(size, eventIndex: false) == 4 + 8 * size)
    #expect(SplitRingLayout.usedSize(size, eventIndex: true) == 6 + 8 * size)
  }

  @Test func onlyPowersOfTwoUpTo32768AreQueueSizes() {
    let valid = (0...15).map { 1 << $0 }
    #expect((-8...70000).filter { SplitRingLayout.isValid(queueSize: $0) } == valid)
    #expect(!SplitRingLayout.isValid(queueSize: .min))
    #expect(!SplitRingLayout.isValid(queueSize: .max))
  }

  @Test func needsEventDecidesAsTheKernelDoes() {
    let edges: [UInt16] = [0, 1, 2, 3, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffd, 0xfffe, 0xffff]
    var generator = SeededGenerator(seed: 1)
    let random = (0..<40).map { _ in UInt16.random(in: 0...UInt16.max, using: &generator) }
    let values = edges + random
    for event in values {
      for new in values {
        for old in values {
          let expected = header_oracle_need_event(event, new, old) != 0
          #expect(SplitRingLayout.needsEvent(event, new: new, old: old) == expected)
        }
      }
    }
  }

  @Test func flagsHaveTheValuesOfTheHeader() {
    let pairs: [(String, UInt16)] = [
      ("VRING_DESC_F_NEXT", DescriptorFlags.next), ("VRING_DESC_F_WRITE", DescriptorFlags.write),
      ("VRING_DESC_F_INDIRECT", DescriptorFlags.indirect), ("VRING_AVAIL_F_NO_INTERRUPT", AvailFlags.noInterrupt),
      ("VRING_USED_F_NO_NOTIFY", UsedFlags.noNotify),
    ]
    for (name, value) in pairs { #expect(Oracle.values[name] == UInt64(value), "\(name)") }
  }

  @Test func descriptorTellsItsFlagsApart() {
    let plain = SplitDescriptor(address: 0x1000, length: 16)
    #expect(!plain.hasNext && !plain.isWritable && !plain.isIndirect)
    #expect(SplitDescriptor(address: 0, length: 0, flags: DescriptorFlags.next, next: 3).hasNext)
    #expect(SplitDescriptor(address: 0, length: 0, flags: DescriptorFlags.write).isWritable)
    #expect(SplitDescriptor(address: 0, length: 0, flags: DescriptorFlags.indirect).isIndirect)
    let image = hex("00f0debc9a785634 10000000 0300 0700")
    #expect(encoded(SplitDescriptor(address: 0x3456_789a_bcde_f000, length: 16, flags: 3, next: 7)) == image)
    #expect(encoded(UsedElement(id: 5, length: 0x0102_0304)) == hex("05000000 04030201"))
  }

  @Test func featureBitsHaveTheNumbersOfTheHeader() {
    let pairs: [(String, VirtioFeatures, UInt64)] = [
      ("VIRTIO_F_NOTIFY_ON_EMPTY", .notifyOnEmpty, 24), ("VHOST_F_LOG_ALL", .logAll, 26),
      ("VIRTIO_F_ANY_LAYOUT", .anyLayout, 27), ("VIRTIO_RING_F_INDIRECT_DESC", .indirectDescriptors, 28),
      ("VIRTIO_RING_F_EVENT_IDX", .eventIndex, 29), ("VIRTIO_F_VERSION_1", .version1, 32),
      ("VIRTIO_F_ACCESS_PLATFORM", .accessPlatform, 33), ("VIRTIO_F_RING_PACKED", .ringPacked, 34),
      ("VIRTIO_F_IN_ORDER", .inOrder, 35), ("VIRTIO_F_ORDER_PLATFORM", .orderPlatform, 36),
      ("VIRTIO_F_SR_IOV", .srIOV, 37), ("VIRTIO_F_RING_RESET", .ringReset, 40),
    ]
    for (name, feature, bit) in pairs {
      #expect(Oracle.values[name] == bit, "\(name)")
      #expect(feature.rawValue == 1 << bit, "\(name)")
    }
    // Not in every header.
    #expect(VirtioFeatures.notificationData.rawValue == 1 << (Oracle.values["VIRTIO_F_NOTIFICATION_DATA"] ?? 38))
    #expect(VirtioFeatures.notifConfigData.rawValue == 1 << (Oracle.values["VIRTIO_F_NOTIF_CONFIG_DATA"] ?? 39))
    // Not the kernel's: vhost-user.rst.
    #expect(VirtioFeatures.vhostUserProtocolFeatures.rawValue == 1 << 30)
    #expect(VirtioFeatures.device(6).rawValue == 64)
  }

  @Test func deviceIDsAndStatusBitsAreThoseOfTheHeader() {
    let ids: [(String, DeviceID)] = [
      ("NET", .network), ("BLOCK", .block), ("CONSOLE", .console), ("RNG", .entropy), ("BALLOON", .balloon),
      ("SCSI", .scsi), ("9P", .plan9), ("GPU", .gpu), ("INPUT", .input), ("VSOCK", .vsock), ("CRYPTO", .crypto),
      ("IOMMU", .iommu), ("MEM", .memory), ("SOUND", .sound), ("FS", .fileSystem), ("PMEM", .persistentMemory),
    ]
    for (name, id) in ids { #expect(Oracle.values["VIRTIO_ID_\(name)"] == UInt64(id.rawValue), "\(name)") }
    let bits: [(String, DeviceStatus)] = [
      ("ACKNOWLEDGE", .acknowledge), ("DRIVER", .driver), ("DRIVER_OK", .driverOK), ("FEATURES_OK", .featuresOK),
      ("NEEDS_RESET", .needsReset), ("FAILED", .failed),
    ]
    for (name, bit) in bits {
      #expect(Oracle.values["VIRTIO_CONFIG_S_\(name)"] == UInt64(bit.rawValue), "\(name)")
    }
  }
}

/// The inflight region has no kernel header; its numbers are those of vhost-user.rst, written down by hand.
@Suite struct InflightLayoutTests {
  static let structs: [Layout] = [
    layout(
      InflightQueueSplit.self, "QueueRegionSplit",
      [
        "features": \.features, "version": \.version, "desc_num": \.descNum, "last_batch_head": \.lastBatchHead,
        "used_idx": \.usedIdx,
      ]),
    layout(
      InflightDescriptorSplit.self, "DescStateSplit",
      ["inflight": \.inflight, "padding": \.padding, "next": \.next, "counter": \.counter]),
    layout(
      InflightQueuePacked.self, "QueueRegionPacked",
      [
        "features": \.features, "version": \.version, "desc_num": \.descNum, "free_head": \.freeHead,
        "old_free_head": \.oldFreeHead, "used_idx": \.usedIdx, "old_used_idx": \.oldUsedIdx,
        "used_wrap_counter": \.usedWrapCounter, "old_used_wrap_counter": \.oldUsedWrapCounter, "padding": \.padding,
      ]),
    layout(
      InflightDescriptorPacked.self, "DescStatePacked",
      [
        "inflight": \.inflight, "padding": \.padding, "next": \.next, "last": \.last, "num": \.num,
        "counter": \.counter, "id": \.id, "flags": \.flags, "len": \.len, "addr": \.addr,
      ]),
  ]

  static let specified: [String: (size: Int, offsets: [Int])] = [
    "QueueRegionSplit": (16, [0, 8, 10, 12, 14]),
    "DescStateSplit": (16, [0, 1, 6, 8]),
    "QueueRegionPacked": (32, [0, 8, 10, 12, 14, 16, 18, 20, 21, 22]),
    "DescStatePacked": (32, [0, 1, 2, 4, 6, 8, 16, 18, 20, 24]),
  ]

  @Test(arguments: structs)
  func structLiesInMemoryAsTheSpecificationSays(layout: Layout) throws {
    let specified = try #require(Self.specified[layout.cName])
    #expect(layout.size == specified.size)
    #expect(layout.offsets.map(\.offset) == specified.offsets)
    expectExplicitPadding(layout)
  }

  @Test func offsetsOfSingleStoresAreThoseOfTheStructs() {
    #expect(MemoryLayout<InflightQueueSplit>.offset(of: \.lastBatchHead) == InflightLayout.lastBatchHeadOffset)
    #expect(MemoryLayout<InflightQueueSplit>.offset(of: \.usedIdx) == InflightLayout.usedIdxOffset)
    #expect(MemoryLayout<InflightDescriptorSplit>.offset(of: \.inflight) == InflightLayout.inflightOffset)
    #expect(MemoryLayout<InflightDescriptorSplit>.offset(of: \.next) == InflightLayout.nextOffset)
    #expect(MemoryLayout<InflightDescriptorSplit>.offset(of: \.counter) == InflightLayout.counterOffset)
    #expect(InflightLayout.splitDescriptorOffset(0) == MemoryLayout<InflightQueueSplit>.size)
    #expect(InflightLayout.splitDescriptorOffset(3) == 16 + 3 * MemoryLayout<InflightDescriptorSplit>.size)
  }

  @Test func regionsOfQEMUAndOursHaveTheSameSize() {
    for size in 1...32768 {
      // vu_inflight_queue_size of libvhost-user forgets most of the header; the alignment makes up for it.
      #expect(InflightLayout.splitQueueSize(size) == (16 * size + 2 + 63) & ~63)
    }
    #expect(InflightLayout.splitQueueSize(256) == 4160)
    #expect(InflightLayout.packedQueueSize(256) == 8256)
  }

  @Test func freshRegionSaysItsVersionAndSize() {
    #expect(encoded(InflightQueueSplit(descNum: 128)) == hex("0000000000000000 0100 8000 0000 0000"))
    #expect(InflightQueueSplit().version == 0)
  }
}
