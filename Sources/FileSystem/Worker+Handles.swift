// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The open files that reads and writes work on. A run of requests on one file finds it pinned already: the table, which
// all queues share, is asked at the first of them and told at the end of the run.

internal import Linux

/// An open file in use; give it back with `Worker.letGo`.
struct HeldHandle {
  var handle: PinnedHandle
  /// It is the one that the worker keeps, and somebody else's pin.
  let isKept: Bool
}

/// The open file of a worker's last read or write, and how many transfers in flight use its pin.
struct KeptHandle {
  fileprivate(set) var handle: PinnedHandle
  fileprivate(set) var transfers = 0
}

extension Worker {
  func hold(_ id: UInt64) throws(Errno) -> HeldHandle {
    if let kept, kept.handle.id == id { return HeldHandle(handle: kept.handle, isKept: true) }
    letKeptGo()
    let handle = try share.handles.acquire(id)
    if kept != nil { return HeldHandle(handle: handle, isKept: false) }
    kept = KeptHandle(handle: handle)
    return HeldHandle(handle: handle, isKept: true)
  }

  func letGo(_ held: HeldHandle) {
    if !held.isKept { share.handles.release(held.handle) }
  }

  /// A transfer that is begun holds its file until `endTransfer`.
  func beginTransfer(on held: HeldHandle) {
    if held.isKept { kept?.transfers += 1 }
  }

  func endTransfer(on held: HeldHandle) {
    if held.isKept { kept?.transfers -= 1 } else { share.handles.release(held.handle) }
  }

  /// Lets go of the file that is kept, unless a transfer is in flight on it. Called before requests of any other kind,
  /// so that a file which the guest closes is closed, and when the thread has nothing more to do.
  func letKeptGo() {
    guard let kept, kept.transfers == 0 else { return }
    self.kept = nil
    share.handles.release(kept.handle)
  }

  /// Remembers how an open file in use is to be read.
  func note(_ held: HeldHandle, _ way: ReadWay) {
    share.handles.note(held.handle, way)
    if held.isKept { kept?.handle.readWay = way }
  }
}
