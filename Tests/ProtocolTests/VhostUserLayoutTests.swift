// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VhostUserProtocol
import Wire

/// Room VhostUserProtocol says what QEMU's docs/interop/vhost-user.rst says. Only a few payloads have a kernel header;
/// the sizes and offsets of the others were written down by hand from the specification.
@Suite struct VhostUserLayoutTests {
  static let structs: [Layout] = [
    layout(MessageHeader.self, "header", ["request": \.request, "flags": \.flags, "size": \.size]),
    layout(VringState.self, "vhost_vring_state", ["index": \.index, "num": \.num]),
    layout(
      VringAddress.self, "vhost_vring_addr",
      [
        "index": \.index, "flags": \.flags, "desc_user_addr": \.descriptor, "used_user_addr": \.used,
        "avail_user_addr": \.available, "log_guest_addr": \.log,
      ]),
    layout(VringFileDescriptor.self, "u64 with nofd", ["u64": \.rawValue]),
    layout(VringArea.self, "vring area", ["u64": \.vring, "size": \.size, "offset": \.offset]),
    layout(
      MemoryRegion.self, "region",
      ["guest address": \.guestAddress, "size": \.size, "user address": \.userAddress, "mmap offset": \.mmapOffset]),
    layout(MemoryTableHeader.self, "memory", ["num regions": \.count, "padding": \.padding]),
    layout(SingleMemoryRegion.self, "single region", ["padding": \.padding, "region": \.region]),
    layout(LogDescription.self, "log", ["log size": \.size, "log offset": \.offset]),
    layout(
      IOTLBMessage.self, "vhost_iotlb_msg",
      [
        "iova": \.iova, "size": \.size, "uaddr": \.userAddress, "perm": \.permissions, "type": \.type,
        "padding": \.padding,
      ]),
    layout(ConfigHeader.self, "config", ["offset": \.offset, "size": \.size, "flags": \.flags]),
    layout(
      InflightDescription.self, "inflight",
      [
        "mmap size": \.mmapSize, "mmap offset": \.mmapOffset, "num queues": \.queueCount, "queue size": \.queueSize,
        "padding": \.padding,
      ]),
    layout(DeviceStateDescription.self, "device state", ["direction": \.direction, "phase": \.phase]),
    layout(DeviceStateReply.self, "device state reply", ["u64": \.rawValue]),
    layout(
      SharedMemoryMap.self, "mmap",
      [
        "shmid": \.id, "padding": \.padding, "fd_offset": \.fdOffset, "shm_offset": \.shmOffset, "len": \.length,
        "flags": \.flags,
      ]),
    layout(SharedMemoryConfig.self, "shmem", ["num": \.count, "padding": \.padding, "sizes": \.sizes]),
    layout(SharedObjectID.self, "uuid", ["uuid": \.uuid]),
  ]

  static let specified: [String: (size: Int, offsets: [Int])] = [
    "header": (12, [0, 4, 8]),
    "vhost_vring_state": (8, [0, 4]),
    "vhost_vring_addr": (40, [0, 4, 8, 16, 24, 32]),
    "u64 with nofd": (8, [0]),
    "vring area": (24, [0, 8, 16]),
    "region": (32, [0, 8, 16, 24]),
    "memory": (8, [0, 4]),
    "single region": (40, [0, 8]),
    "log": (16, [0, 8]),
    "vhost_iotlb_msg": (32, [0, 8, 16, 24, 25, 26]),
    "config": (12, [0, 4, 8]),
    "inflight": (24, [0, 8, 16, 18, 20]),
    "device state": (8, [0, 4]),
    "device state reply": (8, [0]),
    "mmap": (40, [0, 1, 8, 16, 24, 32]),
    "shmem": (2056, [0, 4, 8]),
    "uuid": (16, [0]),
  ]

  @Test(arguments: structs)
  func structLiesInMemoryAsTheSpecificationSays(layout: Layout) throws {
    let specified = try #require(Self.specified[layout.cName])
    #expect(layout.size == specified.size)
    #expect(layout.offsets.map(\.offset) == specified.offsets)
    expectExplicitPadding(layout)
  }

  @Test(arguments: structs.filter { $0.cName.hasPrefix("vhost_") })
  func structSharedWithTheKernelIsTheKernels(layout: Layout) {
    #expect(Oracle.values["sizeof \(layout.cName)"] == UInt64(layout.size))
    for (name, offset) in layout.offsets where name != "padding" {
      #expect(Oracle.values["\(layout.cName).\(name)"] == offset.map(UInt64.init), "\(name)")
    }
  }

  @Test func oracleNamesNoStructThatIsNotTested() {
    let names = Set(Self.structs.map(\.cName))
    for key in Oracle.values.keys where key.hasPrefix("sizeof vhost_") {
      #expect(names.contains(String(key.dropFirst("sizeof ".count))))
    }
  }

  @Test func constantsSharedWithTheKernelAreTheKernels() {
    #expect(VringAddressFlags.log.rawValue == 1 << (Oracle.values["VHOST_VRING_F_LOG"] ?? 99))
    #expect(VhostUserLimits.logPageSize == Oracle.values["VHOST_PAGE_SIZE"])
    #expect(UInt64(IOTLBPermissions.read.rawValue) == Oracle.values["VHOST_ACCESS_RO"])
    #expect(UInt64(IOTLBPermissions.write.rawValue) == Oracle.values["VHOST_ACCESS_WO"])
    #expect(UInt64(IOTLBPermissions([.read, .write]).rawValue) == Oracle.values["VHOST_ACCESS_RW"])
    let types: [(String, IOTLBMessageType)] = [
      ("MISS", .miss), ("UPDATE", .update), ("INVALIDATE", .invalidate), ("ACCESS_FAIL", .accessFail),
    ]
    for (name, type) in types { #expect(Oracle.values["VHOST_IOTLB_\(name)"] == UInt64(type.rawValue), "\(name)") }
  }

  @Test func frontendRequestsAreNumberedAsInTheSpecification() {
    let expected: [(FrontendRequest, UInt32)] = [
      (.getFeatures, 1), (.setFeatures, 2), (.setOwner, 3), (.resetOwner, 4), (.setMemTable, 5), (.setLogBase, 6),
      (.setLogFd, 7), (.setVringNum, 8), (.setVringAddr, 9), (.setVringBase, 10), (.getVringBase, 11),
      (.setVringKick, 12), (.setVringCall, 13), (.setVringErr, 14), (.getProtocolFeatures, 15),
      (.setProtocolFeatures, 16), (.getQueueNum, 17), (.setVringEnable, 18), (.sendRarp, 19), (.netSetMtu, 20),
      (.setBackendReqFd, 21), (.iotlbMsg, 22), (.setVringEndian, 23), (.getConfig, 24), (.setConfig, 25),
      (.createCryptoSession, 26), (.closeCryptoSession, 27), (.postcopyAdvise, 28), (.postcopyListen, 29),
      (.postcopyEnd, 30), (.getInflightFd, 31), (.setInflightFd, 32), (.gpuSetSocket, 33), (.resetDevice, 34),
      (.vringKick, 35), (.getMaxMemSlots, 36), (.addMemReg, 37), (.remMemReg, 38), (.setStatus, 39), (.getStatus, 40),
      (.getSharedObject, 41), (.setDeviceStateFd, 42), (.checkDeviceState, 43), (.getShmemConfig, 44),
    ]
    #expect(expected.map(\.0) == FrontendRequest.allCases)
    for (request, number) in expected { #expect(request.rawValue == number) }
    #expect(FrontendRequest(rawValue: 0) == nil)
    #expect(FrontendRequest(rawValue: 45) == nil)
  }

  @Test func backendRequestsAreNumberedAsInTheSpecification() {
    let expected: [(BackendRequest, UInt32)] = [
      (.iotlbMsg, 1), (.configChangeMsg, 2), (.vringHostNotifierMsg, 3), (.vringCall, 4), (.vringErr, 5),
      (.sharedObjectAdd, 6), (.sharedObjectRemove, 7), (.sharedObjectLookup, 8), (.shmemMap, 9), (.shmemUnmap, 10),
    ]
    #expect(expected.map(\.0) == BackendRequest.allCases)
    for (request, number) in expected { #expect(request.rawValue == number) }
  }

  @Test func protocolFeaturesHaveTheBitsOfTheSpecification() {
    let expected: [(ProtocolFeatures, Int)] = [
      (.mq, 0), (.logShmfd, 1), (.rarp, 2), (.replyAck, 3), (.mtu, 4), (.backendReq, 5), (.crossEndian, 6),
      (.cryptoSession, 7), (.pagefault, 8), (.config, 9), (.backendSendFd, 10), (.hostNotifier, 11),
      (.inflightShmfd, 12), (.resetDevice, 13), (.inbandNotifications, 14), (.configureMemSlots, 15), (.status, 16),
      (.xenMmap, 17), (.sharedObject, 18), (.deviceState, 19), (.getVringBaseInflight, 20), (.gpaAddresses, 21),
      (.shmem, 22),
    ]
    for (feature, bit) in expected { #expect(feature.rawValue == 1 << UInt64(bit)) }
    #expect(SharedMemoryMapFlags.readWrite.rawValue == 1)
  }
}
