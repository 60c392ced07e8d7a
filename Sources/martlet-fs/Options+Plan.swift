// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From options to shares and the daemon's plan.

internal import Daemon
internal import FileSystem
internal import Linux

extension Options {
  /// Everything that the command line says, checked; nothing of the host was looked at yet.
  func wholePlan() throws(HumanError) -> (daemon: DaemonPlan, shares: [SharePlan]) {
    var common = common
    if debug { common.logLevel = .debug }
    var template = SharePlan(
      source: what.sharedDirectory ?? "", listener: common.listener(named: what.tag ?? ""), options: try shareOptions())
    var modcaps = identity.modcaps
    for list in compatible {
      try apply(compatible: list, to: &template, &common, &modcaps)
    }
    var shares = try what.shares.isEmpty ? [single(template)] : several(template)
    for index in shares.indices { try shares[index].finish() }

    var daemon = DaemonPlan(
      program: Options.program, services: shares.map { $0.service }, common: common,
      onDisconnect: what.shares.isEmpty ? .exit : .relisten)
    daemon.userMap = try identity.uidMap.map { text throws(HumanError) in try range(text, "--uid-map") }
    daemon.groupMap = try identity.gidMap.map { text throws(HumanError) in try range(text, "--gid-map") }
    daemon.systemCalls = FileSystemCalls.all
    daemon.capabilities = try capabilities(shares, modcaps)
    daemon.warnings += try warnings()
    return (daemon, shares)
  }

  private func shareOptions() throws(HumanError) -> ShareOptions {
    var options = ShareOptions(name: what.tag ?? what.sharedDirectory ?? "")
    options.tag = what.tag
    if let count = share.requestQueues {
      guard (1...QueueCount.most).contains(count) else {
        throw .usage("--num-request-queues needs a number from 1 to \(QueueCount.most), not \(count)")
      }
      options.requestQueues = count
    } else {
      options.requestQueues = share.threadPoolSize.clamped
    }
    options.cache = share.cache
    options.readOnly = share.readonly
    options.xattr = share.xattr
    options.posixACL = share.posixACL
    options.securityLabel = share.securityLabel
    options.inodeFileHandles = share.inodeFileHandles
    options.announceSubmounts = share.announceSubmounts
    options.readdirplus = share.readdirplus
    options.writeback = share.writeback
    options.allowDirectIO = share.allowDirectIO
    options.allowMmap = share.allowMmap
    options.packedRing = share.packedRing
    options.killPrivV2 = share.killPrivV2
    options.preserveNoatime = share.preserveNoatime
    options.posixLocks = share.posixLock
    options.flock = share.flock
    options.xattrMap = try share.xattrmap.map { text throws(HumanError) in try XattrMap(option: text) }
    do throws(OptionError) {
      options.userMap = try IdentifierMap(parsing: identity.translateUID, kind: "uid")
      options.groupMap = try IdentifierMap(parsing: identity.translateGID, kind: "gid")
    } catch {
      throw .usage(error.message)
    }
    return options
  }

  /// virtiofsd's way: one directory, one socket.
  private func single(_ template: SharePlan) throws(HumanError) -> SharePlan {
    guard !template.source.isEmpty else {
      throw .usage("nothing to share; give --shared-dir a directory, or --share")
    }
    try template.listener.check()
    var share = template
    if share.options.name.isEmpty { share.options.name = share.source }
    return share
  }

  /// Ours: a list of shares, each with what it says beside the common options.
  private func several(_ template: SharePlan) throws(HumanError) -> [SharePlan] {
    guard template.source.isEmpty, what.tag == nil, common.fd == nil,
      common.socketPath ?? common.deprecatedSocket == nil
    else {
      throw .usage("--share has its own source, tag and socket; leave out --shared-dir, --tag, --socket-path and --fd")
    }
    var result: [SharePlan] = []
    for list in what.shares {
      let share = try parse(list, template)
      for other in result {
        if other.options.tag == share.options.tag {
          throw .usage("two shares have the tag '\(share.options.name)'; give each its own")
        }
        if other.listener == share.listener, case .path(let path) = share.listener {
          throw .usage("two shares have the socket '\(path)'; give each its own")
        }
      }
      result.append(share)
    }
    return result
  }

  private func parse(_ list: String, _ template: SharePlan) throws(HumanError) -> SharePlan {
    var share = template
    var listener: ListenerSource?
    for item in OptionList.items(list) {
      switch (item.key, item.value) {
      case ("tag", let tag?):
        share.options.tag = tag
        share.options.name = tag
      case ("source", let source?): share.source = source
      case ("socket", let path?): listener = .path(path)
      case ("fd", let number?):
        listener = try .descriptor(written: number, in: "--share")
      default:
        if try !share.set(item.key, item.value, in: "--share") {
          throw .usage(
            "--share does not know '\(item.text)'; it takes tag=, source=, socket= and the options of a share")
        }
      }
    }
    guard share.options.tag != nil else { throw .usage("--share '\(list)' has no tag; add tag=NAME") }
    guard !share.source.isEmpty else { throw .usage("--share '\(list)' has no directory; add source=DIRECTORY") }
    guard listener != nil || ListenerSource.arePassed else {
      throw .usage("--share '\(list)' has no socket; add socket=PATH")
    }
    share.listener = listener ?? .passed(name: share.options.name)
    return share
  }
}
