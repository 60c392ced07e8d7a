// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The lowest room: how values lie in memory that somebody else also sees (guest memory, a socket's bytes, a mapped
// log). Nothing here calls the kernel or allocates. Every protocol of Martlet (virtio, vhost-user, FUSE) is
// little-endian or native-endian on the machines that Martlet runs on, so a wire struct is its own memory image;
// `WireValue` marks the structs for which that has been proved against the kernel's headers (Tests/HeaderOracle).

/// A fixed-size struct whose memory image is its wire format: fields in spec order, natural alignment, explicit
/// padding, every bit pattern valid. The zero value comes from `init()`.
public protocol WireValue: BitwiseCopyable, Sendable {
  init()
}

extension WireValue {
  /// Size on the wire in bytes.
  @inlinable @inline(__always)
  public static var byteCount: Int { MemoryLayout<Self>.size }

  /// The wire image as an array: for configuration spaces and control messages, not for the data path.
  public var bytes: [UInt8] {
    // The protocol's promise (fixed layout, explicit padding) makes every byte of the value an initialized one.
    unsafe withUnsafeBytes(of: self) { unsafe Array($0) }
  }
}

extension UInt8: WireValue {}
extension UInt16: WireValue {}
extension UInt32: WireValue {}
extension UInt64: WireValue {}
extension Int32: WireValue {}
extension Int64: WireValue {}

#if _endian(big)
  #error("Martlet's wire structs are memory images of little-endian formats; a big-endian host needs swapping loads")
#endif
