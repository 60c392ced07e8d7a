// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
internal import Linux

public struct IdentifierMap: Sendable {
  public init() {}
  var isIdentity: Bool { true }
  func toHost(_ id: UInt32) throws(Errno) -> UInt32 { id }
  func toGuest(_ id: UInt32) -> UInt32 { id }
}
