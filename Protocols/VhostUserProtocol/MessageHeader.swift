// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What every vhost-user message starts with, on both sockets. The specification is QEMU's
// docs/interop/vhost-user.rst, "vhost-user.rst" in this room.

public import Wire

/// struct VhostUserHeader (vhost-user.rst)
@frozen
public struct MessageHeader: WireValue {
  /// A `FrontendRequest` or, on the backend's own socket, a `BackendRequest`.
  public var request: UInt32 = 0
  public var flags: UInt32 = 0
  /// Length of the payload in bytes.
  public var size: UInt32 = 0

  @inlinable
  public init() {}

  /// The protocol version in the lower two bits of the flags.
  @inlinable public static var version: UInt32 { 1 }
  @inlinable public static var versionMask: UInt32 { 3 }
  /// The message answers a request.
  @inlinable public static var reply: UInt32 { 1 << 2 }
  /// The sender waits for an answer (REPLY_ACK).
  @inlinable public static var needReply: UInt32 { 1 << 3 }

  @inlinable
  public init(request: UInt32, flags: UInt32 = MessageHeader.version, size: UInt32) {
    self.request = request
    self.flags = flags
    self.size = size
  }

  @inlinable
  public init(_ request: FrontendRequest, size: UInt32 = 0, needReply: Bool = false) {
    self.init(request: request.rawValue, flags: Self.version | (needReply ? Self.needReply : 0), size: size)
  }

  @inlinable
  public init(_ request: BackendRequest, size: UInt32 = 0, needReply: Bool = false) {
    self.init(request: request.rawValue, flags: Self.version | (needReply ? Self.needReply : 0), size: size)
  }

  /// The header of the answer to this message.
  @inlinable
  public func replyHeader(size: UInt32) -> MessageHeader {
    MessageHeader(request: request, flags: Self.version | Self.reply, size: size)
  }

  @inlinable public var hasSupportedVersion: Bool { flags & Self.versionMask == Self.version }
  @inlinable public var isReply: Bool { flags & Self.reply != 0 }
  @inlinable public var needsReply: Bool { flags & Self.needReply != 0 }
}

/// Bounds that messages keep.
@frozen
public enum VhostUserLimits {
  /// Most descriptors that came with one message of any known frontend; the specification's table has 8 regions.
  @inlinable public static var maximumDescriptors: Int { 32 }
  /// VHOST_USER_MAX_CONFIG_SIZE: most bytes of one GET_CONFIG or SET_CONFIG.
  @inlinable public static var maximumConfigSize: Int { 256 }
  /// Most memory regions (VHOST_USER_MAX_RAM_SLOTS of libvhost-user, the limit of vhost in the kernel).
  @inlinable public static var maximumMemoryRegions: Int { 509 }
  /// Shared memory regions of a device: their ids are bytes.
  @inlinable public static var maximumSharedMemoryRegions: Int { 256 }
  /// VHOST_LOG_PAGE: bytes of guest memory that one bit of the dirty log stands for.
  @inlinable public static var logPageSize: UInt64 { 4096 }
}
