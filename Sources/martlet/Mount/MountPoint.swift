// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The directory to mount on: looked at before anything is done, so that what is wrong is said in words, and found
// again in the list of mounts when everything is over.

internal import Linux
internal import Wire

struct MountPoint: Sendable {
  /// The path without symlinks, as the kernel lists it.
  let path: String

  /// Checks a directory that a user named.
  init(_ name: String) throws(HumanError) {
    try MountPoint.checkDevice()
    let directory: FileDescriptor
    do throws(Errno) {
      directory = try Path(name).open(flags: OpenFlags.path | OpenFlags.directory | OpenFlags.closeOnExec)
    } catch {
      throw .failure(MountPoint.sentence(error, name))
    }
    do throws(Errno) {
      path = try MountPoint.path(of: directory.file)
      if try Path(path).isMountPoint() {
        throw Errno.busy
      }
      guard try Path(path).isEmptyDirectory() else { throw Errno.notEmpty }
    } catch {
      throw .failure(MountPoint.sentence(error, name))
    }
  }

  private static func checkDevice() throws(HumanError) {
    guard let status = try? Path("/dev/fuse").status() else {
      throw .failure("there is no /dev/fuse; load the kernel's fuse module (modprobe fuse), or pass the device in")
    }
    guard status.type == .character else { throw .failure("/dev/fuse is not a device; make it with mknod c 10 229") }
  }

  private static func sentence(_ error: Errno, _ name: String) -> String {
    switch error {
    case .noEntry: "there is no directory '\(name)' to mount on; create it first"
    case .notDirectory: "'\(name)' is not a directory; the mount point must be one"
    case .notEmpty: "'\(name)' is not empty; mount on an empty directory"
    case .busy: "'\(name)' is in use: something is mounted there already; unmount it first"
    case .notConnected:
      "'\(name)' is in use: a mount whose server is gone is in the way; remove it with umount -l"
    case .accessDenied: "no permission to use '\(name)'; choose a directory of your own, or run this as root"
    default: "cannot use '\(name)' as a mount point (\(error.message))"
    }
  }

  private static func path(of directory: File) throws(Errno) -> String {
    let scratch = Scratch(byteCount: 4096)
    let link = Array("/proc/self/fd/\(directory.raw)".utf8)
    let name = Scratch(byteCount: 4096)
    for (offset, byte) in link.enumerated() { name.segment.store(byte, at: offset) }
    name.segment.store(UInt8(0), at: link.count)
    var reader = ByteReader(name.segment)
    guard let spelled = reader.readName() else { throw .invalid }
    let count = try File.currentDirectory.readLink(spelled, into: scratch.segment)
    return String(decoding: scratch.segment.prefix(count).bytes(), as: UTF8.self)
  }

  /// Number of the newest mount here, by which it is told from others that may come and go; nil if there is none.
  func newestMount() -> UInt64? {
    mounts().last { $0.path == path }?.number
  }

  /// True if that mount is still somewhere in the tree.
  func isMounted(_ number: UInt64) -> Bool {
    mounts().contains { $0.number == number && $0.path == path }
  }

  /// /proc/self/mountinfo (proc(5)): the mount's number is the first field, its place the fifth.
  private func mounts() -> [(number: UInt64, path: String)] {
    guard let text = try? Path("/proc/self/mountinfo").contents() else { return [] }
    return text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ", maxSplits: 5)
      guard fields.count == 6, let number = UInt64(fields[0]) else { return nil }
      return (number, MountPoint.unescaped(fields[4]))
    }
  }

  /// Spaces, tabs, line breaks and backslashes come as octal numbers.
  private static func unescaped(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
