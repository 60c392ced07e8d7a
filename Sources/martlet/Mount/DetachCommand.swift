// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What `martlet mount` starts as a process of its own when it is asked to end; not for people.

internal import ArgumentParser

struct DetachCommand: ParsableCommand {
  static let name = "detach-mount"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Flushes a mount and takes it out of the tree.", shouldDisplay: false)

  @Argument(help: "The mount point.")
  var directory: String

  func run() {
    Detaching.flush(directory)
    Detaching.detach(directory)
  }
}
