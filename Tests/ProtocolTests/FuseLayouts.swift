// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Every struct of room FuseProtocol with the C names of its fields. FuseHeaderTests holds it against the kernel's
// header.

import FuseProtocol
import Wire

enum FuseLayouts {
  static let all: [Layout] = [
    layout(
      FuseInHeader.self, "fuse_in_header",
      [
        "len": \.len, "opcode": \.opcode, "unique": \.unique, "nodeid": \.nodeid, "uid": \.uid, "gid": \.gid,
        "pid": \.pid, "total_extlen": \.totalExtLen, "padding": \.padding,
      ]),
    layout(FuseOutHeader.self, "fuse_out_header", ["len": \.len, "error": \.error, "unique": \.unique]),
    layout(FuseInterruptIn.self, "fuse_interrupt_in", ["unique": \.unique]),
    layout(
      FuseInitIn.self, "fuse_init_in",
      [
        "major": \.major, "minor": \.minor, "max_readahead": \.maxReadahead, "flags": \.flags, "flags2": \.flags2,
        "unused": \.unused,
      ]),
    layout(
      FuseInitOut.self, "fuse_init_out",
      [
        "major": \.major, "minor": \.minor, "max_readahead": \.maxReadahead, "flags": \.flags,
        "max_background": \.maxBackground, "congestion_threshold": \.congestionThreshold, "max_write": \.maxWrite,
        "time_gran": \.timeGran, "max_pages": \.maxPages, "map_alignment": \.mapAlignment, "flags2": \.flags2,
        "max_stack_depth": \.maxStackDepth, "request_timeout": \.requestTimeout, "unused": \.unused,
      ]),
    layout(
      FuseAttr.self, "fuse_attr",
      [
        "ino": \.ino, "size": \.size, "blocks": \.blocks, "atime": \.atime, "mtime": \.mtime, "ctime": \.ctime,
        "atimensec": \.atimensec, "mtimensec": \.mtimensec, "ctimensec": \.ctimensec, "mode": \.mode,
        "nlink": \.nlink, "uid": \.uid, "gid": \.gid, "rdev": \.rdev, "blksize": \.blksize, "flags": \.flags,
      ]),
    layout(FuseGetattrIn.self, "fuse_getattr_in", ["getattr_flags": \.getattrFlags, "dummy": \.dummy, "fh": \.fh]),
    layout(
      FuseAttrOut.self, "fuse_attr_out",
      [
        "attr_valid": \.attrValid, "attr_valid_nsec": \.attrValidNsec, "dummy": \.dummy, "attr": \.attr,
      ]),
    layout(
      FuseSetattrIn.self, "fuse_setattr_in",
      [
        "valid": \.valid, "padding": \.padding, "fh": \.fh, "size": \.size, "lock_owner": \.lockOwner,
        "atime": \.atime, "mtime": \.mtime, "ctime": \.ctime, "atimensec": \.atimensec, "mtimensec": \.mtimensec,
        "ctimensec": \.ctimensec, "mode": \.mode, "unused4": \.unused4, "uid": \.uid, "gid": \.gid,
        "unused5": \.unused5,
      ]),
    layout(
      FuseStatxIn.self, "fuse_statx_in",
      [
        "getattr_flags": \.getattrFlags, "reserved": \.reserved, "fh": \.fh, "sx_flags": \.sxFlags,
        "sx_mask": \.sxMask,
      ]),
    layout(FuseSxTime.self, "fuse_sx_time", ["tv_sec": \.tvSec, "tv_nsec": \.tvNsec, "__reserved": \.reserved]),
    layout(
      FuseStatx.self, "fuse_statx",
      [
        "mask": \.mask, "blksize": \.blksize, "attributes": \.attributes, "nlink": \.nlink, "uid": \.uid,
        "gid": \.gid, "mode": \.mode, "__spare0": \.spare0, "ino": \.ino, "size": \.size, "blocks": \.blocks,
        "attributes_mask": \.attributesMask, "atime": \.atime, "btime": \.btime, "ctime": \.ctime, "mtime": \.mtime,
        "rdev_major": \.rdevMajor, "rdev_minor": \.rdevMinor, "dev_major": \.devMajor, "dev_minor": \.devMinor,
        "__spare2": \.spare2,
      ]),
    layout(
      FuseStatxOut.self, "fuse_statx_out",
      [
        "attr_valid": \.attrValid, "attr_valid_nsec": \.attrValidNsec, "flags": \.flags, "spare": \.spare,
        "stat": \.stat,
      ]),
    layout(
      FuseEntryOut.self, "fuse_entry_out",
      [
        "nodeid": \.nodeid, "generation": \.generation, "entry_valid": \.entryValid, "attr_valid": \.attrValid,
        "entry_valid_nsec": \.entryValidNsec, "attr_valid_nsec": \.attrValidNsec, "attr": \.attr,
      ]),
    layout(FuseForgetIn.self, "fuse_forget_in", ["nlookup": \.nlookup]),
    layout(FuseForgetOne.self, "fuse_forget_one", ["nodeid": \.nodeid, "nlookup": \.nlookup]),
    layout(FuseBatchForgetIn.self, "fuse_batch_forget_in", ["count": \.count, "dummy": \.dummy]),
    layout(
      FuseMknodIn.self, "fuse_mknod_in",
      [
        "mode": \.mode, "rdev": \.rdev, "umask": \.umask, "padding": \.padding,
      ]),
    layout(FuseMkdirIn.self, "fuse_mkdir_in", ["mode": \.mode, "umask": \.umask]),
    layout(FuseRenameIn.self, "fuse_rename_in", ["newdir": \.newdir]),
    layout(FuseRename2In.self, "fuse_rename2_in", ["newdir": \.newdir, "flags": \.flags, "padding": \.padding]),
    layout(FuseLinkIn.self, "fuse_link_in", ["oldnodeid": \.oldnodeid]),
    layout(FuseOpenIn.self, "fuse_open_in", ["flags": \.flags, "open_flags": \.openFlags]),
    layout(
      FuseCreateIn.self, "fuse_create_in",
      [
        "flags": \.flags, "mode": \.mode, "umask": \.umask, "open_flags": \.openFlags,
      ]),
    layout(FuseOpenOut.self, "fuse_open_out", ["fh": \.fh, "open_flags": \.openFlags, "backing_id": \.backingId]),
    layout(
      FuseReleaseIn.self, "fuse_release_in",
      [
        "fh": \.fh, "flags": \.flags, "release_flags": \.releaseFlags, "lock_owner": \.lockOwner,
      ]),
    layout(
      FuseFlushIn.self, "fuse_flush_in",
      [
        "fh": \.fh, "unused": \.unused, "padding": \.padding, "lock_owner": \.lockOwner,
      ]),
    layout(
      FuseReadIn.self, "fuse_read_in",
      [
        "fh": \.fh, "offset": \.offset, "size": \.size, "read_flags": \.readFlags, "lock_owner": \.lockOwner,
        "flags": \.flags, "padding": \.padding,
      ]),
    layout(
      FuseWriteIn.self, "fuse_write_in",
      [
        "fh": \.fh, "offset": \.offset, "size": \.size, "write_flags": \.writeFlags, "lock_owner": \.lockOwner,
        "flags": \.flags, "padding": \.padding,
      ]),
    layout(FuseWriteOut.self, "fuse_write_out", ["size": \.size, "padding": \.padding]),
    layout(FuseFsyncIn.self, "fuse_fsync_in", ["fh": \.fh, "fsync_flags": \.fsyncFlags, "padding": \.padding]),
    layout(
      FuseFallocateIn.self, "fuse_fallocate_in",
      [
        "fh": \.fh, "offset": \.offset, "length": \.length, "mode": \.mode, "padding": \.padding,
      ]),
    layout(
      FuseLseekIn.self, "fuse_lseek_in",
      [
        "fh": \.fh, "offset": \.offset, "whence": \.whence, "padding": \.padding,
      ]),
    layout(FuseLseekOut.self, "fuse_lseek_out", ["offset": \.offset]),
    layout(
      FuseCopyFileRangeIn.self, "fuse_copy_file_range_in",
      [
        "fh_in": \.fhIn, "off_in": \.offIn, "nodeid_out": \.nodeidOut, "fh_out": \.fhOut, "off_out": \.offOut,
        "len": \.len, "flags": \.flags,
      ]),
    layout(FuseCopyFileRangeOut.self, "fuse_copy_file_range_out", ["bytes_copied": \.bytesCopied]),
    layout(FuseDirent.self, "fuse_dirent", ["ino": \.ino, "off": \.off, "namelen": \.namelen, "type": \.type]),
    layout(FuseDirentplus.self, "fuse_direntplus", ["entry_out": \.entryOut, "dirent": \.dirent]),
    layout(
      FuseKstatfs.self, "fuse_kstatfs",
      [
        "blocks": \.blocks, "bfree": \.bfree, "bavail": \.bavail, "files": \.files, "ffree": \.ffree,
        "bsize": \.bsize, "namelen": \.namelen, "frsize": \.frsize, "padding": \.padding, "spare": \.spare,
      ]),
    layout(FuseStatfsOut.self, "fuse_statfs_out", ["st": \.st]),
    layout(FuseSyncfsIn.self, "fuse_syncfs_in", ["padding": \.padding]),
    layout(FuseAccessIn.self, "fuse_access_in", ["mask": \.mask, "padding": \.padding]),
    layout(
      FuseSetxattrIn.self, "fuse_setxattr_in",
      [
        "size": \.size, "flags": \.flags, "setxattr_flags": \.setxattrFlags, "padding": \.padding,
      ]),
    layout(FuseGetxattrIn.self, "fuse_getxattr_in", ["size": \.size, "padding": \.padding]),
    layout(FuseGetxattrOut.self, "fuse_getxattr_out", ["size": \.size, "padding": \.padding]),
    layout(FuseFileLock.self, "fuse_file_lock", ["start": \.start, "end": \.end, "type": \.type, "pid": \.pid]),
    layout(
      FuseLkIn.self, "fuse_lk_in",
      [
        "fh": \.fh, "owner": \.owner, "lk": \.lk, "lk_flags": \.lkFlags, "padding": \.padding,
      ]),
    layout(FuseLkOut.self, "fuse_lk_out", ["lk": \.lk]),
    layout(
      FuseIoctlIn.self, "fuse_ioctl_in",
      [
        "fh": \.fh, "flags": \.flags, "cmd": \.cmd, "arg": \.arg, "in_size": \.inSize, "out_size": \.outSize,
      ]),
    layout(FuseIoctlIovec.self, "fuse_ioctl_iovec", ["base": \.base, "len": \.len]),
    layout(
      FuseIoctlOut.self, "fuse_ioctl_out",
      [
        "result": \.result, "flags": \.flags, "in_iovs": \.inIovs, "out_iovs": \.outIovs,
      ]),
    layout(FusePollIn.self, "fuse_poll_in", ["fh": \.fh, "kh": \.kh, "flags": \.flags, "events": \.events]),
    layout(FusePollOut.self, "fuse_poll_out", ["revents": \.revents, "padding": \.padding]),
    layout(FuseBmapIn.self, "fuse_bmap_in", ["block": \.block, "blocksize": \.blocksize, "padding": \.padding]),
    layout(FuseBmapOut.self, "fuse_bmap_out", ["block": \.block]),
    layout(FuseExtHeader.self, "fuse_ext_header", ["size": \.size, "type": \.type]),
    layout(FuseSecctxHeader.self, "fuse_secctx_header", ["size": \.size, "nr_secctx": \.nrSecctx]),
    layout(FuseSecctx.self, "fuse_secctx", ["size": \.size, "padding": \.padding]),
    layout(FuseSuppGroups.self, "fuse_supp_groups", ["nr_groups": \.nrGroups]),
    layout(
      FuseSetupmappingIn.self, "fuse_setupmapping_in",
      [
        "fh": \.fh, "foffset": \.foffset, "len": \.len, "flags": \.flags, "moffset": \.moffset,
      ]),
    layout(FuseRemovemappingIn.self, "fuse_removemapping_in", ["count": \.count]),
    layout(FuseRemovemappingOne.self, "fuse_removemapping_one", ["moffset": \.moffset, "len": \.len]),
    layout(FileSystemConfig.self, "virtio_fs_config", ["tag": \.tag, "num_request_queues": \.numRequestQueues]),
  ]

  /// The minor version (of fuse.h) with which a struct or field came, for those that Debian 12's header lacks.
  static let introduced: [String: UInt64] = [
    "fuse_sx_time": 39,
    "fuse_statx": 39,
    "fuse_statx_in": 39,
    "fuse_statx_out": 39,
    "fuse_copy_file_range_out": 45,
    "fuse_supp_groups": 39,
    "fuse_init_out.max_stack_depth": 40,
    "fuse_init_out.request_timeout": 43,
    "fuse_init_out.unused": 43,
    "fuse_open_out.backing_id": 40,
  ]
}
