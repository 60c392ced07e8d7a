// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One share while its options are collected. `--share` and the old `-o` list both name options without dashes, so
// both end here.

internal import Daemon
internal import FileSystem
internal import Linux

struct SharePlan {
  var source: String
  var listener: ListenerSource
  var options: ShareOptions

  /// Sets an option of a share by its name ("cache", "no-readdirplus"); false if there is none of this name.
  mutating func set(_ name: String, _ value: String?, in list: String) throws(HumanError) -> Bool {
    switch name {
    case "cache":
      // The C virtiofsd said "none".
      options.cache = try choose(value == "none" ? "never" : value, name, list)
    case "inode-file-handles":
      options.inodeFileHandles = try choose(value == "fallback" ? "prefer" : value, name, list)
    case "posix-acl": options.posixACL = try choose(value ?? "always", name, list)
    case "security-label": options.securityLabel = try choose(value ?? "always", name, list)
    case "no-posix-acl": options.posixACL = .never
    case "no-security-label": options.securityLabel = .never
    case "xattrmap": options.xattrMap = try XattrMap(option: value ?? "")
    case "num-request-queues", "thread-pool-size":
      guard let count = value.flatMap({ QueueCount(argument: $0) }) else {
        throw .usage("\(name) in \(list) needs a number or nproc, not '\(value ?? "")'")
      }
      options.requestQueues = count.clamped
    default:
      guard value == nil else { return false }
      return name.hasPrefix("no-") ? set(flag: String(name.dropFirst(3)), false) : set(flag: name, true)
    }
    return true
  }

  private mutating func set(flag name: String, _ on: Bool) -> Bool {
    switch name {
    case "readonly": options.readOnly = on
    case "xattr": options.xattr = on
    case "announce-submounts": options.announceSubmounts = on
    case "readdirplus": options.readdirplus = on
    case "writeback": options.writeback = on
    case "allow-direct-io": options.allowDirectIO = on
    case "allow-mmap": options.allowMmap = on
    case "packed-ring": options.packedRing = on
    case "killpriv-v2": options.killPrivV2 = on
    case "preserve-noatime": options.preserveNoatime = on
    case "posix-lock": options.posixLocks = on
    case "flock": options.flock = on
    default: return false
    }
    return true
  }

  private func choose<Value: RawRepresentable<String> & CaseIterable>(
    _ text: String?, _ name: String, _ list: String
  ) throws(HumanError) -> Value {
    if let text, let value = Value(rawValue: text.lowercased()) { return value }
    let choices = Value.allCases.map { $0.rawValue }.joined(separator: ", ")
    throw .usage("\(name) in \(list) cannot be '\(text ?? "")'; give one of \(choices)")
  }

  /// What follows from the options seen together.
  mutating func finish() throws(HumanError) {
    if options.posixACL != .never || options.securityLabel != .never || options.xattrMap != nil { options.xattr = true }
    if options.posixACL != .never, !(options.userMap.isIdentity && options.groupMap.isIdentity) {
      throw .usage("--posix-acl cannot be used with --translate-uid or --translate-gid; leave one of them out")
    }
    if let tag = options.tag, !(1...36).contains(tag.utf8.count) {
      throw .usage("the tag '\(tag)' has \(tag.utf8.count) bytes; give one of 1 to 36 bytes")
    }
    if source.isEmpty { throw .usage("the shared directory is empty; give --shared-dir a path") }
  }

  /// The service that room Daemon runs.
  var service: Service {
    let options = options
    return Service(name: options.name, listener: listener, source: source) { surroundings throws(HumanError) in
      var options = options
      // A half for files that the guest has open, a half to keep what it knows at hand.
      options.descriptorCacheLimit = Int(min(surroundings.descriptorBudget / 2, 1 << 20))
      options.measuresLatency = surroundings.measuresLatency
      guard let root = surroundings.root else { throw .failure("share \(options.name) has no directory") }
      do {
        let device = try FileSystemDevice(
          options, root: try root.file.duplicate(), descriptorDirectory: surroundings.descriptorDirectory)
        return ServedDevice(device) {
          device.operationReadings.map {
            OperationReading(
              name: $0.operation, queue: $0.queue, count: $0.count, errors: $0.failures, latency: $0.latency)
          }
        }
      } catch let error as ShareError {
        throw .failure(error.message)
      } catch {
        throw .failure("cannot open share \(options.name) (\(error)); raise --rlimit-nofile")
      }
    }
  }

  /// For --dry-run.
  var description: String {
    let flags = [
      ("readonly", options.readOnly), ("xattr", options.xattr), ("xattrmap", options.xattrMap != nil),
      ("announce-submounts", options.announceSubmounts), ("readdirplus", options.readdirplus),
      ("writeback", options.writeback), ("allow-direct-io", options.allowDirectIO), ("allow-mmap", options.allowMmap),
      ("packed-ring", options.packedRing),
      ("preserve-noatime", options.preserveNoatime), ("posix-lock", options.posixLocks), ("flock", options.flock),
      ("translate-uid", !options.userMap.isIdentity), ("translate-gid", !options.groupMap.isIdentity),
    ].filter { $0.1 }.map { $0.0 }
    let killPriv = options.killPrivV2.map { $0 ? "on" : "off" } ?? "automatic"
    return "share: \(options.name), tag \(options.tag ?? "none"), queues \(options.requestQueues), "
      + "cache \(options.cache.rawValue), posix-acl \(options.posixACL.rawValue), "
      + "security-label \(options.securityLabel.rawValue), "
      + "inode-file-handles \(options.inodeFileHandles.rawValue), killpriv-v2 \(killPriv), "
      + "\(flags.joined(separator: ", "))\n"
  }
}

extension XattrMap {
  init(option text: String) throws(HumanError) {
    do throws(OptionError) {
      try self.init(parsing: text)
    } catch {
      throw .usage(error.message)
    }
  }
}
