// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// An option's value that makes no sense, as one sentence for people, without a full stop.
public struct OptionError: Error, Equatable, Sendable {
  public let message: String

  public init(_ message: String) {
    self.message = message
  }
}
