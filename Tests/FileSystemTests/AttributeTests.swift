// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// Attributes. Invariants: what the guest reads is what the host has; SETATTR changes the fields that it names and no
/// others, and answers with the result.
@Suite(.timeLimit(.minutes(30)))
struct AttributeTests {
  private let root = Fuse.rootID

  private func change(_ valid: FuseSetattrValid, _ fill: (inout FuseSetattrIn) -> Void = { _ in }) -> FuseSetattrIn {
    var change = FuseSetattrIn()
    change.valid = valid
    fill(&change)
    return change
  }

  @Test func theGuestSeesWhatTheHostHas() throws {
    let mount = try Mount()
    try Host.write("hello", to: mount.path("file"))
    try Host.setMode(mount.path("file"), 0o4751)
    try Host.makeDirectory(mount.path("dir"), mode: 0o1777)
    for name in ["file", "dir"] {
      let entry = try mount.client.lookup(root, name)
      let host = try Host.status(mount.path(name))
      for attr in [entry.attr, try mount.client.getattr(entry.nodeid).attr] {
        #expect(attr.ino == UInt64(host.st_ino))
        #expect(attr.size == UInt64(host.st_size))
        #expect(attr.blocks == UInt64(host.st_blocks))
        #expect(attr.blksize == UInt32(host.st_blksize))
        #expect(attr.mode == UInt32(host.st_mode))
        #expect(attr.nlink == UInt32(host.st_nlink))
        #expect(attr.uid == host.st_uid && attr.gid == host.st_gid)
        #expect(attr.mtime == UInt64(host.st_mtim.tv_sec) && attr.mtimensec == UInt32(host.st_mtim.tv_nsec))
        #expect(attr.atime == UInt64(host.st_atim.tv_sec) && attr.atimensec == UInt32(host.st_atim.tv_nsec))
        #expect(attr.ctime == UInt64(host.st_ctim.tv_sec) && attr.ctimensec == UInt32(host.st_ctim.tv_nsec))
      }
    }
  }

  @Test func statxTellsTheBirthTimeToo() throws {
    let mount = try Mount()
    // File systems take their time from a clock that is read once in a few milliseconds.
    let before = Int64(time(nil)) - 1
    let file = try mount.open("file", containing: "hello")
    let after = Int64(time(nil))
    for handle in [nil, file.handle] {
      let stat = try mount.client.statx(file.node, handle: handle).stat
      let host = try Host.status(mount.path("file"))
      #expect(stat.mask & 0xfff == 0xfff, "ext4 keeps a birth time")
      #expect((before...after).contains(stat.btime.tvSec))
      #expect(stat.ino == UInt64(host.st_ino) && stat.size == 5 && UInt32(stat.mode) == UInt32(host.st_mode))
      #expect(stat.mtime.tvSec == Int64(host.st_mtim.tv_sec) && stat.mtime.tvNsec == UInt32(host.st_mtim.tv_nsec))
      #expect(stat.nlink == 1 && stat.uid == host.st_uid && stat.gid == host.st_gid)
      let device = UInt64(host.st_dev)
      #expect(UInt64(stat.devMinor) == device & 0xff | (device >> 12) & 0xfff00)
    }
    expectRefused(.noEntry) { try mount.client.statx(1 << 40) }
  }

  @Test func eachFieldIsSetAloneAndAllTogether() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: "hello")
    let client = mount.client
    #expect(try client.setattr(file.node, change(.mode) { $0.mode = 0o104711 }).attr.mode == 0o104711)
    #expect(try Host.mode(mount.path("file")) == 0o4711)
    #expect(try client.setattr(file.node, change(.size) { $0.size = 2 }).attr.size == 2)
    #expect(try Host.text(mount.path("file")) == "he")
    #expect(try client.truncate(file.node, size: 100, handle: file.handle).attr.size == 100)
    #expect(try Host.mode(mount.path("file")) == 0o4711)
    guard Host.isRoot else { return }
    #expect(try client.setattr(file.node, change(.uid) { $0.uid = 1001 }).attr.uid == 1001)
    #expect(try Host.owner(mount.path("file")) == [1001, 0])
    #expect(try client.setattr(file.node, change(.gid) { $0.gid = 1002 }).attr.gid == 1002)
    #expect(try Host.owner(mount.path("file")) == [1001, 1002])
    let all = change([.mode, .uid, .gid, .size, .atime, .mtime]) {
      ($0.mode, $0.uid, $0.gid, $0.size) = (0o640, 7, 8, 9)
      ($0.atime, $0.atimensec, $0.mtime, $0.mtimensec) = (1_000_000, 111, 2_000_000, 222)
    }
    let attr = try client.setattr(file.node, all).attr
    #expect(attr.mode & 0o7777 == 0o640 && attr.uid == 7 && attr.gid == 8 && attr.size == 9)
    #expect(attr.atime == 1_000_000 && attr.atimensec == 111 && attr.mtime == 2_000_000 && attr.mtimensec == 222)
  }

  @Test func timesAreSetKeptAndSetToNow() throws {
    let mount = try Mount()
    let node = try mount.open("file").node
    func host() throws -> [Int] {
      let status = try Host.status(mount.path("file"))
      return [status.st_atim.tv_sec, status.st_atim.tv_nsec, status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }
    _ = try mount.client.setattr(
      node, change([.atime, .mtime]) { ($0.atime, $0.mtime, $0.mtimensec) = (10, 20, 999_999_999) })
    #expect(try host() == [10, 0, 20, 999_999_999])
    _ = try mount.client.setattr(node, change(.atime) { ($0.atime, $0.atimensec) = (30, 5) })
    #expect(try host() == [30, 5, 20, 999_999_999])
    _ = try mount.client.setattr(node, change(.mtime) { $0.mtime = UInt64(bitPattern: -86400) })
    #expect(try host() == [30, 5, -86400, 0])
    #expect(try mount.client.getattr(node).attr.mtime == UInt64(bitPattern: -86400))
    let now = time(nil) - 1
    _ = try mount.client.setattr(node, change([.mtime, .mtimeNow]))
    #expect(try host()[0] == 30)
    #expect(try (now...time(nil)).contains(host()[2]))
    _ = try mount.client.setattr(node, change([.atime, .atimeNow]))
    #expect(try (now...time(nil)).contains(host()[0]))
    let before = try host()
    _ = try mount.client.setattr(node, change(.ctime) { $0.ctime = 5 })
    _ = try mount.client.setattr(node, change([]))
    #expect(try host() == before)
    _ = try mount.client.setattr(node, change(.mtime) { ($0.mtime, $0.mtimensec) = (1, .max) })
    #expect(try host()[2] == 1, "nanoseconds out of range are no call for utimensat's NOW or OMIT")
  }

  @Test func sizesOfWhatHasNoneAreRefused() throws {
    let mount = try Mount()
    try Host.makeDirectory(mount.path("dir"))
    try Host.makeFIFO(mount.path("fifo"))
    expectRefused(.isDirectory) { try mount.client.truncate(try mount.node("dir"), size: 0) }
    expectRefused(.invalid) { try mount.client.truncate(try mount.node("fifo"), size: 0) }
    expectRefused(.fileTooLarge) { try mount.client.truncate(try mount.open("file").node, size: 1 << 63) }
  }

  @Test(.enabled(if: Host.isRoot, "acting as others needs root")) func accessIsCheckedForTheCaller() throws {
    let mount = try Mount()
    try Host.setMode(mount.directory, 0o755)
    try Host.write("", to: mount.path("file"))
    try Host.setMode(mount.path("file"), 0o640)
    try Host.setOwner(mount.path("file"), 1000, 2000)
    let node = try mount.node("file")
    let (read, write, execute) = (UInt32(4), UInt32(2), UInt32(1))
    try mount.with(user: 1000) { try mount.client.access(node, mask: read | write) }
    try mount.with(user: 1001, group: 2000) {
      try mount.client.access(node, mask: read)
      expectRefused(.accessDenied) { try mount.client.access(node, mask: write) }
    }
    mount.with(user: 1001) { expectRefused(.accessDenied) { try mount.client.access(node, mask: read) } }
    try mount.with(user: 1001) { try mount.client.access(node, mask: 0) }
    expectRefused(.accessDenied) { try mount.client.access(node, mask: execute) }
    try mount.client.access(node, mask: read | write)
  }

  @Test func theFileSystemIsDescribed() throws {
    let mount = try Mount()
    var guest = try mount.client.statfs()
    var host = statvfs()
    guard unsafe statvfs(mount.directory, &host) == 0 else { throw Errno(errno) }
    // File systems that make inodes as they need them count by the room that is left, which others take meanwhile.
    for _ in 0..<100 where guest.files != host.f_files {
      guest = try mount.client.statfs()
      _ = unsafe statvfs(mount.directory, &host)
    }
    #expect(guest.blocks == host.f_blocks && guest.files == host.f_files)
    #expect(
      UInt(guest.bsize) == host.f_bsize && UInt(guest.frsize) == host.f_frsize && UInt(guest.namelen) == host.f_namemax)
    #expect(guest.bfree > 0 && guest.bavail <= guest.bfree)
  }

  // MARK: ioctls

  private let getFlags: UInt32 = 0x8008_6601
  private let setFlags: UInt32 = 0x4008_6602
  private let getExtended: UInt32 = 0x801c_581f
  private let setExtended: UInt32 = 0x401c_5820

  @Test(.enabled(if: Host.isRoot, "file flags need root")) func fileFlagsAreReadAndSet() throws {
    let mount = try Mount()
    let file = try mount.open("file")
    func flags() throws -> UInt32 {
      let answer = try mount.client.ioctl(file.node, file.handle, command: getFlags, outputCapacity: 8)
      #expect(answer.result.result == 0 && answer.output.count == 4)
      return answer.output.enumerated().reduce(0) { $0 | UInt32($1.element) << (8 * $1.offset) }
    }
    let (noDump, noAtime) = (UInt32(0x40), UInt32(0x80))
    let old = try flags()
    let wanted = old | noDump | noAtime
    let input = (0..<4).map { UInt8(truncatingIfNeeded: wanted >> (8 * $0)) } + [0, 0, 0, 0]
    _ = try mount.client.ioctl(file.node, file.handle, command: setFlags, input: input)
    #expect(try flags() == wanted)
    let extended = try mount.client.ioctl(file.node, file.handle, command: getExtended, outputCapacity: 28).output
    #expect(extended.count == 28)
    #expect(extended[0] & 0xc0 == 0xc0, "FS_XFLAG_NOATIME and FS_XFLAG_NODUMP")
    _ = try mount.client.ioctl(file.node, file.handle, command: setExtended, input: [UInt8](repeating: 0, count: 28))
    #expect(try flags() & (noDump | noAtime) == 0)
    let directory = try mount.client.opendir(root).fh
    _ = try mount.client.ioctl(root, directory, command: getFlags, outputCapacity: 4)
  }

  /// TIOCSTI, FIFREEZE, FS_IOC_ENABLE_VERITY, FICLONE, BLKGETSIZE64, EXT4_IOC_SETVERSION, and nonsense.
  @Test(arguments: [0x5412, 0xc004_5877, 0x4080_6685, 0x4004_9409, 0x8008_1272, 0x4008_6604, 0, .max] as [UInt32])
  func otherIoctlsAreRefused(command: UInt32) throws {
    let mount = try Mount()
    let file = try mount.open("file")
    expectRefused(.notTerminal) {
      try mount.client.ioctl(file.node, file.handle, command: command, input: [1, 0, 0, 0], outputCapacity: 64)
    }
  }

  @Test func anIoctlWithTooLittleOrTooMuchInputIsAnError() throws {
    let mount = try Mount()
    let file = try mount.open("file")
    var request = FuseRequest(.ioctl, node: file.node)
    request.append(FuseIoctlIn(fh: file.handle, flags: [], cmd: setFlags, arg: 0, inSize: 8, outSize: 0))
    request.replyByteCount = FuseIoctlOut.byteCount
    expectRefused(.invalid) { try mount.client.perform(request).checkedBody() }
    request.arguments = []
    request.append(FuseIoctlIn(fh: file.handle, flags: [], cmd: getFlags, arg: 0, inSize: .max, outSize: .max))
    request.replyByteCount = 4096
    #expect(try mount.client.perform(request).checkedBody().count == FuseIoctlOut.byteCount + 4)
  }
}
