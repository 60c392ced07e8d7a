// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// An image while it is being made. Best it has no name at all (O_TMPFILE), so that a crash leaves nothing; where the
// file system cannot do that it has a hidden one beside its target, under a lock that ends with the last process that
// works on it, so that whoever comes later can tell what was left behind from what is being made.

internal import Linux

struct UnfinishedImage: ~Copyable {
  private let target: Path
  private let descriptor: FileDescriptor
  /// Nil for a file without a name.
  private var temporary: Path?

  /// The guest's data is nobody else's business.
  private static let mode: UInt32 = 0o600
  private static let wholeFile = RangeLock(kind: .write, start: 0, length: 0)

  /// - Parameter unnamed: try O_TMPFILE first.
  init(for target: Path, unnamed: Bool) throws(Errno) {
    self.target = target
    if unnamed, let descriptor = try UnfinishedImage.openUnnamed(in: target.directory) {
      self.descriptor = descriptor
      temporary = nil
      return
    }
    let named = try UnfinishedImage.openNamed(beside: target)
    temporary = named.path
    descriptor = named.descriptor
  }

  deinit {
    if let temporary { try? temporary.remove() }
  }

  var file: File { descriptor.file }

  /// Nil where the file system has no such files.
  private static func openUnnamed(in directory: Path) throws(Errno) -> FileDescriptor? {
    do {
      return try directory.open(flags: OpenFlags.temporary | OpenFlags.readWrite, mode: mode)
    } catch .notSupported, .isDirectory, .invalid {
      return nil
    }
  }

  private struct Named: ~Copyable {
    let path: Path
    let descriptor: FileDescriptor
  }

  private static func openNamed(beside target: Path) throws(Errno) -> Named {
    var attempt = 0
    while true {
      attempt += 1
      let path = Path("\(prefix(target))\(CurrentProcess.identifier)-\(attempt)")
      do {
        let flags = OpenFlags.create | OpenFlags.exclusive | OpenFlags.readWrite
        let descriptor = try path.open(flags: flags, mode: mode)
        // Where there are no locks nobody can take one to remove the file either.
        try? descriptor.file.lockRange(wholeFile)
        // Somebody may have taken it for a leftover before the lock was there.
        if try descriptor.file.status().links > 0 { return Named(path: path, descriptor: descriptor) }
      } catch .exists where attempt < 1000 {
        continue
      }
    }
  }

  private static func prefix(_ target: Path) -> String { "\(target.directory)/.\(target.name).martlet-" }

  /// Removes what makers of this image left when they were killed.
  static func removeLeftovers(of target: Path) {
    guard let names = try? target.directory.entries() else { return }
    let prefix = Path(prefix(target)).name
    for name in names where name.hasPrefix(prefix) {
      let path = Path("\(target.directory)/\(name)")
      guard let descriptor = try? path.open(flags: OpenFlags.readWrite | OpenFlags.noFollow),
        (try? descriptor.file.lockRange(wholeFile)) != nil
      else { continue }
      try? path.remove()
    }
  }

  /// Gives the image its name, durably; false if the name has been taken meanwhile.
  consuming func finish() throws(Errno) -> Bool {
    try file.sync(dataOnly: false)
    do {
      try giveName()
    } catch .exists {
      return false
    }
    do {
      let directory = try target.directory.open(flags: OpenFlags.readOnly | OpenFlags.directory)
      try directory.file.sync(dataOnly: false)
    } catch .invalid {
      // A file system whose directories need no syncing, or cannot be synced.
    }
    return true
  }

  private mutating func giveName() throws(Errno) {
    guard let path = temporary else { return try target.link(file) }
    do {
      try path.move(to: target)
      temporary = nil
    } catch .invalid {
      // A link never replaces either; the hidden name goes with `self`.
      try target.link(from: path)
    }
  }
}
