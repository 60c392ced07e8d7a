// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Why an image cannot be made, locked or used, as one sentence for people, without a full stop.
public struct ImageError: Error, Equatable, Sendable {
  public let message: String
  /// The command line makes no sense, whatever the host looks like.
  public let isUsage: Bool

  public static func usage(_ message: String) -> ImageError { ImageError(message: message, isUsage: true) }

  public static func failure(_ message: String) -> ImageError { ImageError(message: message, isUsage: false) }
}
