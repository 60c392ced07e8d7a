// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Messages from the frontend (vhost-user.rst, "Front-end message types"). Cases carry the names without VHOST_USER_.
@frozen
public enum FrontendRequest: UInt32, Sendable, CaseIterable {
  /// Reply: UInt64.
  case getFeatures = 1
  /// UInt64.
  case setFeatures = 2
  /// No payload.
  case setOwner = 3
  /// No payload. Deprecated: ignore it, or disable all rings.
  case resetOwner = 4
  /// `MemoryTableHeader`, then `MemoryRegion` times `count`, as many descriptors.
  case setMemTable = 5
  /// `LogDescription` and a descriptor; reply: `LogDescription` (LOG_SHMFD).
  case setLogBase = 6
  /// A descriptor.
  case setLogFd = 7
  /// `VringState`: the queue size.
  case setVringNum = 8
  /// `VringAddress`.
  case setVringAddr = 9
  /// `VringState`: the next available index.
  case setVringBase = 10
  /// `VringState`; reply: `VringState`. Stops the ring.
  case getVringBase = 11
  /// `VringFileDescriptor`.
  case setVringKick = 12
  /// `VringFileDescriptor`.
  case setVringCall = 13
  /// `VringFileDescriptor`.
  case setVringErr = 14
  /// Reply: UInt64, `ProtocolFeatures`.
  case getProtocolFeatures = 15
  /// UInt64, `ProtocolFeatures`.
  case setProtocolFeatures = 16
  /// Reply: UInt64.
  case getQueueNum = 17
  /// `VringState`: 0 or 1.
  case setVringEnable = 18
  /// UInt64.
  case sendRarp = 19
  /// UInt64.
  case netSetMtu = 20
  /// A descriptor.
  case setBackendReqFd = 21
  /// `IOTLBMessage`; reply: UInt64.
  case iotlbMsg = 22
  /// `VringState`.
  case setVringEndian = 23
  /// `ConfigHeader` and bytes; reply: the same, or an empty payload for an error.
  case getConfig = 24
  /// `ConfigHeader` and bytes.
  case setConfig = 25
  case createCryptoSession = 26
  case closeCryptoSession = 27
  /// Reply: a descriptor.
  case postcopyAdvise = 28
  case postcopyListen = 29
  /// Reply: UInt64.
  case postcopyEnd = 30
  /// `InflightDescription`; reply: the same and a descriptor.
  case getInflightFd = 31
  /// `InflightDescription` and a descriptor.
  case setInflightFd = 32
  /// A descriptor.
  case gpuSetSocket = 33
  /// No payload.
  case resetDevice = 34
  /// `VringState`: a kick without eventfd (INBAND_NOTIFICATIONS).
  case vringKick = 35
  /// Reply: UInt64.
  case getMaxMemSlots = 36
  /// `SingleMemoryRegion` and a descriptor.
  case addMemReg = 37
  /// `SingleMemoryRegion`, perhaps with a descriptor.
  case remMemReg = 38
  /// UInt64.
  case setStatus = 39
  /// Reply: UInt64.
  case getStatus = 40
  /// `SharedObjectID`; reply: a descriptor.
  case getSharedObject = 41
  /// `DeviceStateDescription` and a descriptor; reply: `DeviceStateReply`.
  case setDeviceStateFd = 42
  /// Reply: UInt64, 0 for success.
  case checkDeviceState = 43
  /// Reply: `SharedMemoryConfig`.
  case getShmemConfig = 44
}

/// Messages from the backend on the socket of SET_BACKEND_REQ_FD (vhost-user.rst, "Back-end message types"). Cases
/// carry the names without VHOST_USER_BACKEND_.
@frozen
public enum BackendRequest: UInt32, Sendable, CaseIterable {
  /// `IOTLBMessage`.
  case iotlbMsg = 1
  /// No payload: the frontend shall read the configuration space again.
  case configChangeMsg = 2
  /// `VringArea` and a descriptor.
  case vringHostNotifierMsg = 3
  /// `VringState`: a call without eventfd.
  case vringCall = 4
  /// `VringState`: an error without eventfd.
  case vringErr = 5
  /// `SharedObjectID`.
  case sharedObjectAdd = 6
  /// `SharedObjectID`.
  case sharedObjectRemove = 7
  /// `SharedObjectID`; reply: UInt64 and a descriptor.
  case sharedObjectLookup = 8
  /// `SharedMemoryMap` and a descriptor.
  case shmemMap = 9
  /// `SharedMemoryMap`: one whole earlier mapping.
  case shmemUnmap = 10
}
