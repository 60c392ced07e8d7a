// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who can attach a backend: what each frontend needs of it, from reading and running them (the versions are those of
// summer 2026). The needs of each kind of device are in Hypervisor+FileSystem.swift, +Block.swift and +GPU.swift.

internal import VhostUserProtocol
internal import VirtioProtocol

/// The frontends that Martlet knows.
enum Hypervisor: String, CaseIterable, Sendable {
  case qemu
  case cloudHypervisor = "cloud-hypervisor"
  case firecracker
  case crosvm
  case stratovirt
  case alioth
  case userModeLinux = "user-mode-linux"

  /// What to do to attach the backend.
  struct Recipe: Equatable, Sendable {
    var command: String
    /// What the user should know before; nil if nothing.
    var remark: String?

    init(_ command: String, remark: String? = nil) {
      self.command = command
      self.remark = remark
    }
  }

  /// It works like this, or it does not work because of that.
  enum Verdict: Equatable, Sendable {
    case attaches(Recipe)
    case cannot(String)
  }

  func verdict(on backend: Inspection) -> Verdict {
    switch backend.kind {
    case .fileSystem: fileSystemVerdict(backend)
    case .block: blockVerdict(backend)
    case .gpu: gpuVerdict(backend)
    case nil: .cannot("what kind of device it is could not be guessed; say it with --device")
    }
  }

  /// What is missing of what a frontend needs; nil if nothing is.
  func missing(
    _ needed: ProtocolFeatures, version1: Bool = true, protocolFeatures: Bool = true, in backend: Inspection
  ) -> Verdict? {
    var names: [String] = []
    if version1, !backend.features.contains(.version1) { names.append("VERSION_1") }
    if protocolFeatures || !needed.isEmpty, backend.protocolFeatures == nil {
      names.append("PROTOCOL_FEATURES")
    } else {
      names += FeatureNames.of(needed.subtracting(backend.protocolFeatures ?? []))
    }
    guard !names.isEmpty else { return nil }
    let list = names.count == 1 ? names[0] : names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
    return .cannot("needs \(list), which the backend does not offer")
  }
}

extension String {
  /// As one word of a shell.
  var shellWord: String {
    let isPlain = utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"), UInt8(ascii: ","), UInt8(ascii: "="), UInt8(ascii: ":"), UInt8(ascii: "@"):
        true
      default: false
      }
    }
    return isPlain && !isEmpty ? self : "'" + replacing("'", by: "'\\''") + "'"
  }

  /// As a value in QEMU's and StratoVirt's option lists, where a comma is written twice.
  var optionValue: String { replacing(",", by: ",,") }
}
