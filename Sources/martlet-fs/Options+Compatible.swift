// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What only virtiofsd's users bring along: the -o list, maps of the user namespace, changes to the capabilities.

internal import Daemon
internal import FileSystem
internal import Linux

extension Options {
  /// The command line with two spellings of virtiofsd's made plain, which the option parser does not know: options
  /// whose value may be left out (`--posix-acl` alone is `--posix-acl=always`), and `-oLIST`.
  static func plain(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--posix-acl" || argument == "--security-label" {
        let value = rest.first.flatMap { Negotiation(argument: $0) } == nil ? "always" : rest.removeFirst()
        result.append("\(argument)=\(value)")
      } else if argument.hasPrefix("-o"), argument.count > 2 {
        result += ["-o", String(argument.dropFirst(2))]
      } else {
        result.append(argument)
      }
    }
    return result
  }

  /// One `-o` list. It wins over the options that it repeats, as it does in virtiofsd.
  func apply(
    compatible list: String, to share: inout SharePlan, _ common: inout CommonOptions, _ modcaps: inout String?
  ) throws(HumanError) {
    for item in list.split(separator: ",") {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
      let name = String(parts[0].map { $0 == "_" ? "-" : $0 })
      let value = parts.count > 1 ? parts[1] : nil
      switch (name, value) {
      case ("source", let source?):
        share.source = source
        if what.tag == nil { share.options.name = source }
      case ("modcaps", let changes?): modcaps = changes
      case ("loglevel", let level?):
        guard let threshold = LogThreshold(argument: level == "err" ? "error" : level) else {
          throw .usage("loglevel in -o cannot be '\(level)'; give one of debug, info, warn, err")
        }
        common.logLevel = threshold
      case ("sandbox", let mode?):
        guard let sandbox = SandboxMode(argument: mode) else {
          throw .usage("sandbox in -o cannot be '\(mode)'; give one of namespace, chroot, none")
        }
        common.sandbox = sandbox
      default:
        if try !share.set(name, value, in: "-o") {
          throw .usage("-o does not know '\(item)'; use the option of its own")
        }
      }
    }
  }

  /// What is said before anything happens.
  func warnings() throws(HumanError) -> [String] {
    var result: [String] = []
    if !compatible.isEmpty { result.append("-o is deprecated; use the options of their own") }
    if debug { result.append("-d is deprecated; use --log-level=debug") }
    if foreground { result.append("-f is deprecated and does nothing; the daemon always stays in the foreground") }
    if migration.mode == .fileHandles, migration.verifyHandles || migration.confirmPaths {
      throw .usage(
        "--migration-verify-handles and --migration-confirm-paths need --migration-mode=find-paths; leave them out")
    }
    if migration.mode != nil || migration.onError != nil || migration.verifyHandles || migration.confirmPaths {
      result.append("this version does not transfer the share's state; --migration-* options have no effect yet")
    }
    return result
  }

  /// `:inside:outside:count:` with any delimiter that is neither a letter nor a digit.
  func range(_ text: String, _ option: String) throws(HumanError) -> IdentifierRange {
    let wrong = HumanError.usage("\(option) '\(text)' is no range; write :inside:outside:count:")
    guard let delimiter = text.first, !delimiter.isLetter, !delimiter.isNumber, text.last == delimiter else {
      throw wrong
    }
    let parts = text.split(separator: delimiter, omittingEmptySubsequences: false).dropFirst().dropLast()
    let numbers = parts.compactMap { UInt32($0) }
    guard parts.count == 3, numbers.count == 3, numbers[2] > 0 else { throw wrong }
    return IdentifierRange(inside: numbers[0], outside: numbers[1], count: numbers[2])
  }

  /// What the daemon keeps: acting for any user of the guest on any file of the share.
  func capabilities(_ shares: [SharePlan], _ modcaps: String?) throws(HumanError) -> CapabilitySet {
    var set = CapabilitySet([.chown, .dacOverride, .fowner, .fsetid, .setgid, .setuid, .mknod, .setfcap])
    // Opening by handle needs it; it also opens any file of the file system, so it goes where handles are not used.
    let usesHandles = shares.contains { $0.options.inodeFileHandles != .never }
    if usesHandles { set.insert(Capability.dacReadSearch.rawValue) }
    for change in (modcaps ?? "").split(separator: ":") {
      guard let sign = change.first, sign == "+" || sign == "-",
        let number = CapabilitySet.number(named: String(change.dropFirst()))
      else {
        throw .usage("--modcaps does not know '\(change)'; write +name or -name, such as +sys_admin:-mknod")
      }
      if sign == "+" {
        set.insert(number)
      } else if usesHandles, number == Capability.dacReadSearch.rawValue {
        throw .usage("--modcaps cannot drop dac_read_search while file handles need it; use --inode-file-handles=never")
      } else {
        set.remove(number)
      }
    }
    return set
  }
}
