// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What all queues of one share have in common: the tables, the options, what the guest negotiated. Each queue's
// worker has the rest for itself.

internal import FuseProtocol
internal import Linux
internal import Synchronization
internal import Wire

/// A share that cannot be served, with the sentence for the person who asked.
public struct ShareError: Error, Sendable {
  public let message: String

  public init(_ message: String) {
    self.message = message
  }
}

final class Share: Sendable {
  let options: ShareOptions
  let inodes: InodeTable
  let handles: HandleTable
  let mounts = MountTable()
  let locks = LockTable()
  /// /proc/self/fd: the way from a descriptor to a path that the kernel takes.
  let descriptorDirectory: SharedDescriptor
  /// True if inodes are kept as file handles where the file system has them.
  let usesHandles: Bool
  /// True if the share lies on a file system of this machine.
  let isLocal: Bool
  /// True if two open files of one inode differ in nothing but their flags and positions.
  let opensAlike: Bool
  /// Ids of the daemon: creating as these needs no switch.
  let owner: (user: UInt32, group: UInt32)

  /// INIT flags in force; 0 before INIT.
  private let negotiated = Atomic<UInt64>(0)
  private let minor = Atomic<UInt32>(0)
  private let ceiling = Atomic<Int32>(.max)

  init(
    _ options: ShareOptions, root: consuming FileDescriptor, descriptorDirectory: SharedDescriptor
  ) throws(ShareError) {
    self.options = options
    self.descriptorDirectory = descriptorDirectory
    owner = ThreadIdentity.effective
    let status: FileStatus
    let fileSystem: UInt64
    do throws(Errno) {
      status = try root.file.status()
      fileSystem = try root.file.fileSystemStatus().type
    } catch {
      throw ShareError("cannot read the directory of share \(options.name): \(error.message)")
    }
    isLocal = !Share.remoteFileSystems.contains(fileSystem)
    opensAlike = Share.plainFileSystems.contains(fileSystem)
    var anchor: SharedDescriptor?
    if options.inodeFileHandles != .never {
      anchor = Share.anchor(of: root.file, type: status.type, below: descriptorDirectory.file)
      if anchor == nil, options.inodeFileHandles == .mandatory {
        throw ShareError(
          "file handles do not work on share \(options.name): they need a file system that has them and the capability "
            + "CAP_DAC_READ_SEARCH; use --inode-file-handles=prefer or never")
      }
    }
    usesHandles = anchor != nil
    _ = mounts.add(MountTable.Key(status), anchor: anchor)
    inodes = InodeTable(
      root: root, rootType: status.type, mounts: mounts, cacheLimit: options.descriptorCacheLimit)
    handles = HandleTable(inodes)
  }

  /// Magic numbers of network and user-space file systems (linux/magic.h): their servers may change a file's mode
  /// between our look at it and our write.
  private static let remoteFileSystems: [UInt64] = [
    0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x0bd0_0bd0,
  ]

  /// Magic numbers of file systems whose files are what their inode says, whenever they were opened: tmpfs and ramfs,
  /// ext2 to ext4, xfs, btrfs, bcachefs, f2fs, zfs, jfs, reiserfs, fat, exfat, ntfs3, squashfs, erofs, iso9660, udf.
  /// Not so overlayfs, where a file that was opened before the first write never shows that write, proc and its like,
  /// which look at the world when they are opened, and network file systems.
  private static let plainFileSystems: [UInt64] = [
    0x0102_1994, 0x8584_58f6, 0xef53, 0x5846_5342, 0x9123_683e, 0xca45_1a4e, 0xf2f5_2010, 0x2fc1_2fc1, 0x3153_464a,
    0x5265_4973, 0x4d44, 0x2011_bab0, 0x7366_746e, 0x7371_7368, 0xe0f5_e1e2, 0x9660, 0x1501_3346,
  ]

  /// An open (not O_PATH) file of the mount that `file` is on, if handles work there: one is made and opened to see.
  static func anchor(of file: File, type: FileType, below directory: File) -> SharedDescriptor? {
    guard type == .directory || type == .regular else { return nil }
    let name = DecimalName()
    do throws(Errno) {
      let anchor = SharedDescriptor(
        try directory.open(name.spell(file), flags: OpenFlags.readOnly | OpenFlags.nonBlock))
      let handle = try file.handle(of: CName(""), flags: AtFlags.emptyPath)
      _ = try anchor.file.open(handle, flags: OpenFlags.path)
      return anchor
    } catch {
      return nil
    }
  }

  /// What INIT settled; empty before it.
  var features: FuseInitFlags {
    get { FuseInitFlags(rawValue: negotiated.load(ordering: .relaxed)) }
    set { negotiated.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// FUSE minor version of the guest.
  var guestMinor: UInt32 {
    get { minor.load(ordering: .relaxed) }
    set { minor.store(newValue, ordering: .relaxed) }
  }

  /// Numbers from here on are not for what a guest may hold as long as it likes: these few descriptors are for a look
  /// at an inode kept by handle, so that a guest that opens all it can does not stop its own lookups, or another's.
  var descriptorCeiling: Int32 { ceiling.load(ordering: .relaxed) }

  /// Settles the ceiling from what the process may open now. Numbers are handed out from the lowest on, so one of that
  /// height says that all others are in use.
  func reserveDescriptors() {
    guard let limit = try? DescriptorLimit.current().soft else { return }
    ceiling.store(Int32(clamping: limit - min(limit / 8, 256)), ordering: .relaxed)
  }

  /// True once the guest has mounted the share.
  var isMounted: Bool { features.contains(.initExt) || features.rawValue != 0 }

  /// Forgets what the guest had: at INIT, DESTROY and reset.
  func forgetGuest() {
    features = []
    handles.reset()
    locks.reset()
    inodes.reset()
  }
}
