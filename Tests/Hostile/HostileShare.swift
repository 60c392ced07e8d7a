// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A share to be attacked, with things next to it that nobody may reach through it.

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// What is switched on.
enum ShareKind: String, CaseIterable, Codable, Sendable {
  case plain, everything, readOnly, descriptorsOnly

  func configure(_ options: inout ShareOptions) {
    options.requestQueues = 2
    switch self {
    case .plain: break
    case .everything:
      options.xattr = true
      options.posixACL = .auto
      options.posixLocks = true
      options.flock = true
      options.writeback = true
      options.allowDirectIO = true
    case .readOnly: options.readOnly = true
    case .descriptorsOnly:
      options.inodeFileHandles = .never
      options.cache = .never
    }
  }
}

/// The directories: outer/share is shared; outer/sentinel and outer/secret are not.
final class HostileShare {
  let outer: String
  let share: String
  let device: FileSystemDevice
  private let outside: [String: String]
  private let inside: [String: String]
  private let kind: ShareKind

  init(_ kind: ShareKind) throws {
    self.kind = kind
    outer = "/tmp/martlet-hostile-\(getpid())-\(kind.rawValue)"
    share = outer + "/share"
    let files = FileManager.default
    try? files.removeItem(atPath: outer)
    for directory in ["share/dir/sub", "share/dir2", "secret"] {
      try files.createDirectory(atPath: outer + "/" + directory, withIntermediateDirectories: true)
    }
    for (name, size) in [("share/file0", 10000), ("share/file1", 0), ("share/file2", 70000), ("share/dir/file0", 5)] {
      try Data(repeating: 0x61, count: size).write(to: URL(fileURLWithPath: outer + "/" + name))
    }
    try Data("secret".utf8).write(to: URL(fileURLWithPath: outer + "/sentinel"))
    try Data("secret".utf8).write(to: URL(fileURLWithPath: outer + "/secret/file0"))
    try files.createSymbolicLink(atPath: share + "/link", withDestinationPath: "../sentinel")
    try files.createSymbolicLink(atPath: share + "/linkdir", withDestinationPath: "../secret")
    _ = unsafe mkfifo(share + "/fifo", 0o666)
    var options = ShareOptions(name: "hostile")
    kind.configure(&options)
    let root = try HostileShare.open(share, OpenFlags.path)
    let descriptors = SharedDescriptor(try HostileShare.open("/proc/self/fd", OpenFlags.path | OpenFlags.directory))
    device = try FileSystemDevice(options, root: root, descriptorDirectory: descriptors)
    outside = try HostileShare.snapshot(outer, without: "share")
    inside = kind == .readOnly ? try HostileShare.snapshot(share, without: nil) : [:]
  }

  private static func open(_ path: String, _ flags: Int32) throws -> FileDescriptor {
    let raw = unsafe Foundation.open(path, flags | OpenFlags.closeOnExec)
    try #require(raw >= 0, "\(path) cannot be opened")
    return FileDescriptor(owning: raw)
  }

  /// Type, mode, owner, size, times and contents of everything below a directory.
  private static func snapshot(_ directory: String, without skipped: String?) throws -> [String: String] {
    let files = FileManager.default
    var found: [String: String] = [:]
    // Never into what is skipped: what a guest has made there may have names that are no text.
    for name in try files.contentsOfDirectory(atPath: directory) where name != skipped {
      let path = directory + "/" + name
      let attributes = try files.attributesOfItem(atPath: path)
      let type = attributes[.type] as? FileAttributeType
      let contents = type == .typeRegular ? files.contents(atPath: path).map { "\($0.hashValue)" } ?? "" : ""
      let keys: [FileAttributeKey] = [
        .type, .posixPermissions, .ownerAccountID, .groupOwnerAccountID, .size, .modificationDate,
      ]
      found[path] = keys.map { "\(attributes[$0] ?? "")" }.joined(separator: " ") + " " + contents
      if type == .typeDirectory {
        found.merge(try snapshot(path, without: nil)) { first, _ in first }
      }
    }
    return found
  }

  /// Expects that nothing outside has changed, and nothing inside of a read-only share.
  func expectUntouched(sourceLocation: SourceLocation = #_sourceLocation) throws {
    #expect(try HostileShare.snapshot(outer, without: "share") == outside, sourceLocation: sourceLocation)
    if kind == .readOnly {
      #expect(try HostileShare.snapshot(share, without: nil) == inside, sourceLocation: sourceLocation)
    }
  }

  /// Foundation does not remove names that are no text.
  func remove() {
    let removal = Process()
    removal.executableURL = URL(fileURLWithPath: "/bin/rm")
    removal.arguments = ["-rf", outer]
    guard (try? removal.run()) != nil else { return }
    removal.waitUntilExit()
  }

  /// A guest mounts, works and leaves.
  func expectServes(_ victim: Victim, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let client = FuseClient(try HostileShare.attach(victim))
    try client.initialize([.bigWrites, .maxPages])
    #expect(try client.getattr(Fuse.rootID).attr.mode & 0o170000 == 0o040000, sourceLocation: sourceLocation)
    #expect(throws: FuseError.refused(.noEntry), sourceLocation: sourceLocation) {
      try client.lookup(Fuse.rootID, "never-made")
    }
    if kind != .readOnly {
      let name = "honest-\(UInt32.random(in: 0...UInt32.max))"
      let file = try client.create(Fuse.rootID, name, flags: 2)
      let written = try client.write(file.entry.nodeid, file.open.fh, offset: 3, [1, 2, 3])
      #expect(written == 3, sourceLocation: sourceLocation)
      let bytes = try client.read(file.entry.nodeid, file.open.fh, offset: 0, count: 100)
      #expect(bytes == [0, 0, 0, 1, 2, 3], sourceLocation: sourceLocation)
      try client.release(file.entry.nodeid, file.open.fh)
      try client.unlink(Fuse.rootID, name)
    }
    try client.destroy()
  }

  /// A driver of a new connection, with the three queues that the share has.
  static func attach(_ victim: Victim) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.queueCount = 3
    let driver = try VhostUserDriver(try victim.connect(), ram: try GuestRAM(byteCount: 16 << 20), wishes: wishes)
    try driver.start()
    return driver
  }
}
