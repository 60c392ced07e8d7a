// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a person can choose about a share, as values. The daemon's option parser fills these; nothing here parses.

/// How long and what the guest may cache (virtiofsd's `--cache`).
public enum CachePolicy: String, Sendable, CaseIterable {
  /// Nothing: every operation asks the host, files are opened with direct I/O.
  case never
  /// Metadata for a day, file contents never.
  case metadata
  /// Metadata for a second, contents while the file does not change.
  case auto
  /// Everything for a day: only for trees that nobody else changes.
  case always

  /// Time-out of attributes and names in seconds.
  var timeoutSeconds: UInt64 {
    switch self {
    case .never: 0
    case .auto: 1
    case .metadata, .always: 86400
    }
  }
}

/// How inodes that the guest knows are kept (virtiofsd's `--inode-file-handles`).
public enum InodeFileHandles: String, Sendable, CaseIterable {
  /// An open descriptor each.
  case never
  /// A file handle where the file system has them, with a bounded cache of descriptors; a descriptor elsewhere.
  case prefer
  /// File handles only; what has none cannot be looked up.
  case mandatory
}

/// A feature that the guest must, may or must not have (`--posix-acl`, `--security-label`).
public enum Negotiation: String, Sendable, CaseIterable {
  case never
  case auto
  case always
}

/// One share.
public struct ShareOptions: Sendable {
  /// Name for logs; the tag if there is one, else the directory.
  public var name: String
  /// Tag in the configuration space, 1 to 36 bytes; nil leaves the tag to the frontend.
  public var tag: String?
  /// Request queues, at least 1; the device has one more, for forgets.
  public var requestQueues = 1
  public var cache = CachePolicy.auto
  public var readOnly = false
  public var xattr = false
  public var posixACL = Negotiation.never
  public var securityLabel = Negotiation.never
  public var inodeFileHandles = InodeFileHandles.prefer
  public var announceSubmounts = true
  public var allowDirectIO = false
  public var allowMmap = false
  /// Offers RING_PACKED. Not by default: some frontends pass every feature on to the guest and know split rings only.
  public var packedRing = false
  public var writeback = false
  public var readdirplus = true
  /// Nil decides by itself: on if xattrs are on and the share is on a local file system.
  public var killPrivV2: Bool?
  public var preserveNoatime = false
  /// Remote locks (the guest's locks are seen by the host and by other guests).
  public var posixLocks = false
  public var flock = false
  public var xattrMap: XattrMap?
  public var userMap = IdentifierMap()
  public var groupMap = IdentifierMap()
  /// Descriptors that inodes may keep open as a cache; the daemon derives it from RLIMIT_NOFILE.
  public var descriptorCacheLimit = 4096
  /// Whether each operation's time is taken: one look at the clock for each.
  public var measuresLatency = true

  public init(name: String) {
    self.name = name
  }
}
