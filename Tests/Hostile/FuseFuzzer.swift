// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Random FUSE requests: from nearly right to garbage. What the server hands out (nodes, handles) is used again, so that
// wrong requests reach deep into it. Sizes that would succeed are small: a fuzzer must not fill the disk.

import Frontend
import FuseProtocol
import Wire

struct FuseFuzzer {
  private(set) var dice: Dice
  private var nodes: [UInt64] = [Fuse.rootID]
  private var handles: [(node: UInt64, handle: UInt64)] = [(1, 0)]
  /// Those of regular files that can be read and written.
  private var files: [(node: UInt64, handle: UInt64)] = []

  init(dice: Dice) {
    self.dice = dice
  }

  /// Remembers what an answer gave out.
  mutating func learn(_ opcode: UInt32, _ node: UInt64, _ body: [UInt8]) {
    switch FuseOpcode(rawValue: opcode) {
    case .lookup, .mkdir, .mknod, .symlink, .link:
      if let entry = body.load(FuseEntryOut.self) { remember(entry.nodeid) }
    case .create, .tmpfile:
      guard let entry = body.load(FuseEntryOut.self) else { return }
      remember(entry.nodeid)
      guard let open = body.load(FuseOpenOut.self, at: FuseEntryOut.byteCount) else { return }
      remember(entry.nodeid, open.fh)
      files = files.suffix(7) + [(entry.nodeid, open.fh)]
    case .open, .opendir:
      if let open = body.load(FuseOpenOut.self) { remember(node, open.fh) }
    default: break
    }
  }

  private mutating func remember(_ node: UInt64) {
    if nodes.count < 64 { nodes.append(node) } else { nodes[1 + dice.roll(63)] = node }
  }

  private mutating func remember(_ node: UInt64, _ handle: UInt64) {
    if handles.count < 64 { handles.append((node, handle)) } else { handles[1 + dice.roll(63)] = (node, handle) }
  }

  /// The mount has begun anew: what the server gave out before means nothing any more.
  mutating func forgetAll() {
    nodes = [Fuse.rootID]
    handles = [(1, 0)]
    files = []
  }

  /// The next request.
  mutating func request() -> FuseRequest {
    var request = shaped()
    switch dice.roll(40) {
    case 0: truncate(&request)
    case 1: request.append(bytes: dice.bytes(dice.roll(300)))
    case 2: request.claimedLength = UInt32(truncatingIfNeeded: dice.edge())
    case 3: request.extensionLength = UInt16(truncatingIfNeeded: dice.edge())
    case 4: request.replyByteCount = dice.roll(40) - 16
    case 5: request.replyDataByteCount = dice.roll(200)
    case 6: flipBit(&request)
    case 7: request.isAnswered = false
    case 8: request.queue = .highPriority
    case 9: request.opcode = UInt32(truncatingIfNeeded: dice.edge())
    case 10: request.nodeid = dice.edge()
    default: break
    }
    // The server's state goes away with these: seldom, and not by accident.
    let ends = [FuseOpcode.destroy.rawValue, FuseOpcode.initialize.rawValue]
    if ends.contains(request.opcode), !dice.hits(200) { request.opcode = FuseOpcode.getattr.rawValue }
    return request
  }

  private mutating func truncate(_ request: inout FuseRequest) {
    if !request.data.isEmpty {
      request.data.removeLast(dice.roll(request.data.count) + 1)
    } else if let last = request.arguments.popLast() {
      request.arguments.append(Array(last.prefix(dice.roll(last.count + 1))))
    }
  }

  private mutating func flipBit(_ request: inout FuseRequest) {
    guard !request.arguments.isEmpty else { return }
    let which = dice.roll(request.arguments.count)
    guard !request.arguments[which].isEmpty else { return }
    request.arguments[which][dice.roll(request.arguments[which].count)] ^= UInt8(1 << dice.roll(8))
  }

  // MARK: Parts

  private mutating func node() -> UInt64 {
    if dice.hits(12) { return dice.edge() }
    return dice.hits(3) ? Fuse.rootID : dice.pick(nodes)
  }

  private mutating func handle() -> (node: UInt64, handle: UInt64) {
    if dice.hits(12) { return (dice.pick(nodes), dice.edge()) }
    if dice.hits(12) { return (dice.pick(nodes), handles[dice.roll(handles.count)].handle) }
    if !files.isEmpty, dice.hits(2) { return files[dice.roll(files.count)] }
    return handles[dice.roll(handles.count)]
  }

  /// With its NUL, except that some names have none or one in the middle.
  private mutating func name() -> [UInt8] {
    let plain = ["file0", "file1", "file2", "dir", "dir2", "link", "fifo", "new0", "new1", "new2", "new3"]
    let bad = ["", ".", "..", "a/b", "../sentinel", "dir/../../sentinel", "/", "/etc/hostname", "dir/", "./file0"]
    switch dice.roll(12) {
    case 0, 1: return Array(dice.pick(bad).utf8) + [0]
    case 2: return [UInt8](repeating: 0x78, count: dice.pick([255, 256, 257, 4095, 4096, 9000])) + [0]
    case 3: return dice.bytes(dice.roll(20)) + [0]
    case 4: return Array(dice.pick(plain).utf8)
    case 5: return Array("file0\0hidden".utf8) + [0]
    default: return Array(dice.pick(plain).utf8) + [0]
    }
  }

  /// Offsets at which nothing large can come to be, or nothing at all.
  private mutating func offset() -> UInt64 {
    let limit: UInt64 = 1 << 63
    let choices: [UInt64] = [0, 0, 1, 4095, 4096, 65536, 0x10_0000, limit, limit + 5, .max, .max - 4095, limit - 1]
    return dice.pick(choices)
  }

  private mutating func openFlags() -> UInt32 {
    // O_WRONLY O_RDWR O_CREAT O_EXCL O_TRUNC O_APPEND O_NONBLOCK O_DIRECT O_DIRECTORY O_NOFOLLOW O_PATH O_TMPFILE
    let bits: [UInt32] = [
      1, 2, 2, 0o100, 0o200, 0o1000, 0o2000, 0o4000, 0o40000, 0o200000, 0o400000, 0o10000000, 0o20000000,
    ]
    if dice.hits(10) { return UInt32(truncatingIfNeeded: dice.next()) }
    var flags: UInt32 = dice.hits(2) ? 2 : 0
    for _ in 0..<dice.roll(3) { flags |= dice.pick(bits) }
    return flags
  }

  private mutating func mode() -> UInt32 {
    let types: [UInt32] = [0o100000, 0o100000, 0o010000, 0o140000, 0o020000, 0o060000, 0o040000, 0o120000, 0, 0o170000]
    return dice.pick(types) | UInt32(dice.roll(0o10000))
  }

  // MARK: Shapes

  private mutating func shaped() -> FuseRequest {
    let opcodes = FuseOpcode.allCases
    let opcode =
      dice.hits(4) ? dice.pick([.lookup, .open, .create, .read, .write, .readdirplus, .opendir]) : dice.pick(opcodes)
    var request = FuseRequest(opcode, node: node())
    request.replyByteCount = 256
    switch opcode {
    case .lookup, .unlink, .rmdir, .mkdir, .mknod, .symlink, .link, .rename, .rename2, .create, .tmpfile:
      shapeNames(opcode, &request)
    case .read, .write, .readdir, .readdirplus, .lseek, .fallocate, .copyFileRange, .copyFileRange64, .flush, .release,
      .releasedir, .fsync, .fsyncdir, .getlk, .setlk, .setlkw, .ioctl, .poll, .bmap:
      shapeHandles(opcode, &request)
    default:
      shapeOthers(opcode, &request)
    }
    return request
  }

  private mutating func shapeNames(_ opcode: FuseOpcode, _ request: inout FuseRequest) {
    switch opcode {
    case .mkdir: request.append(FuseMkdirIn(mode: mode(), umask: UInt32(dice.roll(512))))
    case .mknod:
      // Devices are /dev/null and /dev/zero only.
      request.append(FuseMknodIn(mode: mode(), rdev: dice.pick([0x103, 0x105]), umask: UInt32(dice.roll(512))))
    case .link: request.append(FuseLinkIn(oldnodeid: node()))
    case .rename: request.append(FuseRenameIn(newdir: node()))
    case .rename2: request.append(FuseRename2In(newdir: node(), flags: UInt32(dice.roll(9))))
    case .create, .tmpfile:
      request.append(FuseCreateIn(flags: openFlags(), mode: mode(), umask: UInt32(dice.roll(512))))
    default: break
    }
    request.append(bytes: name())
    if opcode == .rename || opcode == .rename2 { request.append(bytes: name()) }
    if opcode == .symlink {
      request.append(bytes: Array(dice.pick(["../sentinel", "/etc/hostname", "..", "file0", ""]).utf8) + [0])
    }
  }

  private mutating func shapeHandles(_ opcode: FuseOpcode, _ request: inout FuseRequest) {
    let open = handle()
    if !dice.hits(8) { request.nodeid = open.node }
    let small = UInt32(dice.pick([0, 1, 100, 4096, 8000, 65536]))
    switch opcode {
    case .read, .readdir, .readdirplus:
      let size = dice.hits(8) ? UInt32(truncatingIfNeeded: dice.edge()) : small
      request.append(FuseReadIn(fh: open.handle, offset: offset(), size: size, flags: openFlags()))
      request.replyByteCount = 0
      request.replyDataByteCount = Int(small)
    case .write:
      let size = dice.hits(8) ? UInt32(truncatingIfNeeded: dice.edge()) : min(small, 8000)
      request.append(
        FuseWriteIn(
          fh: open.handle, offset: offset(), size: size, writeFlags: FuseWriteFlags(rawValue: UInt32(dice.roll(8))),
          flags: openFlags()))
      request.data = dice.bytes(Int(min(size, 8000)))
      request.replyByteCount = FuseWriteOut.byteCount
    case .lseek:
      request.append(FuseLseekIn(fh: open.handle, offset: offset(), whence: UInt32(dice.roll(7))))
    case .fallocate:
      let lengths: [UInt64] = [0, 1, 4096, 65536, 1 << 63, .max, .max - 4096]
      let length = dice.pick(lengths)
      request.append(
        FuseFallocateIn(
          fh: open.handle, offset: offset(), length: length, mode: dice.pick([0, 0, 1, 3, 8, 16, 32, 64, 127])))
    case .copyFileRange, .copyFileRange64:
      let to = handle()
      let from = offset()
      let short: UInt64 = dice.pick([0, 1, 4096, 65536])
      let length = from >= 1 << 62 ? dice.edge() : short
      request.append(
        FuseCopyFileRangeIn(
          fhIn: open.handle, offIn: from, nodeidOut: to.node, fhOut: to.handle, offOut: offset(), len: length,
          flags: UInt64(dice.roll(4) / 3)))
    case .flush: request.append(FuseFlushIn(fh: open.handle, lockOwner: dice.edge()))
    case .release, .releasedir:
      request.append(
        FuseReleaseIn(
          fh: open.handle, flags: openFlags(), releaseFlags: FuseReleaseFlags(rawValue: UInt32(dice.roll(4))),
          lockOwner: dice.edge()))
    case .fsync, .fsyncdir:
      request.append(FuseFsyncIn(fh: open.handle, fsyncFlags: dice.hits(2) ? .fdatasync : []))
    case .getlk, .setlk, .setlkw:
      let lock = FuseFileLock(start: dice.edge(), end: dice.edge(), type: UInt32(dice.roll(4)), pid: 1)
      request.append(
        FuseLkIn(fh: open.handle, owner: dice.edge(), lk: lock, lkFlags: FuseLockFlags(rawValue: UInt32(dice.roll(3)))))
    case .ioctl:
      // FS_IOC_GETFLAGS and garbage: setting flags would leave files that cannot be removed.
      request.append(
        FuseIoctlIn(
          fh: open.handle, flags: FuseIoctlFlags(rawValue: UInt32(dice.roll(64))),
          cmd: dice.hits(3) ? 0x8008_6601 : UInt32(dice.roll(1 << 16)), arg: dice.edge(),
          inSize: UInt32(truncatingIfNeeded: dice.edge()), outSize: UInt32(truncatingIfNeeded: dice.edge())))
    default:
      request.append(bytes: [UInt8](wire: open.handle) + dice.bytes(24))
    }
  }

  private mutating func shapeOthers(_ opcode: FuseOpcode, _ request: inout FuseRequest) {
    switch opcode {
    case .forget:
      request.append(FuseForgetIn(nlookup: dice.hits(4) ? dice.edge() : 1))
      request.isAnswered = dice.hits(10)
      request.queue = dice.hits(4) ? .any : .highPriority
    case .batchForget:
      let count = dice.roll(20)
      request.append(FuseBatchForgetIn(count: dice.hits(6) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(count)))
      for _ in 0..<count { request.append(FuseForgetOne(nodeid: node(), nlookup: UInt64(dice.roll(3)))) }
      request.isAnswered = false
      request.queue = .highPriority
    case .getattr, .statx:
      let open = handle()
      request.append(bytes: [UInt8](wire: UInt64(dice.roll(2))) + [UInt8](wire: open.handle) + dice.bytes(8))
      request.replyByteCount = 400
    case .setattr: request.append(attributes())
    case .open, .opendir: request.append(FuseOpenIn(flags: openFlags(), openFlags: dice.hits(8) ? .killSuidgid : []))
    case .setxattr:
      let value = dice.bytes(dice.roll(100))
      let size = dice.hits(6) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(value.count)
      request.append(FuseSetxattrInCompat(size: size, flags: UInt32(dice.roll(4))))
      request.append(bytes: attributeName() + value)
    case .getxattr, .listxattr:
      request.append(
        FuseGetxattrIn(size: dice.hits(6) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(300))))
      if opcode == .getxattr { request.append(bytes: attributeName()) }
    case .removexattr: request.append(bytes: attributeName())
    case .access: request.append(FuseAccessIn(mask: UInt32(dice.roll(16))))
    case .interrupt: request.append(FuseInterruptIn(unique: dice.edge()))
    case .initialize:
      var arguments = FuseInitIn()
      arguments.major = dice.hits(3) ? UInt32(dice.roll(10)) : 7
      arguments.minor = UInt32(dice.roll(60))
      arguments.features = FuseInitFlags(rawValue: dice.next())
      request.append(arguments)
    case .syncfs, .destroy, .statfs, .readlink: break
    default: request.append(bytes: dice.bytes(dice.roll(80)))
    }
  }

  private mutating func attributes() -> FuseSetattrIn {
    var change = FuseSetattrIn()
    change.valid = FuseSetattrValid(rawValue: UInt32(dice.roll(1 << 12)))
    change.fh = handle().handle
    // A size that works, or one that no file system has.
    let sizes: [UInt64] = [0, 1, 5000, 1 << 20, 1 << 63, .max]
    change.size = dice.pick(sizes)
    change.atime = dice.edge()
    change.mtime = dice.edge()
    change.atimensec = UInt32(truncatingIfNeeded: dice.edge())
    change.mode = mode()
    change.uid = UInt32(dice.roll(3))
    change.gid = UInt32(dice.roll(3))
    return change
  }

  private mutating func attributeName() -> [UInt8] {
    let names = [
      "user.a", "user.b", "user.", "", "trusted.overlay.opaque", "security.capability", "system.posix_acl_access", "x",
    ]
    if dice.hits(10) { return [UInt8](repeating: 0x79, count: dice.pick([255, 256, 300])) + [0] }
    return Array(dice.pick(names).utf8) + (dice.hits(10) ? [] : [0])
  }
}
