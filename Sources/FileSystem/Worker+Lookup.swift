// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From names to inodes. A lookup of a known inode is one statx, and of an unknown one too where inodes can be opened by
// number (contrib/decisions/0027); else, and for one that is but a few seconds old, it is statx and name_to_handle_at,
// and only where there are no handles an open. Two calls on a name may see two files
// if somebody renames in between: the table checks number and type again when it opens a handle, so the worst outcome
// is ESTALE.

internal import FuseProtocol
internal import Linux
internal import Wire

/// An inode that was looked up, with one reference that the guest now holds.
struct FoundInode {
  let id: UInt64
  let status: FileStatus
  /// True if it lies on another mount than its directory.
  let entersMount: Bool
}

extension FileStatus {
  /// When the inode was made, in nanoseconds; 0 where the file system does not say.
  var birthNanoseconds: Int64 {
    guard let birth = birthTime else { return 0 }
    return birth.seconds &* 1_000_000_000 &+ Int64(birth.nanoseconds)
  }
}

extension Worker {
  /// More than the coarsest clock of a local file system (2 s, FAT).
  private static let settlingSeconds: Int64 = 3

  func lookup(_ request: inout Request) throws(Errno) -> Answer {
    let name = try request.takeName()
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    return answer(entry(try look(up: name, in: parent.file, mount: parent.mount)))
  }

  func forget(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseForgetIn.self)
    share.inodes.forget(request.header.nodeid, count: arguments.nlookup)
    return .nothing
  }

  func forgetBatch(_ request: inout Request) throws(Errno) -> Answer {
    let count = try request.take(FuseBatchForgetIn.self).count
    var index: UInt32 = 0
    while index < count, let one = request.arguments.read(FuseForgetOne.self) {
      share.inodes.forget(one.nodeid, count: one.nlookup)
      index += 1
    }
    return .nothing
  }

  /// Looks up a checked name and adds a reference to what it names.
  func look(up name: CName, in directory: File, mount: UInt32) throws(Errno) -> FoundInode {
    let status = try directory.status(of: name, flags: AtFlags.symlinkNoFollow | AtFlags.noAutomount)
    let key = MountTable.Key(status)
    if let place = mountIndex(key) {
      if let id = try known(status, name, in: directory, mount: place) {
        return FoundInode(id: id, status: status, entersMount: place != mount)
      }
    }
    return try add(name, in: directory, parentMount: mount)
  }

  private func mountIndex(_ key: MountTable.Key) -> UInt32? {
    if let last = lastMount, last.key == key { return last.index }
    guard let index = share.mounts.index(of: key) else { return nil }
    lastMount = (key, index)
    return index
  }

  /// The id of an inode that needs no descriptor: known already, or kept by handle.
  private func known(
    _ status: FileStatus, _ name: CName, in directory: File, mount: UInt32
  ) throws(Errno) -> UInt64? {
    let key = InodeKey(inode: status.inode, mount: mount)
    if let id = share.inodes.reference(key, birth: birth(status)) { return id }
    guard share.usesHandles else { return nil }
    let place = share.mounts[mount]
    guard let anchor = place.anchor else { return nil }
    let settled = settledBirth(status)
    if settled != 0, place.opensByNumber == true, let handle = FileHandle(anyGenerationOf: status.inode),
      let id = share.inodes.insert(key, type: status.type, numbered: handle, settledBirth: settled)
    {
      return id
    }
    let handle: FileHandle
    do throws(Errno) {
      handle = try directory.handle(of: name, flags: 0)
    } catch .notSupported {
      return nil
    } catch .overflow {
      return nil
    }
    if settled != 0, place.opensByNumber == nil, let answer = opensByNumber(status, handle, anchor.file) {
      share.mounts.note(mount, opensByNumber: answer)
    }
    return share.inodes.insert(
      key, type: status.type, handle: handle, descriptor: nil, settledBirth: settled)
  }

  /// Tries whether this inode, of which this is the handle, can be opened by its number. Nil if its generation is 0:
  /// then it could be, whatever the file system does with others.
  private func opensByNumber(_ status: FileStatus, _ handle: FileHandle, _ anchor: File) -> Bool? {
    guard let generation = handle.generation, let bare = FileHandle(anyGenerationOf: status.inode) else { return false }
    if generation == 0 { return nil }
    guard let found = try? anchor.open(bare, flags: OpenFlags.path | OpenFlags.noFollow),
      let other = try? found.file.status()
    else { return false }
    return other.inode == status.inode && other.birthNanoseconds == status.birthNanoseconds
  }

  /// When an inode was made, in nanoseconds; 0 where the file system does not say or its clock is another machine's.
  private func birth(_ status: FileStatus) -> Int64 {
    share.isLocal ? status.birthNanoseconds : 0
  }

  /// The same, if it is longer ago than any clock tick: whatever gets the inode's number after this moment is younger
  /// then, so number and birth together are the inode, and no handle has to be compared.
  private func settledBirth(_ status: FileStatus) -> Int64 {
    guard let seconds = status.birthTime?.seconds, WallClock.now.seconds - seconds > Worker.settlingSeconds else {
      return 0
    }
    return birth(status)
  }

  /// Opens a name that cannot be kept by handle alone: a mount met for the first time, or no handles at all.
  private func add(_ name: CName, in directory: File, parentMount: UInt32) throws(Errno) -> FoundInode {
    let descriptor = try openPath(name, in: directory)
    let status = try descriptor.file.status()
    let (id, mount) = try adopt(descriptor, status: status)
    return FoundInode(id: id, status: status, entersMount: mount != parentMount)
  }

  private func openPath(_ name: CName, in directory: File) throws(Errno) -> FileDescriptor {
    try relieving { () throws(Errno) -> FileDescriptor in
      try directory.open(name, flags: OpenFlags.path | OpenFlags.noFollow)
    }
  }

  /// Takes over the O_PATH descriptor of an inode and references it. `keepOpen` holds the descriptor for as long as
  /// the guest knows the inode, also where a handle would do.
  func adopt(
    _ descriptor: consuming FileDescriptor, status: FileStatus, keepOpen: Bool = false
  ) throws(Errno) -> (id: UInt64, mount: UInt32) {
    let mount = enterMount(of: descriptor.file, status: status)
    let key = InodeKey(inode: status.inode, mount: mount)
    if let id = share.inodes.reference(key, birth: birth(status)) { return (id, mount) }
    var handle: FileHandle?
    if share.usesHandles, share.mounts[mount].anchor != nil, !keepOpen {
      handle = try? descriptor.file.handle(of: CName(""), flags: AtFlags.emptyPath)
    }
    if handle == nil, share.options.inodeFileHandles == .mandatory, !keepOpen { throw .notSupported }
    if handle == nil, descriptor.file.raw >= share.descriptorCeiling { throw .tooManyFilesInSystem }
    let id = share.inodes.insert(
      key, type: status.type, handle: handle, descriptor: descriptor, settledBirth: settledBirth(status))
    return (id, mount)
  }

  /// The id of a file that was just made and is open, without a descriptor of its own: its handle finds it again. Nil
  /// where there are no handles.
  func adopt(created file: File, status: FileStatus) -> (id: UInt64, mount: UInt32)? {
    guard share.usesHandles, let mount = mountIndex(MountTable.Key(status)), share.mounts[mount].anchor != nil,
      let handle = try? file.handle(of: CName(""), flags: AtFlags.emptyPath)
    else { return nil }
    let key = InodeKey(inode: status.inode, mount: mount)
    let id = share.inodes.insert(key, type: status.type, handle: handle, descriptor: nil, settledBirth: 0)
    return (id, mount)
  }

  /// Index of the mount that a file is on; one that is new gets an anchor if its files have handles.
  private func enterMount(of file: File, status: FileStatus) -> UInt32 {
    let key = MountTable.Key(status)
    if let index = mountIndex(key) { return index }
    let anchor =
      share.usesHandles
      ? Share.anchor(of: file, type: status.type, below: share.descriptorDirectory.file) : nil
    let index = share.mounts.add(key, anchor: anchor)
    lastMount = (key, index)
    return index
  }

  /// The reply of everything that names an inode.
  func entry(_ found: FoundInode) -> FuseEntryOut {
    let seconds = share.options.cache.timeoutSeconds
    return FuseEntryOut(
      nodeid: found.id, entryValid: seconds, attrValid: seconds,
      attr: attributes(found.status, entersMount: found.entersMount))
  }
}
