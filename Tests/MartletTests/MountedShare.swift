// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A backend with a directory to share, and `martlet mount` over it.

import Foundation
import Support
import Testing

/// All suites that mount, one test at a time: each is several processes, and some look at what happens in a second.
@Suite(.serialized, .enabled(if: Programs.canMount, Programs.cannotMount)) enum Mounts {}

/// Who serves the share.
enum ShareBackend: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case ours
  /// virtiofsd of QEMU 7, in C.
  case rival
  /// virtiofsd in Rust.
  case rust

  static let all: [ShareBackend] = allCases.filter { kind in
    switch kind {
    case .ours: true
    // Others check the mount and the checks; with --all, because they double the time.
    case .rival: Programs.isSlow && Programs.hasRival
    case .rust: Programs.isSlow && Programs.rustRival != nil
    }
  }

  var testDescription: String { rawValue }

  func command(share: String, socket: String, _ options: [String]) -> [String] {
    switch self {
    case .ours:
      [
        Programs.martletFS, "--shared-dir=\(share)", "--socket-path=\(socket)", "--sandbox=none", "--tag=data",
        "--thread-pool-size=2", "--xattr", "--posix-acl",
      ] + options
    case .rival:
      [
        Programs.rival, "--socket-path=\(socket)", "-o", "source=\(share)", "-o", "sandbox=chroot", "-o", "xattr",
        "-o", "posix_acl", "-o", "killpriv_v2",
      ] + options
    case .rust:
      [
        Programs.rustRival ?? "virtiofsd", "--shared-dir=\(share)", "--socket-path=\(socket)", "--sandbox=chroot",
        "--xattr", "--posix-acl",
      ] + options
    }
  }
}

/// A backend and its share, not mounted.
final class SharedFolder: Sendable {
  let place: Workplace
  let share: String
  let socket: String
  let backend: RunningProgram

  init(_ kind: ShareBackend = .ours, options: [String] = []) async throws {
    place = try Workplace()
    share = try place.makeDirectory("share")
    let socket = place.file("s")
    self.socket = socket
    let backend = try RunningProgram(kind.command(share: share, socket: socket, options), in: place)
    self.backend = backend
    // A socket's file is there a moment before anybody listens.
    try await backend.waitUntil("listening") {
      kind == .ours ? backend.log.contains("] serving ") : FileManager.default.fileExists(atPath: socket)
    }
  }
}

/// A share that is mounted. `end` or `abandon` it: a test that fails before leaves nothing mounted either.
final class MountedShare: Sendable {
  let folder: SharedFolder
  let tree: String
  let mount: RunningProgram

  var share: String { folder.share }

  init(_ kind: ShareBackend = .ours, options: [String] = [], mountOptions: [String] = []) async throws {
    folder = try await SharedFolder(kind, options: options)
    let tree = try folder.place.makeDirectory("m")
    self.tree = tree
    mount = try RunningProgram(
      [Programs.martlet, "mount", "--socket", folder.socket, tree] + mountOptions, in: folder.place)
    let log = mount
    try await mount.waitUntil("mounted") { log.log.contains("is mounted on") }
  }

  deinit {
    guard isMounted else { return }
    // Without its server the mount cannot hang.
    mount.send(SIGKILL)
    detach(tree)
  }

  /// Looks into the kernel's list and not at the directory, which could hang.
  var isMounted: Bool { isMountPoint(tree) }

  /// Ends it as a person does who is done.
  func end() async throws -> Outcome {
    mount.send(SIGTERM)
    return try await mount.wait()
  }
}

func isMountPoint(_ directory: String) -> Bool {
  let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
  return mounts.split(separator: "\n").contains { $0.split(separator: " ").dropFirst().first == directory[...] }
}

/// For the end of a test that failed: takes whatever is mounted there out of the tree (MNT_DETACH is 2).
func detach(_ directory: String) {
  if isMountPoint(directory) { _ = unsafe umount2(directory, 2) }
}
