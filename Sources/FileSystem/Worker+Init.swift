// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  /// The most bytes of one READ or WRITE; the guest cuts it further to what its ring holds.
  private static let largestTransfer: UInt32 = 1 << 20
  private static let pageByteCount: UInt32 = 4096
  /// Requests in the background (read-ahead, write-back) before the guest holds back; as virtiofsd.
  private static let backgroundRequests: UInt16 = 65535

  private static let wholeACL: FuseInitFlags = [.posixACL, .dontMask, .setxattrExt]

  /// INIT: settles version and features. A new INIT is a new mount: whatever the last one had is gone.
  func initialize(_ request: inout Request) throws(Errno) -> Answer {
    let available = request.arguments.remaining
    var offer = FuseInitIn()
    if available >= FuseInitIn.byteCount {
      offer = try request.take(FuseInitIn.self)
    } else {
      let compat = try request.take(FuseInitInCompat.self)
      offer.major = compat.major
      offer.minor = compat.minor
      offer.maxReadahead = compat.maxReadahead
      offer.flags = compat.flags
    }
    if offer.major < 7 || (offer.major == 7 && offer.minor < 27) { throw .protocolError }
    var reply = FuseInitOut()
    reply.major = Fuse.majorVersion
    reply.minor = Fuse.minorVersion
    if offer.major > 7 {
      // The guest asks again with our version (linux/fuse.h, "protocol versioning").
      return answer(reply)
    }
    let offered = offer.features
    var accepted = offered.intersection(wantedFeatures())
    try checkMandatory(accepted)
    // ACLs need all three: one without the umask in our hands would lose the default ACL.
    if !accepted.isSuperset(of: Worker.wholeACL) { accepted.subtract([.posixACL, .dontMask]) }
    share.forgetGuest()
    share.guestMinor = offer.minor
    share.reserveDescriptors()
    share.features = accepted.union(.initExt)
    reply.features = accepted
    reply.maxReadahead = offer.maxReadahead
    reply.maxBackground = Worker.backgroundRequests
    reply.congestionThreshold = Worker.backgroundRequests / 4 * 3
    reply.maxWrite = Worker.largestTransfer
    reply.timeGran = 1
    reply.maxPages = UInt16(Worker.largestTransfer / Worker.pageByteCount)
    return answer(reply)
  }

  private func wantedFeatures() -> FuseInitFlags {
    let options = share.options
    var wanted: FuseInitFlags = [
      .asyncRead, .parallelDirops, .bigWrites, .autoInvalData, .asyncDIO, .hasIoctlDir, .atomicOTrunc, .maxPages,
      .initExt, .createSuppGroup, .allowIdmap, .setxattrExt,
    ]
    if options.announceSubmounts { wanted.insert(.submounts) }
    if options.readdirplus, options.cache != .never { wanted.formUnion([.doReaddirplus, .readdirplusAuto]) }
    if options.cache == .always || options.cache == .metadata { wanted.insert(.cacheSymlinks) }
    if options.writeback { wanted.insert(.writebackCache) }
    if options.killPrivV2 ?? (options.xattr && share.isLocal) { wanted.insert(.handleKillprivV2) }
    if options.posixACL != .never { wanted.formUnion([.posixACL, .dontMask]) }
    if options.securityLabel != .never { wanted.insert(.securityCtx) }
    if options.allowMmap { wanted.insert(.directIOAllowMmap) }
    if options.posixLocks { wanted.insert(.posixLocks) }
    if options.flock { wanted.insert(.flockLocks) }
    return wanted
  }

  /// A guest that lacks what the share's options demand must not mount it with less protection than was asked for.
  private func checkMandatory(_ accepted: FuseInitFlags) throws(Errno) {
    if share.options.posixACL == .always, !accepted.isSuperset(of: Worker.wholeACL) { throw .protocolError }
    if share.options.securityLabel == .always, !accepted.contains(.securityCtx) { throw .protocolError }
  }
}
