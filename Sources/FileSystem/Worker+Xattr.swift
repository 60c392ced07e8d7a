// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Extended attributes and ACLs. All go by the magic link of the inode's descriptor, which works for every kind of
// file in one call.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  private static let accessACL: StaticString = "system.posix_acl_access"
  private static let defaultACL: StaticString = "system.posix_acl_default"

  /// The host's name of a guest's attribute; throws what the guest is to see if it may not have it.
  private func hostName(_ name: CName) throws(Errno) -> CName {
    // The guest's kernel asks once, remembers ENOSYS and stops asking.
    guard share.options.xattr else { throw .notImplemented }
    let isACL = name.equals(Worker.accessACL) || name.equals(Worker.defaultACL)
    if isACL, !share.features.contains(.posixACL) { throw .notSupported }
    guard let map = share.options.xattrMap else { return name }
    switch map.toHost(name, scratch: xattrScratch) {
    case .name(let mapped): return mapped
    case .refused(let error): throw error
    }
  }

  func getXattr(_ request: inout Request) throws(Errno) -> Answer {
    let size = Int(try request.take(FuseGetxattrIn.self).size)
    let guestName = try request.takeAttributeName()
    let name: CName
    do throws(Errno) {
      name = try hostName(guestName)
    } catch .notPermitted {
      // A name that the map forbids does not exist for the guest.
      throw .noData
    }
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    let path = decimal.spell(node.file)
    if size == 0 {
      return answer(FuseGetxattrOut(size: UInt32(try PathAttributes.get(path, name, into: .empty))))
    }
    return .payload(try PathAttributes.get(path, name, into: payload.target.prefix(size)))
  }

  func listXattr(_ request: inout Request) throws(Errno) -> Answer {
    guard share.options.xattr else { throw .notImplemented }
    let size = Int(try request.take(FuseGetxattrIn.self).size)
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    // The list is always read here: names are hidden and shortened on the way.
    let list = memory.directoryRecords
    let count = try PathAttributes.list(decimal.spell(node.file), into: list)
    var reader = ByteReader(list.prefix(count))
    var writer = payload
    while let name = reader.readName() {
      guard let visible = guestName(name) else { continue }
      writer.append(visible)
      writer.appendZeroes(1)
    }
    if size == 0 { return answer(FuseGetxattrOut(size: UInt32(writer.count))) }
    if writer.count > size { throw .outOfRange }
    return .payload(writer.count)
  }

  private func guestName(_ name: CName) -> CName? {
    let isACL = name.equals(Worker.accessACL) || name.equals(Worker.defaultACL)
    if isACL, !share.features.contains(.posixACL) { return nil }
    guard let map = share.options.xattrMap else { return name }
    switch map.toGuest(name) {
    case .visible(let visible): return visible
    case .hidden: return nil
    }
  }

  func setXattr(_ request: inout Request) throws(Errno) -> Answer {
    var arguments = FuseSetxattrIn()
    if share.features.contains(.setxattrExt) {
      arguments = try request.take(FuseSetxattrIn.self)
    } else {
      let compat = try request.take(FuseSetxattrInCompat.self)
      arguments.size = compat.size
      arguments.flags = compat.flags
    }
    let guestName = try request.takeAttributeName()
    let name = try hostName(guestName)
    guard let value = request.arguments.readBytes(Int(arguments.size)) else { throw .invalid }
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    let path = decimal.spell(node.file)
    try PathAttributes.set(path, name, value: value, flags: Int32(bitPattern: arguments.flags))
    if arguments.setxattrFlags.contains(.aclKillSGID) {
      // The caller is not of the file's group; this thread may be, so the host's kernel does not see to it.
      let mode = try node.file.status().mode
      if mode & 0o2000 != 0 { try File.currentDirectory.setMode(of: path, mode & 0o5777) }
    }
    return .payload(0)
  }

  func removeXattr(_ request: inout Request) throws(Errno) -> Answer {
    let guestName = try request.takeAttributeName()
    let name = try hostName(guestName)
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    try PathAttributes.remove(decimal.spell(node.file), name)
    return .payload(0)
  }
}
