// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The only messages that are touched on their way: INIT and its answer, where they promise what a virtqueue with slots
// of limited size cannot keep. The backend never sees those flags, the kernel never sees larger sizes.

internal import Frontend
internal import FuseProtocol
internal import Linux
internal import Wire

enum InitFilter {
  /// Both need the backend to have /dev/fuse itself.
  private static let impossible: FuseInitFlags = [.overIOUring, .passthrough]

  /// Takes the impossible out of the kernel's offer.
  static func edit(request: Segment) {
    let place = FuseInHeader.byteCount
    // Kernels before 7.36 send less, and know nothing of these flags.
    guard var arguments: FuseInitIn = request.load(at: place) else { return }
    arguments.flags2 &= ~impossible.high
    request.store(arguments, at: place)
  }

  enum Answer: Equatable {
    case agreed
    case refused(Errno)
    case nonsense(String)
  }

  /// Bounds the sizes that the backend chose. `reply` is the whole answer, header included.
  static func edit(reply: Segment) -> Answer {
    guard let header: FuseOutHeader = reply.load() else { return .nonsense("it is too short") }
    if header.error < 0, header.error > -512 { return .refused(Errno(-header.error)) }
    guard header.error == 0 else { return .nonsense("its error number is \(header.error)") }
    let place = FuseOutHeader.byteCount
    // Shorter answers are those to kernels before 7.23, which never sent more than 128 KiB.
    guard var arguments: FuseInitOut = reply.load(at: place) else {
      return .nonsense("it has \(reply.count - place) bytes, of a protocol before 7.23")
    }
    guard arguments.major == Fuse.majorVersion else { return .nonsense("its version is \(arguments.major)") }
    arguments.flags2 &= ~impossible.high
    arguments.maxWrite = min(arguments.maxWrite, UInt32(FuseTransfer.dataByteCount))
    arguments.maxPages = min(arguments.maxPages, UInt16(FuseTransfer.dataByteCount / 4096))
    reply.store(arguments, at: place)
    return .agreed
  }
}
