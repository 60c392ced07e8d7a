// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  /// The ioctls that pass: reading and setting file attributes (lsattr, chattr, project quotas). By number and by the
  /// size that the kernel reads or writes; a guest's other numbers mean something else on every kind of file.
  private static let allowedControls: [(command: UInt32, byteCount: Int, sets: Bool)] = [
    (0x8008_6601, 4, false),  // FS_IOC_GETFLAGS (the kernel moves an int, whatever the number says)
    (0x4008_6602, 4, true),  // FS_IOC_SETFLAGS
    (0x801c_581f, 28, false),  // FS_IOC_FSGETXATTR
    (0x401c_5820, 28, true),  // FS_IOC_FSSETXATTR
  ]

  func control(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseIoctlIn.self)
    guard let allowed = Worker.allowedControls.first(where: { $0.command == arguments.cmd }) else {
      throw .notTerminal
    }
    if allowed.sets, share.options.readOnly { throw .readOnly }
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open) }
    // A zeroed block larger than any of the structures: the kernel never reaches the guest's own bytes behind it.
    let block = xattrScratch.prefix(64)
    block.zero()
    if allowed.sets {
      guard let input = request.arguments.readBytes(min(Int(arguments.inSize), allowed.byteCount)) else {
        throw .invalid
      }
      block.copy(from: input)
    }
    try open.file.control(UInt(arguments.cmd), block)
    var writer = payload
    writer.append(FuseIoctlOut(result: 0))
    if !allowed.sets { writer.append(block.prefix(min(Int(arguments.outSize), allowed.byteCount))) }
    return .payload(writer.count)
  }
}
