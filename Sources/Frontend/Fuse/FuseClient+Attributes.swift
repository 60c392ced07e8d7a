// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attributes, extended attributes and access.

public import FuseProtocol
internal import Wire

extension FuseClient {
  /// - Parameter handle: an open file to ask instead of the node.
  public func getattr(_ node: UInt64, handle: UInt64? = nil) throws(FuseError) -> FuseAttrOut {
    var request = FuseRequest(.getattr, node: node)
    request.append(FuseGetattrIn(getattrFlags: handle == nil ? [] : .fh, fh: handle ?? 0))
    request.replyByteCount = FuseAttrOut.byteCount
    return try perform(request).value()
  }

  public func setattr(_ node: UInt64, _ change: FuseSetattrIn) throws(FuseError) -> FuseAttrOut {
    var request = FuseRequest(.setattr, node: node)
    request.append(change)
    request.replyByteCount = FuseAttrOut.byteCount
    return try perform(request).value()
  }

  /// Sets the size, by node or by open file.
  @discardableResult
  public func truncate(_ node: UInt64, size: UInt64, handle: UInt64? = nil) throws(FuseError) -> FuseAttrOut {
    var change = FuseSetattrIn()
    change.valid = handle == nil ? .size : [.size, .fh]
    change.size = size
    change.fh = handle ?? 0
    return try setattr(node, change)
  }

  /// - Parameter mask: STATX_* of statx(2).
  public func statx(_ node: UInt64, handle: UInt64? = nil, mask: UInt32 = 0xfff) throws(FuseError) -> FuseStatxOut {
    var arguments = FuseStatxIn()
    arguments.getattrFlags = handle == nil ? [] : .fh
    arguments.fh = handle ?? 0
    arguments.sxMask = mask
    var request = FuseRequest(.statx, node: node)
    request.append(arguments)
    request.replyByteCount = FuseStatxOut.byteCount
    return try perform(request).value()
  }

  /// - Parameter mask: R_OK, W_OK, X_OK.
  public func access(_ node: UInt64, mask: UInt32) throws(FuseError) {
    var request = FuseRequest(.access, node: node)
    request.append(FuseAccessIn(mask: mask))
    _ = try perform(request).checkedBody()
  }

  /// - Parameter flags: XATTR_CREATE, XATTR_REPLACE.
  public func setxattr(_ node: UInt64, _ name: String, _ value: [UInt8], flags: UInt32 = 0) throws(FuseError) {
    var request = FuseRequest(.setxattr, node: node)
    if features.contains(.setxattrExt) {
      request.append(FuseSetxattrIn(size: UInt32(value.count), flags: flags))
    } else {
      request.append(FuseSetxattrInCompat(size: UInt32(value.count), flags: flags))
    }
    request.append(name: name)
    request.append(bytes: value)
    _ = try perform(request).checkedBody()
  }

  public func getxattr(_ node: UInt64, _ name: String, capacity: Int = 65536) throws(FuseError) -> [UInt8] {
    var request = FuseRequest(.getxattr, node: node)
    request.append(FuseGetxattrIn(size: UInt32(capacity)))
    request.append(name: name)
    request.replyByteCount = capacity
    return try perform(request).checkedBody()
  }

  /// Asks for the size only.
  public func getxattrSize(_ node: UInt64, _ name: String) throws(FuseError) -> UInt32 {
    var request = FuseRequest(.getxattr, node: node)
    request.append(FuseGetxattrIn(size: 0))
    request.append(name: name)
    request.replyByteCount = FuseGetxattrOut.byteCount
    let reply: FuseGetxattrOut = try perform(request).value()
    return reply.size
  }

  /// The names, each with its NUL, as listxattr(2) gives them.
  public func listxattr(_ node: UInt64, capacity: Int = 65536) throws(FuseError) -> [UInt8] {
    var request = FuseRequest(.listxattr, node: node)
    request.append(FuseGetxattrIn(size: UInt32(capacity)))
    request.replyByteCount = capacity
    return try perform(request).checkedBody()
  }

  /// Asks for the size of the list only.
  public func listxattrSize(_ node: UInt64) throws(FuseError) -> UInt32 {
    var request = FuseRequest(.listxattr, node: node)
    request.append(FuseGetxattrIn(size: 0))
    request.replyByteCount = FuseGetxattrOut.byteCount
    let reply: FuseGetxattrOut = try perform(request).value()
    return reply.size
  }

  public func removexattr(_ node: UInt64, _ name: String) throws(FuseError) {
    var request = FuseRequest(.removexattr, node: node)
    request.append(name: name)
    _ = try perform(request).checkedBody()
  }
}
