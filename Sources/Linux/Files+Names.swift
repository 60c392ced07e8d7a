// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Making, moving and removing names. `self` is the directory.

internal import CLinux
public import Wire

extension File {
  public func makeDirectory(_ name: CName, mode: UInt32) throws(Errno) {
    try checked(unsafe clinux_mkdirat(raw, name.base, mode))
  }

  /// mknodat(2); `mode` has the type bits, `device` is encoded as new_encode_dev.
  public func makeNode(_ name: CName, mode: UInt32, device: UInt32) throws(Errno) {
    let number = FileStatus.decode(device)
    try checked(unsafe clinux_mknodat(raw, name.base, mode, number.major, number.minor))
  }

  public func makeSymlink(_ name: CName, target: CName) throws(Errno) {
    try checked(unsafe clinux_symlinkat(target.base, raw, name.base))
  }

  /// linkat(2) from `source` below `directory` to `name` below this directory.
  public func makeLink(_ name: CName, to source: CName, in directory: File, flags: Int32) throws(Errno) {
    try checked(unsafe clinux_linkat(directory.raw, source.base, raw, name.base, flags))
  }

  /// unlinkat(2).
  public func remove(_ name: CName, flags: Int32 = 0) throws(Errno) {
    try checked(unsafe clinux_unlinkat(raw, name.base, flags))
  }

  /// renameat2(2).
  public func rename(_ name: CName, to directory: File, _ newName: CName, flags: UInt32) throws(Errno) {
    try checked(unsafe clinux_renameat2(raw, name.base, directory.raw, newName.base, flags))
  }
}
