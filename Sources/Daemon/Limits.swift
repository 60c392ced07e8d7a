// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Linux
internal import VhostUser

/// RLIMIT_NOFILE: a guest that knows many files makes the daemon hold many descriptors.
enum DescriptorBudget {
  private static let wantedByDefault: UInt64 = 1_000_000
  /// Rings, logs, memory regions while they are mapped, the daemon's own.
  private static let least: UInt64 = 256

  /// Sets the limit as asked for and returns what holds then. `wanted` 0 leaves it alone; nil takes a good default and
  /// makes do with what the system gives.
  static func apply(_ wanted: UInt64?, log: DaemonLog) throws(HumanError) -> UInt64 {
    guard let current = try? DescriptorLimit.current() else { return wantedByDefault }
    let result: UInt64
    if let wanted {
      result = wanted == 0 ? current.soft : try set(exactly: wanted, current, log)
    } else {
      result = raise(current, log)
    }
    guard result >= least else {
      throw .failure("at most \(result) open descriptors are too few; give --rlimit-nofile at least \(least)")
    }
    return result
  }

  private static func set(
    exactly wanted: UInt64, _ current: DescriptorLimit, _ log: DaemonLog
  ) throws(HumanError) -> UInt64 {
    let mostOfKernel = DescriptorLimit.ofKernel
    guard wanted <= mostOfKernel else {
      throw .failure(
        "--rlimit-nofile \(wanted) is more than the kernel's fs.nr_open of \(mostOfKernel); give less or raise it")
    }
    if (try? DescriptorLimit.set(wanted)) != nil { return wanted }
    // Not worth refusing to start: files are kept by handle, and descriptors are a cache. virtiofsd, for which
    // microvm.nix gives this number, would need them all.
    guard (try? DescriptorLimit.raiseToHard()) != nil else { return current.soft }
    log.log(
      .warning,
      "the limit of open descriptors is \(current.hard), because --rlimit-nofile \(wanted) was refused; "
        + "start with a higher hard limit (LimitNOFILE= in a systemd unit) if that is too few")
    return current.hard
  }

  private static func raise(_ current: DescriptorLimit, _ log: DaemonLog) -> UInt64 {
    let wanted = min(wantedByDefault, DescriptorLimit.ofKernel)
    if current.soft >= wanted { return current.soft }
    if (try? DescriptorLimit.set(wanted)) != nil { return wanted }
    if (try? DescriptorLimit.raiseToHard()) != nil {
      log.log(.debug, "the limit of open descriptors is \(current.hard), because raising it to \(wanted) was refused")
      return current.hard
    }
    return current.soft
  }
}
