// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
internal import Linux

/// How many queues a person asks for: a number, or `nproc` for one per processor that this process may use.
public enum QueueCount: ExpressibleByArgument, Equatable, CustomStringConvertible {
  case processors
  case number(UInt64)

  /// The most queues of a device; each has a thread.
  public static let most = 64

  public init?(argument: String) {
    if argument == "nproc" {
      self = .processors
    } else if let number = UInt64(argument) {
      self = .number(number)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .processors: "nproc"
    case .number(let number): "\(number)"
    }
  }

  /// What is nearest to it from 1 to `most`.
  public var clamped: Int {
    switch self {
    case .processors: min(Processors.usableCount, QueueCount.most)
    case .number(let number): Int(min(max(number, 1), UInt64(QueueCount.most)))
    }
  }
}
