// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
internal import Linux
internal import Wire

/// What an attribute's name becomes on the host.
enum NameMapping {
  case name(CName)
  case refused(Errno)
}

/// What a host attribute's name is for the guest.
enum GuestName {
  case hidden
  case visible(CName)
}

public struct XattrMap: Sendable {
  var remapsCapability: Bool { false }
  func toHost(_ name: CName, scratch: Segment) -> NameMapping { .name(name) }
  func toGuest(_ name: CName) -> GuestName { .visible(name) }
}
