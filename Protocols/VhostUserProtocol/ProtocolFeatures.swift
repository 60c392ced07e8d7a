// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// VHOST_USER_PROTOCOL_F_* (vhost-user.rst, "Protocol features"): the payload of GET_PROTOCOL_FEATURES and
/// SET_PROTOCOL_FEATURES.
@frozen
public struct ProtocolFeatures: OptionSet, WireValue {
  public var rawValue: UInt64

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Several queues; GET_QUEUE_NUM says how many.
  @inlinable public static var mq: Self { Self(rawValue: 1 << 0) }
  /// The dirty log is shared memory.
  @inlinable public static var logShmfd: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var rarp: Self { Self(rawValue: 1 << 2) }
  /// A message may ask for an answer.
  @inlinable public static var replyAck: Self { Self(rawValue: 1 << 3) }
  @inlinable public static var mtu: Self { Self(rawValue: 1 << 4) }
  /// There may be a socket for the backend's requests.
  @inlinable public static var backendReq: Self { Self(rawValue: 1 << 5) }
  @inlinable public static var crossEndian: Self { Self(rawValue: 1 << 6) }
  @inlinable public static var cryptoSession: Self { Self(rawValue: 1 << 7) }
  /// Postcopy migration.
  @inlinable public static var pagefault: Self { Self(rawValue: 1 << 8) }
  /// GET_CONFIG and SET_CONFIG.
  @inlinable public static var config: Self { Self(rawValue: 1 << 9) }
  /// The backend's requests may carry descriptors.
  @inlinable public static var backendSendFd: Self { Self(rawValue: 1 << 10) }
  @inlinable public static var hostNotifier: Self { Self(rawValue: 1 << 11) }
  /// GET_INFLIGHT_FD and SET_INFLIGHT_FD.
  @inlinable public static var inflightShmfd: Self { Self(rawValue: 1 << 12) }
  /// RESET_DEVICE.
  @inlinable public static var resetDevice: Self { Self(rawValue: 1 << 13) }
  /// Kicks and calls as messages.
  @inlinable public static var inbandNotifications: Self { Self(rawValue: 1 << 14) }
  /// ADD_MEM_REG, REM_MEM_REG and GET_MAX_MEM_SLOTS.
  @inlinable public static var configureMemSlots: Self { Self(rawValue: 1 << 15) }
  /// SET_STATUS and GET_STATUS.
  @inlinable public static var status: Self { Self(rawValue: 1 << 16) }
  @inlinable public static var xenMmap: Self { Self(rawValue: 1 << 17) }
  @inlinable public static var sharedObject: Self { Self(rawValue: 1 << 18) }
  /// SET_DEVICE_STATE_FD and CHECK_DEVICE_STATE.
  @inlinable public static var deviceState: Self { Self(rawValue: 1 << 19) }
  /// GET_VRING_BASE may leave requests in the inflight region.
  @inlinable public static var getVringBaseInflight: Self { Self(rawValue: 1 << 20) }
  /// Ring addresses are guest-physical ones.
  @inlinable public static var gpaAddresses: Self { Self(rawValue: 1 << 21) }
  /// GET_SHMEM_CONFIG, SHMEM_MAP and SHMEM_UNMAP.
  @inlinable public static var shmem: Self { Self(rawValue: 1 << 22) }
}
