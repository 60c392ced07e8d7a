// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds the process behind a lock. The kernel names none for a lock of an open file (F_OFD_GETLK says -1), but
// /proc/PID/fdinfo/N tells the locks of the file that is open there. Best effort: other users' processes are hidden.

internal import Linux

struct LockHolder {
  let process: Int32
  /// As the kernel knows the program, 15 bytes at most.
  let name: String

  /// A process that has a lock on byte `byte` of the file, other than through `file` itself.
  static func find(of file: File, at byte: Int64) -> LockHolder? {
    guard let inode = try? file.status().inode, let names = try? Path("/proc").entries() else { return nil }
    for process in names.compactMap({ Int32($0) }) {
      guard let files = try? Path("/proc/\(process)/fdinfo").entries() else { continue }
      for number in files.compactMap({ Int32($0) }) {
        if process == CurrentProcess.identifier, number == file.raw { continue }
        guard let text = try? Path("/proc/\(process)/fdinfo/\(number)").contents(),
          text.split(separator: "\n").contains(where: { locks($0, inode, byte) }),
          isSame("/proc/\(process)/fd/\(number)", file)
        else { continue }
        let name = (try? Path("/proc/\(process)/comm").contents()) ?? ""
        let word = name.split(separator: "\n").first.map { String($0) } ?? "a program"
        return LockHolder(process: process, name: word)
      }
    }
    return nil
  }

  /// "lock:\t1: OFDLCK  ADVISORY  READ -1 fe:00:3932 100 101": kind and state, device and inode, first and last byte.
  private static func locks(_ line: Substring, _ inode: UInt64, _ byte: Int64) -> Bool {
    guard line.hasPrefix("lock:") else { return false }
    let words = line.split { $0 == " " || $0 == "\t" }
    guard words.count >= 4, words[words.count - 3].split(separator: ":").last == Substring(String(inode)),
      let first = Int64(words[words.count - 2])
    else { return false }
    let last = words[words.count - 1] == "EOF" ? Int64.max : Int64(words[words.count - 1]) ?? -1
    return first <= byte && byte <= last
  }

  /// The inode's number alone may belong to another file system's file.
  private static func isSame(_ path: String, _ file: File) -> Bool {
    guard let one = try? Path(path).status(), let other = try? file.status() else { return false }
    return one.inode == other.inode && one.deviceMajor == other.deviceMajor && one.deviceMinor == other.deviceMinor
  }
}
