// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests that a device answers without doing anything: what is left is the ring, the wake-ups and the dispatch.

internal import Frontend
internal import FuseProtocol
internal import Linux
internal import Wire

enum EmptyRequest {
  /// One that the device has no work with: FUSE_BMAP, which every server refuses; GET_ID of a volume.
  case refused
  /// One system call: GETATTR of the share's root.
  case attributes
}

final class EmptyFuseLoad: Load {
  private let request: EmptyRequest
  private let shape: FuseShape
  /// struct fuse_bmap_in and fuse_bmap_out (linux/fuse.h): block, block size, padding; block.
  private static let bmapInByteCount = 16
  private static let bmapOutByteCount = 8

  init(_ request: EmptyRequest) {
    self.request = request
    shape =
      request == .refused
      ? FuseShape(argumentByteCount: Self.bmapInByteCount, replyByteCount: Self.bmapOutByteCount)
      : FuseShape(argumentByteCount: FuseGetattrIn.byteCount, replyByteCount: FuseAttrOut.byteCount)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    switch request {
    case .refused: lane.send(slot, .bmap, node: Fuse.rootID, shape)
    case .attributes:
      lane.arguments(of: slot).store(FuseGetattrIn())
      lane.send(slot, .getattr, node: Fuse.rootID, shape)
    }
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    switch request {
    case .refused:
      try LoadError.check(lane.answer(of: slot), .bmap, expected: Errno.notImplemented.rawValue)
    case .attributes: try LoadError.check(lane.answer(of: slot), .getattr)
    }
    return .done(1)
  }
}
