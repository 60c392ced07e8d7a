// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The child's own view of the file system: nothing but the shares. The calls are those of Linux 5.2 (open_tree,
// move_mount, fsmount), which work on descriptors: no path of the host is used after the sources were opened.

internal import CLinux
internal import Wire

extension Sandbox {
  private static let cloneTree: UInt32 = 1  // OPEN_TREE_CLONE
  private static let closeOnExec: UInt32 = 0o2000000  // OPEN_TREE_CLOEXEC
  private static let recursive: UInt32 = 0x8000  // AT_RECURSIVE
  private static let moveFromEmptyPath: UInt32 = 0x4  // MOVE_MOUNT_F_EMPTY_PATH

  func enterMountNamespace() throws(SandboxError) -> SandboxRoots {
    try Sandbox.step("create mount and network namespaces", clinux_unshare_mounts_and_network())
    try Sandbox.step("detach from the host's mounts", clinux_receive_mounts_only())

    // /proc/self/fd as a mount of its own: ".." of it leads nowhere, so neither other processes nor the rest of proc
    // can be reached through it. "self" is this process, whatever pid namespace the proc mount belongs to.
    let descriptorDirectory = try Sandbox.cloneMount(
      "/proc/self/fd", "use /proc/self/fd", flags: Sandbox.cloneTree | Sandbox.closeOnExec)
    var roots: [SharedDescriptor] = []
    for source in sources {
      let flags = Sandbox.cloneTree | Sandbox.closeOnExec | Sandbox.recursive
      roots.append(try Sandbox.cloneMount(source, "mount '\(source)'", flags: flags))
    }

    // On top of "/", because that is the one directory that always exists.
    let newRoot = FileDescriptor(owning: try Sandbox.step("create an empty root", clinux_tmpfs()))
    try Sandbox.step("mount an empty root", Sandbox.attach(newRoot.file, to: File.currentDirectory, CName("/")))
    for (index, root) in roots.enumerated() {
      try Sandbox.mount(root.file, on: newRoot.file, at: index)
    }
    try Sandbox.step("change to the empty root", clinux_fchdir(newRoot.file.raw))
    let pivoted = clinux_enter_new_root()
    if pivoted < 0 {
      throw SandboxError(
        message: "cannot change the root of the file system (\(Errno(-pivoted).message)), as on an initramfs or in a "
          + "chroot; choose --sandbox=chroot or --sandbox=none")
    }
    try Sandbox.step("make the root read-only", clinux_seal_root())
    return SandboxRoots(roots: roots, descriptorDirectory: descriptorDirectory)
  }

  @discardableResult
  private static func step(_ what: String, _ result: Int32) throws(SandboxError) -> Int32 {
    if result < 0 { throw refused(what, result) }
    return result
  }

  private static func cloneMount(
    _ path: String, _ what: String, flags: UInt32
  ) throws(SandboxError) -> SharedDescriptor {
    let result = unsafe path.withCString { unsafe clinux_open_tree(File.currentDirectory.raw, $0, flags) }
    return SharedDescriptor(FileDescriptor(owning: try step(what, result)))
  }

  private static func attach(_ mount: File, to directory: File, _ name: CName) -> Int32 {
    unsafe clinux_move_mount(mount.raw, CName("").base, directory.raw, name.base, moveFromEmptyPath)
  }

  /// Mounts a cloned tree at /`index`: on a directory, or on a file if the share is one.
  private static func mount(_ root: File, on newRoot: File, at index: Int) throws(SandboxError) {
    let name = "\(index)"
    do {
      let isDirectory = try root.status().isDirectory
      let result = unsafe name.withCString { path in
        let made =
          isDirectory
          ? unsafe clinux_mkdirat(newRoot.raw, path, 0o755)
          : unsafe clinux_mknodat(newRoot.raw, path, FileType.regular.rawValue | 0o644, 0, 0)
        if made < 0 { return made }
        return unsafe clinux_move_mount(root.raw, CName("").base, newRoot.raw, path, moveFromEmptyPath)
      }
      try checked(result)
    } catch {
      throw refused("mount the share", -error.rawValue)
    }
  }
}
